"""Tune, ablate, confirm: one spec, one command for the first two, one for the last."""

import io
import json
from typing import Any

import pytest
from relab.cli import app
from relab.errors import RelabError
from relab.fields import lookup
from relab.records import Store
from relab.running.confirm import confirm
from relab.tracking.server import mlflow_client
from rich.console import Console
from typer.testing import CliRunner

pytestmark = pytest.mark.ray

TUNED = """
    method: joint_head_selection
    corpus: {name: planted_joint, train: 24, dev: 12, test: 12}
    preset: smoke
    base: {encoder: {layers: 1, hidden: 8}}
    space: {optimizer.lr: {choice: [1.0e-5, 1.0e-2]}}
    search: {algorithm: grid}
    design: leave_one_out
    components: [crf]
    seeds: 2
"""


def test_a_spec_with_both_searches_then_ablates_around_the_winner_and_is_confirmed(lab: Any) -> None:
    runner, arguments = CliRunner(), [str(lab.spec(TUNED)), "--store", str(lab.store), "--json"]
    before = json.loads(runner.invoke(app, ["plan", *arguments]).stdout)
    assert [(search["study"], search["trials"], search["ended"]) for search in before["searches"]] == [
        ("study-search", 2, 0)
    ]
    assert before["ablation"] == {"study": "study", "trials": 4}

    outcome = lab.run(TUNED)
    store = Store(lab.store)
    search, study = store.study("study-search"), outcome.study
    assert (study.name, outcome.failed) == ("study", 0) and len(lab.results(search)) == 2
    found = study.description().spec["winners"]["study-search"]["optimizer.lr"]
    scores = {t.parameters["optimizer.lr"]: store.result(t.key).scores["dev/overall_f1"] for t in search.asked()}
    assert scores[found] == max(scores.values())
    assert {(trial.arm, trial.seed) for trial in study.asked()} == {
        (a, s) for a in ("full", "without crf") for s in (0, 1)
    }
    assert {lookup(trial.config, "optimizer.lr") for trial in study.asked()} == {found}

    everything = lab.results(search) | lab.results(study)
    lab.run(TUNED)
    assert lab.results(search) | lab.results(study) == everything
    after = json.loads(runner.invoke(app, ["plan", *arguments]).stdout)
    assert after["searches"][0]["winner"] == {"optimizer.lr": found}
    assert [trial["state"] for trial in after["ablation"]["trials"]] == ["finished"] * 4

    record = confirm(study, {}, Console(file=io.StringIO()))
    assert {trial.key for trial in record.opening.trials} == set(lab.results(study))
    assert "test/overall_f1" in next(iter(record.scores.values()))
    assert study.frame()["score/test/overall_f1"].null_count() == 0 and lab.results(study).items() <= everything.items()

    client = mlflow_client(store)
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    shown = {run.data.tags["relab.key"]: run.data.metrics for run in runs if "relab.key" in run.data.tags}
    assert {key: {name: metrics[f"best/{name}"] for name in record.scores[key]} for key, metrics in shown.items()} == (
        record.scores
    )


def test_without_a_winner_no_arm_is_trained(lab: Any) -> None:
    text = """
        method: benchmarks.workload:Workload
        corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
        space: {work: {choice: [diverge]}}
        design: arms
        arms: {other: {set: {x: 0.1}}}
    """
    with pytest.raises(RelabError, match="none that finished; no arm was trained"):
        lab.run(text)
    assert not (Store(lab.store).study("study").folder / "study.json").exists()


def test_an_arm_that_changes_nothing_is_refused_before_the_search(lab: Any) -> None:
    text = TUNED.replace("components: [crf]", "arms: {idle: {set: {label_embedding.size: 30}}}")
    text = text.replace("leave_one_out", "arms").replace(
        "hidden: 8}}", "hidden: 8}, label_embedding: {enabled: false}}"
    )
    with pytest.raises(RelabError, match="idle equals full"):
        lab.run(text)
    assert not Store(lab.store).study("study-search").exists
