"""A search and an ablation in one spec: what is searched for whom, and how the arms come to their settings."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from relab.designs import Arm
from relab.fields import lookup
from relab.methods import find_method
from relab.plan import plan, revision
from relab.records import Description, Failure, Result, Store, StudyStore
from relab.search import sweep_source
from relab.spec import Dimension, SettledSpec, Spec, SweepSpec, TunedSpec, load, restored, shipped_specs, written
from relab.spec.models import still_read
from relab.tuning import settle, standing, winner

METHOD = find_method("joint_head_selection")
WHOLE = {None: "fingerprint"}
LR, ALPHA = "optimizer.lr", "adversarial.alpha"
ENVIRONMENT = {"code": "", "commit": "", "python": "", "torch": "", "packages": {}, "device": "cpu", "world_size": 1}


def tuned(**extra: Any) -> TunedSpec:
    values = {
        "name": "study",
        "method": METHOD.name,
        "corpus": "planted_joint",
        "base": {"adversarial": {"enabled": True}},
        "space": {LR: {"choice": [0.1, 0.2, 0.3]}, ALPHA: {"choice": [0.01, 0.02]}},
        "search": {"algorithm": "grid"},
        "design": "leave_one_out",
        "components": ["adversarial_training", "crf"],
        "seeds": 2,
    }
    return TunedSpec.model_validate(values | extra)


def end(study: StudyStore, search: SweepSpec, scores: Mapping[str, float], count: int = 1000) -> None:
    """End the first trials of a search: scores by JSON of the parameters, 0 unless said; a nan is a failure."""
    study.describe(
        Description(
            spec={}, kind="sweep", method=METHOD.name, objective="dev/overall_f1", mode="max", corpus="",
            protocol="clean", revision=revision(search, METHOD, WHOLE),
        )
    )  # fmt: skip
    source = sweep_source(search, METHOD, WHOLE, study)
    while (trial := source.next()) is not None and trial.number < count:
        study.ask(trial)
        score = scores.get(json.dumps(trial.parameters), 0.0)
        shared: dict[str, Any] = {"key": trial.key, "seconds": 1, "ended": 1, "environment": ENVIRONMENT}
        if not math.isnan(score):
            result = {"state": "finished", "scores": {"dev/overall_f1": score}, "reports": 1, "best": 0, "weights": "w"}
            record: Result | Failure = Result.model_validate(shared | result | {"peak_memory": 1, "started": 0})
            study.store.write_result(record)  # type: ignore[arg-type]
        else:
            record = Failure.model_validate(shared | {"kind": "not a number", "message": "", "traceback": ""})
            study.store.write_failure(record)
        source.ended(trial, record)


def finish(spec: TunedSpec, store: Store, scores: Mapping[str, Mapping[str, float]]) -> None:
    for search in spec.searches(METHOD):
        end(store.study(search.name), search, scores.get(search.name, {}))


BEST = {"study-search": {'{"optimizer.lr": 0.3, "adversarial.alpha": 0.02}': 0.9}}


def test_one_search_for_all_is_over_the_full_model_on_a_seed_that_no_arm_has() -> None:
    (search,) = tuned(protocol="paper", seeds=3).searches(METHOD)
    assert (search.name, search.kind, search.base) == ("study-search", "sweep", {"adversarial": {"enabled": True}})
    assert set(search.space) == {LR, ALPHA} and search.protocol == "clean" and search.seed not in range(3)


def test_a_search_for_each_arm_leaves_out_what_the_arm_does_not_read() -> None:
    searches = tuned(tune="each_arm").searches(METHOD)
    assert {search.name: set(search.space) for search in searches} == {
        "study-search-full": {LR, ALPHA},
        "study-search-without-adversarial_training": {LR},
        "study-search-without-crf": {LR, ALPHA},
    }
    without = {search.name: search for search in searches}["study-search-without-crf"]
    assert lookup(without.settings(METHOD), "entities.crf") is False
    assert len({search.seed for search in searches}) == 1


def test_searches_for_each_arm_have_the_same_number_of_trials() -> None:
    space = {LR: {"loguniform": [1e-4, 1e-2]}, ALPHA: {"loguniform": [1e-4, 1e-2]}}
    spec = tuned(tune="each_arm", space=space, search={}, budget={"trials": 7})
    assert [search.points for search in spec.searches(METHOD)] == [7, 7, 7]


def test_each_repeat_has_a_search_seed_and_a_training_seed_of_its_own() -> None:
    searches = tuned(tune="each_repeat", search={"algorithm": "grid", "seed": 5}).searches(METHOD)
    found = {search.name: (search.search.seed, search.seed) for search in searches if "full" in search.name}
    assert found == {"study-search-full-0": (5, 1000), "study-search-full-1": (6, 1001)} and len(searches) == 6


def test_an_arm_that_leaves_nothing_to_search_has_no_search(tmp_path: Path) -> None:
    spec = tuned(tune="each_arm", space={ALPHA: {"choice": [0.01, 0.02]}})
    assert [search.name for search in spec.searches(METHOD)] == ["study-search-full", "study-search-without-crf"]
    finish(spec, Store(tmp_path), {"study-search-without-crf": {'{"adversarial.alpha": 0.02}': 0.5}})
    settled = settle(spec, METHOD, WHOLE, Store(tmp_path))
    assert settled is not None
    found = {trial.arm: trial.parameters for trial in plan(settled, METHOD, WHOLE).trials}
    assert found == {
        "full": {ALPHA: 0.01},
        "without adversarial_training": {"adversarial.enabled": False},
        "without crf": {"entities.crf": False, ALPHA: 0.02},
    }


DIMENSION = Dimension(choice=(1,))


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        ({}, {"a", "a.b", "ab", "part.size", "part.enabled"}),
        ({"part.enabled": False}, {"a", "a.b", "ab"}),
        ({"part": {"enabled": False}}, {"a", "a.b", "ab"}),
        ({"part.enabled": True}, {"a", "a.b", "ab", "part.size"}),
        ({"a": 3}, {"ab", "part.size", "part.enabled"}),
        ({"a.b": False}, {"a", "ab", "part.size", "part.enabled"}),
    ],
)
def test_what_an_arm_sets_and_what_it_switches_off_is_not_searched(changes: dict[str, Any], read: set[str]) -> None:
    space = dict.fromkeys(("a", "a.b", "ab", "part.size", "part.enabled"), DIMENSION)
    assert set(still_read(space, Arm("arm", (), changes), METHOD)) == read


def test_what_a_component_silences_is_not_searched_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    components = tuple(replace(component, silences=("encoder",)) for component in METHOD.components)
    monkeypatch.setattr(type(METHOD), "components", components)
    space = {"encoder.layers": DIMENSION, LR: DIMENSION}
    assert set(still_read(space, Arm("arm", ("crf",), {}), METHOD)) == {LR}
    assert set(still_read(space, Arm("arm", (), {}), METHOD)) == {LR, "encoder.layers"}


def test_an_ablation_waits_for_its_search_and_then_goes_around_the_winner(tmp_path: Path) -> None:
    spec, store = tuned(), Store(tmp_path)
    (search,) = spec.searches(METHOD)
    assert settle(spec, METHOD, WHOLE, store) is None
    end(store.study(search.name), search, BEST["study-search"], count=5)
    assert settle(spec, METHOD, WHOLE, store) is None and winner(search, METHOD, WHOLE, store) == {}
    found = standing(search, METHOD, WHOLE, store)
    assert (found.ended, found.trials, found.winner) == (5, 6, {})
    end(store.study(search.name), search, BEST["study-search"])
    settled = settle(spec, METHOD, WHOLE, store)
    assert settled is not None and settled.winners == {"study-search": {LR: 0.3, ALPHA: 0.02}}
    said = "study-search: 6/6 trials over optimizer.lr, adversarial.alpha; best with "
    assert str(standing(search, METHOD, WHOLE, store)) == f"{said}optimizer.lr=0.3, adversarial.alpha=0.02"
    trials = plan(settled, METHOD, WHOLE).trials
    assert len(trials) == 6 and {trial.seed for trial in trials} == {0, 1}
    assert all((lookup(t.config, LR), lookup(t.config, ALPHA)) == (0.3, 0.02) for t in trials)
    assert [t.parameters for t in trials[:3]] == [{}, {"adversarial.enabled": False}, {"entities.crf": False}]


def test_a_setting_that_diverges_is_an_end_and_no_winner(tmp_path: Path) -> None:
    spec, store = tuned(), Store(tmp_path)
    finish(spec, store, {"study-search": {'{"optimizer.lr": 0.1, "adversarial.alpha": 0.01}': float("nan")}})
    settled = settle(spec, METHOD, WHOLE, store)
    assert settled is not None and settled.winners["study-search"] == {LR: 0.1, ALPHA: 0.02}


def test_a_search_that_was_run_with_another_space_or_on_other_data_has_no_winner(tmp_path: Path) -> None:
    spec, store = tuned(), Store(tmp_path)
    finish(spec, store, BEST)
    assert settle(tuned(space={LR: {"choice": [0.1, 0.2]}}), METHOD, WHOLE, store) is None
    assert settle(spec, METHOD, {None: "other"}, store) is None
    assert settle(spec, METHOD, WHOLE, store) is not None


def test_arms_with_searches_of_their_own_are_trained_with_their_own_winners(tmp_path: Path) -> None:
    spec, store = tuned(tune="each_repeat"), Store(tmp_path)
    scores = {
        "study-search-full-0": {'{"optimizer.lr": 0.2, "adversarial.alpha": 0.02}': 1.0},
        "study-search-without-adversarial_training-1": {'{"optimizer.lr": 0.3}': 1.0},
    }
    finish(spec, store, scores)
    settled = settle(spec, METHOD, WHOLE, store)
    assert settled is not None
    found = {
        (trial.arm, trial.seed): (lookup(trial.config, LR), lookup(trial.config, ALPHA))
        for trial in plan(settled, METHOD, WHOLE).trials
    }
    default = lookup(METHOD.Config().model_dump(), ALPHA)
    assert found == {
        ("full", 0): (0.2, 0.02),
        ("full", 1): (0.1, 0.01),
        ("without adversarial_training", 0): (0.1, default),
        ("without adversarial_training", 1): (0.3, default),
        ("without crf", 0): (0.1, 0.01),
        ("without crf", 1): (0.1, 0.01),
    }


def test_another_winner_begins_the_list_of_trials_anew_and_the_same_does_not(tmp_path: Path) -> None:
    spec = tuned()
    one, again, other = (
        revision(spec.settled({"study-search": {LR: value, ALPHA: 0.01}}), METHOD, WHOLE) for value in (0.1, 0.1, 0.2)
    )
    assert one == again != other


def test_the_arms_of_a_fixed_setting_are_those_of_an_ablation_around_it() -> None:
    """What a winner says is what ``base`` would: a study by hand around the same setting shares every trial."""
    settled = tuned().settled({"study-search": {LR: 0.2, ALPHA: 0.02}})
    by_hand = load_values(tuned(), base={"adversarial": {"enabled": True, "alpha": 0.02}, "optimizer": {"lr": 0.2}})
    keys = [[trial.key for trial in plan(spec, METHOD, WHOLE).trials] for spec in (settled, by_hand)]
    assert keys[0] == keys[1]


def load_values(spec: TunedSpec, **extra: Any) -> Spec:
    """The same without its search."""
    searched = {"space", "search", "stop", "budget", "start_from", "tune", "seed"}
    return restored({k: v for k, v in (recorded(spec) | extra).items() if k not in searched})


def recorded(spec: Spec) -> dict[str, Any]:
    """As a study's description keeps it."""
    found: dict[str, Any] = json.loads(json.dumps(spec.model_dump(mode="json", by_alias=True)))
    return found


