"""Studies on a real local Ray: whatever is finished stays, whatever fails is said, and going on is the same command."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from relab.errors import RelabError, RequestError
from relab.records import Result, Store

pytestmark = pytest.mark.ray

SWEEP = """
    method: benchmarks.workload:Workload
    corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
    base: {reports: 3}
    space: {x: {uniform: [0.0, 1.0]}}
    budget: {trials: 6}
"""
JOINT = """
    method: joint_head_selection
    corpus: {name: planted_joint, train: 24, dev: 12, test: 12}
    preset: smoke
    base: {label_embedding: {enabled: true}, encoder: {layers: 1, hidden: 8}}
    design: leave_one_out
    components: [character_embeddings, crf]
    seeds: 2
"""


def scores(study: Any) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for trial in study.asked():
        result = study.store.result(trial.key)
        assert isinstance(result, Result)
        found[trial.key] = result.scores
    return found


def test_a_sweep_trains_its_budget_and_its_like_again_trains_nothing(lab: Any) -> None:
    first = lab.run(SWEEP)
    assert (first.failed, first.interrupted) == (0, False)
    before = lab.results(first.study)
    assert len(before) == 6
    lab.run(SWEEP)
    assert lab.results(first.study) == before
    more = lab.run(SWEEP, trials=9)
    after = lab.results(more.study)
    assert len(after) == 9
    assert {key: after[key] for key in before} == before


def test_from_python_as_from_the_command_line(lab: Any) -> None:
    from relab import run, study

    spec = lab.spec(SWEEP)
    found = run(spec, store=lab.store, changes={"budget.trials": 2, "reports": 2})
    assert found.frame()["state"].to_list() == ["finished"] * 2
    again = study("study", store=lab.store)
    assert again.frame().equals(found.frame())
    nothing = run(spec, store=lab.store, changes={"budget.trials": 2, "reports": 2}, failed=True)
    assert nothing.frame().equals(found.frame())  # none has failed
    assert again.metrics()["report"].to_list() == [1, 2, 1, 2]


def test_stopping_early_leaves_records_of_what_was_stopped(lab: Any) -> None:
    outcome = lab.run(
        SWEEP.replace("reports: 3", "reports: 9") + "    stop: {rule: asha, grace: 1, reduction: 3}\n", trials=12
    )
    results = [outcome.study.store.result(trial.key) for trial in outcome.study.asked()]
    states = [result.state for result in results]
    assert set(states) == {"finished", "pruned"}
    best = max(results, key=lambda result: result.scores["dev/score"])
    assert best.state == "finished"
    for result in results:
        assert (result.reports == 9) == (result.state == "finished")
        assert len(outcome.study.store.metrics(result.key)) == result.reports


def test_an_ablation_gives_every_arm_the_same_seeds_and_shares_its_baseline(lab: Any) -> None:
    first = lab.run(JOINT)
    frame = first.study.frame()
    assert sorted(frame.group_by("arm").len().rows()) == [
        ("full", 2),
        ("without character_embeddings", 2),
        ("without crf", 2),
    ]
    before = lab.results(first.study)
    other = lab.run(JOINT.replace("[character_embeddings, crf]", "[label_embeddings]"), "other")
    shared = set(before) & set(lab.results(other.study))
    assert {trial.arm for trial in other.study.asked() if trial.key in shared} == {"full"}
    assert lab.results(first.study) == before


def test_the_same_seed_gives_the_same_scores_and_weights_in_another_store(lab: Any, tmp_path: Path) -> None:
    first = lab.run(JOINT, seeds=1)
    weights = {trial.key: first.study.store.result(trial.key).weights for trial in first.study.asked()}
    numbers = scores(first.study)
    lab.store = tmp_path / "second"
    second = lab.run(JOINT, seeds=1)
    assert scores(second.study) == numbers
    assert {trial.key: second.study.store.result(trial.key).weights for trial in second.study.asked()} == weights


def test_an_arm_that_changes_nothing_is_refused_before_anything_is_trained(lab: Any) -> None:
    text = JOINT.replace(
        "design: leave_one_out\n    components: [character_embeddings, crf]",
        "design: arms\n    arms: {idle: {set: {label_embedding.size: 30}}}",
    )
    text = text.replace("label_embedding: {enabled: true}", "label_embedding: {enabled: false}")
    with pytest.raises(RelabError, match="idle equals full in weights"):
        lab.run(text)
    assert not any(trial.key in Store(lab.store).finished() for trial in Store(lab.store).study("study").asked())


def test_what_could_never_be_placed_is_refused_with_the_arithmetic(lab: Any) -> None:
    with pytest.raises(RequestError, match="64 CPU = 64, and there are 2"):
        lab.run(SWEEP + "    resources: {cpus: 64}\n")


def test_mlflow_shows_one_run_per_trial_with_its_true_end(lab: Any) -> None:
    text = SWEEP.replace("reports: 3", "reports: 9") + "    stop: {rule: asha, grace: 1, reduction: 3}\n"
    outcome = lab.run(text, track=True, trials=8)
    lab.run(text, track=True, trials=9)
    study = outcome.study
    client = MlflowClient(f"sqlite:///{lab.store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("study")
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "relab.trial" not in run.data.tags]
    children = {run.data.tags["relab.key"]: run for run in runs if "relab.trial" in run.data.tags}
    assert [run.info.status for run in parents] == ["FINISHED"]
    assert len(children) == len(runs) - 1 == 9
    for trial in study.asked():
        run, result = children[trial.key], study.store.result(trial.key)
        assert run.info.status == ("FINISHED" if result.state == "finished" else "KILLED")
        assert run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
        history = client.get_metric_history(run.info.run_id, "dev/score")
        assert sorted(metric.step for metric in history) == list(range(1, result.reports + 1))
        assert run.data.metrics["best/dev/score"] == result.scores["dev/score"]
        assert run.inputs.dataset_inputs[0].dataset.name == "planted_joint"


def test_sync_rebuilds_mlflow_from_nothing(lab: Any) -> None:
    from relab.tracking import sync

    outcome = lab.run(JOINT, seeds=1)
    assert not (lab.store / "mlflow.db").exists()
    for _ in range(2):
        assert sync(Store(lab.store), "study") == 3
    client = MlflowClient(f"sqlite:///{lab.store / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    assert len(runs) == 6
    assert {run.info.status for run in runs} == {"FINISHED"}
    child = next(run for run in runs if run.data.tags.get("relab.trial") == "1")
    names = {file.path for file in client.list_artifacts(child.info.run_id)}
    assert {"config.json", "dev_predictions.csv", "dev_types.csv"} <= names
    full = next(run for run in runs if run.info.run_name == "full")
    assert "figures/dev-overall_f1.png" in {file.path for file in client.list_artifacts(full.info.run_id, "figures")}
    assert outcome.failed == 0


def test_a_server_that_is_down_delays_nothing_and_is_said(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    outcome = lab.run(SWEEP, track=True)
    assert len(lab.results(outcome.study)) == 6
    assert "relab sync study" in lab.said.getvalue()
