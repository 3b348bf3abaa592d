"""Reports say the numbers of the records, and nothing that is not in them."""

import io
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from relab.claims import parse
from relab.cli import main
from relab.designs import FULL
from relab.environment import Environment
from relab.estimate import dropped, estimate
from relab.methods import find_method
from relab.plan import SWEEP, Fold, PlannedTrial, plan
from relab.records import Description, Failure, Result, Store, StudyStore
from relab.report.data import study_data
from relab.report.forms import markdown, study_tables
from relab.report.standing import render_plan, render_status
from relab.spec import AblationSpec, SweepSpec
from rich.console import Console, RenderableType

DEV, TEST = "dev/overall_f1", "test/overall_f1"
METHOD = find_method("joint_head_selection")
HEAD: dict[str, Any] = {"method": METHOD.name, "corpus": "planted_joint"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def described(store: Store, kind: str, **extra: Any) -> StudyStore:
    study = store.study("epsilon")
    study.describe(
        Description.model_validate(
            {
                "spec": {},
                "kind": kind,
                "method": METHOD.name,
                "objective": DEV,
                "mode": "max",
                "corpus": "planted_joint: train 8",
                "protocol": "clean",
                "revision": "first",
            }
            | extra
        )
    )
    return study


def ask(study: StudyStore, number: int, **extra: Any) -> PlannedTrial:
    trial = PlannedTrial.model_validate(
        {
            "number": number,
            "key": f"{number:020x}",
            "method": METHOD.name,
            "arm": SWEEP,
            "seed": 0,
            "config": {},
            "corpus": "c",
        }
        | extra
    )
    study.ask(trial)
    return trial


def end(
    study: StudyStore, trial: PlannedTrial, scores: Mapping[str, float], state: str = "finished", code: str = "c0de"
) -> None:
    study.store.write_result(
        Result.model_validate(
            {
                "key": trial.key,
                "state": state,
                "scores": dict(scores),
                "reports": 1,
                "best": 0,
                "weights": "w",
                "seconds": 90.0,
                "peak_memory": 0,
                "started": 0.0,
                "ended": 90.0,
                "environment": Environment(
                    code=code, commit="", python="3", torch="2.9", packages={}, device="cpu", world_size=1
                ),
            }
        )
    )


def fail(study: StudyStore, trial: PlannedTrial, message: str) -> None:
    here = Environment(code="c0de", commit="", python="3", torch="2.9", packages={}, device="cpu", world_size=1)
    study.store.write_failure(
        Failure(key=trial.key, kind="not a number", message=message, traceback="", seconds=1, ended=1, environment=here)
    )


def terminal(*things: RenderableType) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    for thing in things:
        console.print(thing)
    return console.export_text()


def rows(text: str) -> list[list[str]]:
    """The cells of the body of a Markdown page's first table."""
    lines = itertools.dropwhile(lambda line: not line.startswith("|"), text.splitlines())
    table = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [line[2:-2].split(" | ") for line in table][2:]


@pytest.fixture
def ablation(store: Store) -> StudyStore:
    """Three seeds of two arms; the differences are −0.1, −0.2 and −0.3."""
    study = described(store, "ablation", arms={FULL: {}, "without crf": {"entities.crf": False}})
    for seed, (full, without) in enumerate(((0.7, 0.6), (0.9, 0.7), (0.8, 0.5))):
        end(study, ask(study, 2 * seed, arm=FULL, seed=seed), {DEV: full})
        end(study, ask(study, 2 * seed + 1, arm="without crf", off=("crf",), seed=seed), {DEV: without})
    return study


@pytest.fixture
def sweep(store: Store) -> StudyStore:
    study = described(store, "sweep")
    for number, (lr, crf, score) in enumerate(((0.001, True, 0.25), (0.0123456, False, 0.75), (0.1, True, 0.5))):
        end(study, ask(study, number, parameters={"optimizer.lr": lr, "entities.crf": crf}), {DEV: score})
    end(study, ask(study, 3, parameters={"optimizer.lr": 0.5, "entities.crf": True}), {DEV: 0.9}, state="pruned")
    fail(
        study,
        ask(study, 4, parameters={"optimizer.lr": 0.9, "entities.crf": True}),
        "FloatingPointError: train/loss is nan",
    )
    return study


def test_the_markdown_of_an_ablation_has_means_differences_and_intervals(ablation: StudyStore) -> None:
    text = markdown(ablation)
    full, without = rows(text)
    assert full == ["full", "", "3", "0.8000", "0.1000", "", "", "", "", ""]
    assert without == [
        "without crf", "entities.crf=false", "3", "0.6000", "0.1000", "-0.2000", "-0.4484 to +0.0484", "0.0742",
        "-1.13", "0.50",
    ]  # fmt: skip
    assert text.startswith("# epsilon\n") and "ablation of `joint_head_selection` on planted_joint: train 8" in text
    assert (
        "Objective: `dev/overall_f1` (max)" in text
        and "Test split: not opened" in text
        and "Trials: 6 finished" in text
    )
    made = text.partition("## Made with")[2]
    assert "- code digest: c0de\n- packages: python 3, torch 2.9\n- device: cpu\n" in made and "differ" not in made
    assert "- corpus fingerprint: c\n- seeds: 0, 1, 2" in made


def test_the_terminal_shows_the_same_numbers(ablation: StudyStore) -> None:
    text = terminal(*study_tables(ablation))
    for number in ("0.8000", "0.6000", "0.1000", "-0.2000", "-0.4484 to +0.0484"):
        assert number in text


def test_the_data_of_an_ablation_are_json_and_exact(ablation: StudyStore) -> None:
    data = study_data(ablation)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    full, without = data["metrics"][DEV]
    assert data["states"] == {"finished": 6} and full["arm"] == FULL and full["difference"] is None
    assert without["difference"]["mean"] == pytest.approx(-0.2) and without["difference"]["low"] == pytest.approx(
        -0.44841, abs=1e-5
    )
    assert without["pairs"] == 3 and without["deviation"] == pytest.approx(0.1)


def test_one_seed_has_a_difference_and_no_interval(store: Store) -> None:
    study = described(store, "ablation")
    end(study, ask(study, 0, arm=FULL), {DEV: 0.5})
    end(study, ask(study, 1, arm="without crf"), {DEV: 0.75})
    assert rows(markdown(study))[1][3:] == ["0.7500", "", "+0.2500", "one seed", "", "", ""]


def test_the_test_split_is_shown_where_it_was_opened(store: Store) -> None:
    study = described(store, "ablation", protocol="paper")
    end(study, ask(study, 0, arm=FULL), {DEV: 0.5, TEST: 0.4321})
    text = markdown(study)
    assert "Test split: opened" in text and "**test/overall_f1**" in text and "0.4321" in text
    assert list(study_data(study)["metrics"]) == [DEV, TEST]


def test_the_markdown_of_a_sweep_ranks_its_points(sweep: StudyStore) -> None:
    text = markdown(sweep)
    assert rows(text) == [
        ["1", "0.7500", "0.01235", "false", "1 min 30 s"],
        ["2", "0.5000", "0.1", "true", "1 min 30 s"],
        ["3", "0.2500", "0.001", "true", "1 min 30 s"],
    ]
    assert "Trials: 1 failed, 3 finished, 1 pruned" in text and "| rank | dev/overall_f1 | lr | crf | time |" in text


def test_the_data_of_a_sweep_are_json_and_exact(sweep: StudyStore) -> None:
    data = study_data(sweep)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert (
        data["best"]["parameters"] == {"optimizer.lr": 0.0123456, "entities.crf": False}
        and data["best"]["value"] == 0.75
    )
    assert [point["rank"] for point in data["points"]] == [1, 2, 3] and data["states"] == {
        "failed": 1,
        "finished": 3,
        "pruned": 1,
    }


def test_the_terminal_ends_with_the_settings_to_type(sweep: StudyStore) -> None:
    text = terminal(*study_tables(sweep))
    assert "3 settings finished, 1 stopped early" in text and "1 min 30 s" in text
    assert "best: --set optimizer.lr=0.0123" in text and text.rstrip().endswith("--set entities.crf=false")


def test_the_settings_to_type_are_the_best_ones_exactly(sweep: StudyStore) -> None:
    assert "--set optimizer.lr=0.0123456" in terminal(*study_tables(sweep))


def test_a_sweep_for_the_least_ranks_the_other_way(store: Store) -> None:
    study = described(store, "sweep", mode="min")
    for number, score in enumerate((0.3, 0.1, 0.2)):
        end(study, ask(study, number, parameters={"optimizer.lr": float(number)}), {DEV: score})
    assert [row[1] for row in rows(markdown(study))] == ["0.1000", "0.2000", "0.3000"]


def test_cells_made_with_different_code_say_so(store: Store) -> None:
    study = described(store, "ablation")
    end(study, ask(study, 0, arm=FULL), {DEV: 0.5}, code="c0de")
    end(study, ask(study, 1, arm="without crf"), {DEV: 0.6}, code="0ther")
    assert "- code digest: 0ther; c0de (**the cells differ in this**)" in markdown(study)


def test_a_bar_in_a_name_stays_inside_its_cell(store: Store) -> None:
    study = described(store, "ablation")
    end(study, ask(study, 0, arm=FULL), {DEV: 0.5})
    end(study, ask(study, 1, arm="a|b"), {DEV: 0.5})
    assert "| a\\|b |" in markdown(study)


@pytest.mark.parametrize("kind", ["sweep", "ablation", "training"])
@pytest.mark.parametrize("asked", [0, 1])
def test_a_study_without_a_result_has_a_report_all_the_same(store: Store, kind: str, asked: int) -> None:
    study = described(store, kind)
    if asked:
        ask(study, 0, arm=SWEEP if kind == "sweep" else FULL, parameters={"optimizer.lr": 0.5})
    assert markdown(study).startswith("# epsilon\n") and json.dumps(study_data(study))
    assert ("1 waiting" if asked else "none") in markdown(study)
    terminal(*study_tables(study))


# claims


def judged(study: StudyStore, *claims: str) -> StudyStore:
    study.describe(study.description().model_copy(update={"claims": tuple(map(parse, claims))}))
    return study


def test_the_markdown_has_a_row_per_claim_with_its_evidence(ablation: StudyStore) -> None:
    text = markdown(judged(ablation, "full > without crf", "full > without characters"))
    assert rows(text.partition("## Claims")[2]) == [
        ["full > without crf on dev/overall_f1", "3", "+0.2000", "-0.0484 to +0.4484", "0.0742", "0.1484", "undecided"],
        ["full > without characters on dev/overall_f1", "0", "", "", "", "", "undecided"],
    ]
    assert "Holm over these 2 claims" in text


def test_the_terminal_shows_the_verdicts(store: Store) -> None:
    study = described(store, "ablation")
    for seed in range(6):
        end(study, ask(study, 2 * seed, arm=FULL, seed=seed), {DEV: 0.8 + 0.01 * seed})
        end(study, ask(study, 2 * seed + 1, arm="plain", seed=seed), {DEV: 0.5 + 0.0101 * seed})
    judged(study, "full > plain", "full < plain on dev/overall_f1", "full > none")
    lines = [line.split() for line in terminal(*study_tables(study)).splitlines() if f"on {DEV}" in line]
    assert [(line[0], line[1], line[2], line[-1]) for line in lines] == [
        ("full", ">", "plain", "held"),
        ("full", "<", "plain", "reversed"),
        ("full", ">", "none", "undecided"),
    ]
    assert lines[0][5:] == ["6", "+0.2998", "+0.2996", "to", "+0.2999", "<", "0.0001", "<", "0.0001", "held"]


def test_the_claims_as_data_are_exact(ablation: StudyStore) -> None:
    data = study_data(judged(ablation, "full > without crf", "full < nothing"))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    first, second = data["claims"]
    assert (first["claim"], first["pairs"], first["verdict"]) == (
        "full > without crf on dev/overall_f1",
        3,
        "undecided",
    )
    assert first["p"] == pytest.approx(0.0741799, abs=1e-7) and first["adjusted_p"] == pytest.approx(2 * first["p"])
    assert first["difference"]["mean"] == pytest.approx(0.2) and second["difference"] is second["p"] is None


def test_a_study_without_claims_has_no_verdicts(ablation: StudyStore) -> None:
    assert "Claims" not in markdown(ablation) and "claims" not in study_data(ablation)
    assert "verdict" not in terminal(*study_tables(ablation))


# status and plan


def test_the_status_counts_states_and_names_failures(sweep: StudyStore) -> None:
    text = render_status(sweep, sweep.frame(), None).plain
    assert text.startswith("epsilon  5 trials: 1 failed, 3 finished, 1 pruned\nnobody is running it")
    assert text.endswith("failed: trial 4 (sweep, seed 0): not a number: FloatingPointError: train/loss is nan")
    with sweep.lock():
        assert "being run by process" in render_status(sweep, sweep.frame(), sweep.holder()).plain


def test_the_status_of_a_study_that_asked_for_nothing_yet(store: Store) -> None:
    study = described(store, "sweep")
    assert "0 trials: none yet" in render_status(study, study.frame(), None).plain


def test_a_plan_has_a_row_per_arm_and_a_sum(store: Store) -> None:
    spec = AblationSpec.model_validate(
        HEAD | {"design": "leave_one_out", "components": ["crf"], "seeds": 3, "name": "parts"}
    )
    first = plan(spec, METHOD, {None: "c"})
    text = terminal(render_plan(spec, plan(spec, METHOD, {None: "c"}, finished={first.trials[0].key})))
    assert (
        "parts: ablation of joint_head_selection" in text
        and "entities.crf=false" in text
        and "6 trials, 5 to train" in text
    )
    assert [line.split() for line in text.splitlines() if line.startswith("full")] == [["full", "3", "1"]]


def test_a_plan_says_what_is_left_will_take_by_what_was_trained(store: Store) -> None:
    values = HEAD | {"design": "leave_one_out", "components": ["crf"], "seeds": 3}
    spec = AblationSpec.model_validate(values | {"name": "epsilon"})
    planned = plan(spec, METHOD, {None: "c"})
    study = described(store, "ablation")
    assert estimate(study, planned, METHOD.name, {"c"}) is None and dropped(study, planned) == 0
    for trial in planned.trials[:2]:
        study.ask(trial)
        end(study, trial, {DEV: 0.5})
    ask(study, 7, arm="without characters", seed=9)
    end(study, ask(study, 8, arm="without characters", seed=8), {DEV: 0.5})
    again = plan(spec, METHOD, {None: "c"}, store.finished())
    found = estimate(study, again, METHOD.name, {"c"})
    assert found is not None and (found.trials, found.seconds, found.known, found.own) == (4, 360.0, 3, True)
    assert dropped(study, again) == 1
    text = terminal(render_plan(spec, again, {"without x": "y needs x"}, found, dropped(study, again)))
    assert (
        "6 trials, 4 to train" in text and "6 min 00 s of training" in text and "no arm 'without x': y needs x" in text
    )
    assert "1 finished trials of the study as it was last run" in text
    elsewhere = estimate(store.study("another"), again, METHOD.name, {"c"})
    assert elsewhere is not None and not elsewhere.own and elsewhere.known == 3
    assert estimate(store.study("another"), again, METHOD.name, {"other data"}) is None


def test_the_plan_of_a_sweep_counts_what_will_be_drawn() -> None:
    spec = SweepSpec.model_validate(
        HEAD
        | {
            "name": "s",
            "space": {"optimizer.lr": {"loguniform": [1e-4, 1e-2]}},
            "start_from": ["batched"],
            "budget": {"trials": 5},
        }
    )
    text = terminal(render_plan(spec, plan(spec, METHOD, {Fold(index=k, count=3): str(k) for k in range(3)})))
    assert "drawn by the search" in text and "15 trials, 15 to train" in text


def test_a_study_that_asked_for_nothing_yet_can_be_looked_at(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    described(store, "ablation")
    for command in (["status", "epsilon"], ["list", "studies"], ["report", "epsilon"], ["report", "epsilon", "--json"]):
        monkeypatch.setattr("sys.argv", ["relab", *command, "--store", str(store.root)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0, command
    assert "epsilon" in capsys.readouterr().out