@pytest.mark.parametrize("name", [name for name, _ in shipped_specs()])
def test_a_spec_comes_back_from_its_record(name: str) -> None:
    spec = load(name)
    again = restored(recorded(spec))
    assert again == spec and type(again) is type(spec)
    if isinstance(spec, SweepSpec) and isinstance(again, SweepSpec):
        assert again.points == spec.points


def test_a_settled_spec_comes_back_from_its_record() -> None:
    settled = tuned(tune="each_arm").settled({"study-search-full": {LR: 0.2}})
    again = restored(recorded(settled))
    assert isinstance(again, SettledSpec) and again == settled


def test_what_a_report_prints_of_a_settled_spec_can_be_run_and_searches_again(tmp_path: Path) -> None:
    spec = tuned(tune="each_arm")
    file = tmp_path / "study.yaml"
    file.write_text(written(recorded(spec.settled({"study-search-full": {LR: 0.2}}))))
    assert load(str(file)) == spec


def test_a_grid_without_a_budget_comes_back_whole() -> None:
    space = {LR: {"choice": [number / 100 for number in range(1, 31)]}}
    spec = SweepSpec.model_validate(
        {"method": METHOD.name, "corpus": "planted_joint", "space": space, "search": {"algorithm": "grid"}}
    )
    again = restored(recorded(spec))
    assert isinstance(again, SweepSpec) and again.points == spec.points == 30


def test_a_file_with_a_space_and_a_design_is_both(tmp_path: Path) -> None:
    file = tmp_path / "both.yaml"
    file.write_text(
        "method: joint_head_selection\ncorpus: planted_joint\nspace: {optimizer.lr: {loguniform: [1e-3, 1e-2]}}\n"
        "budget: {trials: 4}\ndesign: leave_one_out\ncomponents: [crf]\nseeds: 3\ntune: each_arm\n"
    )
    spec = load(str(file), {"budget.trials": "5"}, seeds=4)
    assert isinstance(spec, TunedSpec) and (spec.name, spec.tune, spec.all_seeds) == ("both", "each_arm", (0, 1, 2, 3))
    assert [search.points for search in spec.searches(METHOD)] == [5, 5]
