"""What a search proposes: a function of the points so far, from a study's records alone."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.environment import Environment
from relab.fields import lookup
from relab.method import Objective
from relab.methods import find_method
from relab.plan import SWEEP, Fold, PlannedTrial
from relab.records import Description, Failure, Result, Store, StudyStore
from relab.search import (
    Bisection,
    Drawn,
    ListSource,
    Point,
    Pruner,
    SweepSource,
    Waiting,
    chooser,
    distribution,
    sweep_source,
)
from relab.spec import Dimension, SweepSpec

METHOD = find_method("joint_head_selection")
METRIC = "dev/overall_f1"
BEST, LEAST = Objective(METRIC, "max"), Objective(METRIC, "min")
HERE = Environment(code="c", commit="", python="3", torch="2", packages={}, device="cpu", world_size=1)
LR, LAYERS, DROPOUT, ALPHA = "optimizer.lr", "encoder.layers", "dropout.embedding", "adversarial.alpha"
CHOICES = {LR: {"choice": [0.1, 0.2, 0.3]}, "entities.crf": {"choice": [True, False]}}
RANGES = {LR: {"loguniform": [1e-4, 1.0]}, DROPOUT: {"uniform": [0.0, 0.9]}}
EVERY_FORM = RANGES | {
    LAYERS: {"int": [1, 4]},
    "encoder.hidden": {"logint": [4, 64]},
    "entities.activation": {"choice": ["tanh", "relu"]},
}

optuna.logging.set_verbosity(optuna.logging.WARNING)


def sweep(space: Mapping[str, Any], **extra: Any) -> SweepSpec:
    return SweepSpec.model_validate(
        {"method": "joint_head_selection", "corpus": "planted_joint", "space": space} | extra
    )


def planned(number: int, **extra: Any) -> PlannedTrial:
    values = {
        "number": number,
        "key": f"{number:020x}",
        "method": METHOD.name,
        "arm": SWEEP,
        "seed": 0,
        "config": {},
        "corpus": "c",
    }
    return PlannedTrial.model_validate(values | extra)


def result(key: str, score: float, state: str = "finished") -> Result:
    return Result.model_validate(
        {
            "key": key,
            "state": state,
            "scores": {METRIC: score},
            "reports": 1,
            "best": 0,
            "weights": "w",
            "seconds": 1.0,
            "peak_memory": 0,
            "started": 0.0,
            "ended": 1.0,
            "environment": HERE,
        }
    )


def failed(key: str) -> Failure:
    return Failure(key=key, kind="error", message="it broke", traceback="", seconds=1.0, ended=1.0, environment=HERE)


def point(number: int, parameters: Mapping[str, Any], score: float | None = None) -> Point:
    """A point that runs, or has ended with a score."""
    made = Point(dict(parameters), [planned(number)])
    if score is not None:
        made.records[made.trials[0].key] = result(made.trials[0].key, score)
    return made


def searched(
    spec: SweepSpec, score: Callable[[Mapping[str, Any]], float | None], count: int, objective: Objective = BEST
) -> list[Point]:
    """Points proposed one after the other, each scored before the next; a score of None is a failure."""
    strategy, points = chooser(spec, METHOD, objective), list[Point]()
    while len(points) < count and (parameters := strategy.propose(points)) is not None:
        value = score(parameters)
        made = point(len(points), parameters, value)
        if value is None:
            made.records[made.trials[0].key] = failed(made.trials[0].key)
        points.append(made)
    return points


def hill(parameters: Mapping[str, Any]) -> float:
    """1 at learning rate 0.01 and dropout 0.3, falling smoothly on the scales of ``RANGES``."""
    return float(1 - (math.log10(parameters[LR] / 0.01) / 4) ** 2 - (parameters[DROPOUT] - 0.3) ** 2)


def parameters(points: Sequence[Point]) -> list[Mapping[str, Any]]:
    return [made.parameters for made in points]


# tpe and random


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
def test_a_proposal_is_a_function_of_the_points(algorithm: str) -> None:
    spec = sweep(RANGES, search={"algorithm": algorithm})
    points = searched(spec, hill, 14)
    for count in (0, 5, 11, 14):
        again = chooser(spec, METHOD, BEST)
        first = again.propose(points[:count])
        assert first == again.propose(points[:count]) == chooser(spec, METHOD, BEST).propose(points[:count])
        if count < 14:
            assert first == points[count].parameters


def test_another_search_seed_proposes_other_points_and_scores_steer_tpe_alone() -> None:
    one, two = (parameters(searched(sweep(RANGES, search={"seed": s}), hill, 3)) for s in (0, 1))
    assert not any(point in two for point in one)
    for algorithm, same in (("random", True), ("tpe", False)):
        spec = sweep(RANGES, search={"algorithm": algorithm})
        up, down = searched(spec, hill, 14), searched(spec, lambda p: -hill(p), 14)
        assert (parameters(up) == parameters(down)) is same


def test_the_direction_steers_tpe() -> None:
    up, down = searched(sweep(RANGES), hill, 14, BEST), searched(sweep(RANGES), lambda p: -hill(p), 14, LEAST)
    assert parameters(up) == parameters(down)


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
def test_every_proposal_is_new_lies_in_the_space_and_is_a_config(algorithm: str) -> None:
    spec = sweep(EVERY_FORM, search={"algorithm": algorithm})
    found = parameters(searched(spec, hill, 25))
    assert len({repr(p) for p in found}) == 25
    for proposal in found:
        assert all(dimension.holds(proposal[name]) for name, dimension in spec.space.items()) and list(
            proposal
        ) == list(spec.space)
        assert isinstance(proposal[LAYERS], int) and isinstance(proposal["encoder.hidden"], int)
        METHOD.Config.model_validate({"encoder": {"layers": proposal[LAYERS], "hidden": proposal["encoder.hidden"]}})


@pytest.mark.parametrize("algorithm", ["tpe", "random", "grid"])
def test_a_space_of_choices_ends_after_all_its_points(algorithm: str) -> None:
    found = parameters(searched(sweep(CHOICES, search={"algorithm": algorithm}), lambda p: p[LR], 50))
    assert len(found) == 6 == len({repr(p) for p in found})


def test_choices_of_any_kind_are_drawn_as_they_are_written() -> None:
    values: list[Any] = [None, 0.5, [1, 2], {"a": 1}, "text", True]
    found = parameters(searched(sweep({"optimizer.clip_value": {"choice": values}}), lambda p: 0.5, 10))
    assert sorted(repr(p["optimizer.clip_value"]) for p in found) == sorted(repr(value) for value in values)


def test_start_points_come_first_and_once() -> None:
    spec = sweep(RANGES, start_from=["batched", "paper/drec_bio"])
    starts = [{LR: lookup(METHOD.presets["batched"], LR), DROPOUT: 0.1}, {LR: 1e-3, DROPOUT: 0.3}]
    found = parameters(searched(spec, hill, 5))
    assert found[:2] == starts and all(proposal not in starts for proposal in found[2:])
    late = [point(0, {LR: 0.5, DROPOUT: 0.5}, 0.1), point(1, starts[1], 0.2)]
    assert chooser(spec, METHOD, BEST).propose(late) == starts[0]


def test_points_that_run_are_not_proposed_again() -> None:
    spec, points = sweep(CHOICES), list[Point]()
    strategy = chooser(spec, METHOD, BEST)
    while (proposal := strategy.propose(points)) is not None:
        assert proposal not in parameters(points)
        points.append(point(len(points), proposal))
    assert len(points) == 6


def test_tpe_comes_closer_than_random() -> None:
    reached = {
        algorithm: [
            max(
                hill(p)
                for p in parameters(searched(sweep(RANGES, search={"algorithm": algorithm, "seed": seed}), hill, 40))
            )
            for seed in range(9)
        ]
        for algorithm in ("tpe", "random")
    }
    missing = {algorithm: 1 - statistics.median(scores) for algorithm, scores in reached.items()}
    assert missing["tpe"] < missing["random"] / 2


def known_to_optuna(points: Sequence[Point]) -> list[optuna.trial.FrozenTrial]:
    strategy = chooser(sweep(RANGES), METHOD, BEST)
    assert isinstance(strategy, Drawn)
    found: list[optuna.trial.FrozenTrial] = strategy._study(points).trials
    return found


def test_optuna_knows_how_each_point_ended() -> None:
    where = {LR: 0.01, DROPOUT: 0.5}
    pruned, broken = point(2, where), point(3, where)
    key = pruned.trials[0].key
    pruned.records[key], pruned.reports = result(key, 0.2, "pruned"), {1: 0.1, 2: 0.25}
    broken.records[broken.trials[0].key] = failed(broken.trials[0].key)
    found = known_to_optuna([point(0, where, 0.75), point(1, where), pruned, broken])
    states = optuna.trial.TrialState
    assert [t.state for t in found] == [states.COMPLETE, states.RUNNING, states.PRUNED, states.FAIL]
    assert found[0].value == 0.75 and found[0].params == where
    assert found[2].intermediate_values == {1: 0.1, 2: 0.25}


def test_a_point_that_ended_since_is_known_as_ended() -> None:
    strategy = chooser(sweep(RANGES), METHOD, BEST)
    assert isinstance(strategy, Drawn)
    made = point(0, {LR: 0.01, DROPOUT: 0.5})
    assert strategy._study([made]).trials[0].state is optuna.trial.TrialState.RUNNING
    made.records[made.trials[0].key] = result(made.trials[0].key, 0.5)
    assert strategy._study([made]).trials[0].value == 0.5


def test_folds_are_one_point_and_their_mean_is_its_value() -> None:
    made = Point({LR: 0.1}, [planned(k, fold=Fold(index=k, count=3)) for k in range(3)])
    for trial, score in zip(made.trials, (0.2, 0.4, 0.9), strict=True):
        assert made.running and made.value(BEST) is None
        made.records[trial.key] = result(trial.key, score)
    assert not made.running and made.value(BEST) == pytest.approx(0.5)
    made.records[made.trials[1].key] = failed(made.trials[1].key)
    assert not made.running and made.value(BEST) is None


@pytest.mark.parametrize(
    ("dimension", "word"),
    [
        ({"choice": ["a", "b"]}, optuna.distributions.CategoricalDistribution((0, 1))),
        ({"uniform": [0, 1]}, optuna.distributions.FloatDistribution(0, 1)),
        ({"loguniform": [0.1, 1]}, optuna.distributions.FloatDistribution(0.1, 1, log=True)),
        ({"int": [1, 5]}, optuna.distributions.IntDistribution(1, 5)),
        ({"logint": [1, 5]}, optuna.distributions.IntDistribution(1, 5, log=True)),
    ],
)
def test_each_form_in_optunas_words(dimension: dict[str, Any], word: optuna.distributions.BaseDistribution) -> None:
    assert distribution(Dimension.model_validate(dimension)) == word


# grid and bisection


def test_a_grid_is_gone_through_in_order_whatever_the_scores() -> None:
    wanted = [{LR: lr, "entities.crf": crf} for lr in (0.1, 0.2, 0.3) for crf in (True, False)]
    assert parameters(searched(sweep(CHOICES, search={"algorithm": "grid"}), lambda p: -p[LR], 50)) == wanted
    halves = [point(k, wanted[n], 0.5) for k, n in enumerate((0, 3, 1))]
    assert chooser(sweep(CHOICES, search={"algorithm": "grid"}), METHOD, BEST).propose(halves) == wanted[2]


BISECT = sweep({ALPHA: {"loguniform": [1e-4, 1.0]}}, search={"algorithm": "bisect"})


def peak(at: float) -> Callable[[Mapping[str, Any]], float]:
    return lambda proposal: -abs(math.log10(proposal[ALPHA] / at))


def tried(score: Callable[[Mapping[str, Any]], float | None], objective: Objective = BEST) -> list[float]:
    return [p[ALPHA] for p in parameters(searched(BISECT, score, 60, objective))]


def test_a_bisection_by_hand() -> None:
    """Best of each round: 10^−2, 10^−2, 10^−2, 10^−1.875, 10^−1.9375, whose neighbours' ratio is 10^⅛ = 1.33."""
    first = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    then = [0.00316228, 0.0316228, 0.00562341, 0.0177828, 0.00749894, 0.0133352, 0.0115478, 0.0153993]
    assert tried(peak(0.012)) == first + then
    assert tried(lambda p: -peak(0.012)(p), LEAST) == first + then


@settings(deadline=None, max_examples=40)
@given(st.floats(1e-4, 1.0))
def test_a_bisection_ends_beside_the_peak_wherever_it_is(at: float) -> None:
    found = tried(peak(at))
    assert found[:5] == [1e-4, 1e-3, 1e-2, 1e-1, 1.0] and len(set(found)) == len(found) <= 21
    low, high = 1e-4, 1.0
    for start in range(4, len(found)):  # at the latest, a point lies between the neighbours that the first five had
        known = sorted(found[:5])
        best = max(range(5), key=lambda k: peak(at)({ALPHA: known[k]}))
        low, high = known[max(best - 1, 0)], known[min(best + 1, 4)]
        assert start < 5 or low < found[start] < high
    known = sorted(found)
    best = max(range(len(known)), key=lambda k: peak(at)({ALPHA: known[k]}))
    left, right = known[max(best - 1, 0)], known[min(best + 1, len(known) - 1)]
    assert right / left < 1.5 and left <= at <= right


@pytest.mark.parametrize(
    ("at", "second"), [(1e-4, [0.000177828, 0.000316228, 0.000562341]), (1.0, [0.177828, 0.316228, 0.562341])]
)
def test_a_best_point_at_the_edge_is_searched_on_its_one_side(at: float, second: list[float]) -> None:
    found = tried(peak(at))
    assert found[5:8] == second and at * (1 / 1.5 if at == 1 else 1.5) > min(found) and max(found) <= 1.0


def test_a_round_waits_for_its_last_point_and_not_before_all_are_asked() -> None:
    strategy = Bisection(ALPHA, 1e-4, 1.0, BEST)
    running = [point(k, {ALPHA: value}) for k, value in enumerate((1e-4, 1e-3, 1e-2, 1e-1))]
    assert strategy.propose(running) == {ALPHA: 1.0}
    ended = [point(k, {ALPHA: v}, peak(0.01)({ALPHA: v})) for k, v in enumerate((1e-4, 1e-3, 1e-2, 1e-1))]
    with pytest.raises(Waiting):
        strategy.propose([*ended, point(4, {ALPHA: 1.0})])
    assert strategy.propose([*ended, point(4, {ALPHA: 1.0}, -2.0)]) == {ALPHA: 0.00316228}


def test_failed_points_are_passed_over() -> None:
    found = tried(lambda p: None if p[ALPHA] == 1e-2 else peak(0.012)(p))
    assert found[5:] == [0.0316228, 0.316228, 0.0177828, 0.0562341, 0.0133352, 0.0237137, 0.0115478, 0.0153993]
    assert tried(lambda p: None) == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


# stopping early


def kept_by(pruner: Pruner, values: Sequence[float], reports: int) -> dict[float, int]:
    """How many reports each trial got, all of them reporting in turn."""
    got, alive = dict.fromkeys(values, 0), list(values)
    for number in range(1, reports + 1):
        for value in list(alive):
            got[value] = number
            if pruner.should_stop(str(value), number, value):
                alive.remove(value)
                pruner.ended(str(value), None, pruned=True)
    return got


@settings(deadline=None, max_examples=15)
@given(st.permutations([k / 10 for k in range(1, 10)]), st.sampled_from([BEST, LEAST]))
def test_of_nine_the_worst_stops_at_the_first_rung_and_the_best_never(
    values: list[float], objective: Objective
) -> None:
    best, worst = (max(values), min(values)) if objective is BEST else (min(values), max(values))
    got = kept_by(Pruner(sweep(RANGES, stop={"rule": "asha", "grace": 2, "reduction": 3}), objective), values, 20)
    assert got[best] == 20
    assert got[worst] == 2 or values[0] == worst  # the first to arrive has nobody to be compared with


def test_arriving_from_best_to_worst_all_but_the_best_are_stopped() -> None:
    values = [k / 10 for k in range(9, 0, -1)]
    got = kept_by(Pruner(sweep(RANGES, stop={"rule": "asha", "grace": 2, "reduction": 3}), BEST), values, 20)
    assert got == {value: 20 if value == 0.9 else 2 for value in values}


def test_nothing_is_stopped_before_the_grace_is_over() -> None:
    pruner = Pruner(sweep(RANGES, stop={"rule": "asha", "grace": 4}), BEST)
    assert kept_by(pruner, [0.9, 0.8, 0.7, 0.1], 3) == dict.fromkeys([0.9, 0.8, 0.7, 0.1], 3)
    assert pruner.should_stop("0.1", 4, 0.1) is False and pruner.should_stop("0.9", 4, 0.9) is False
    assert pruner.should_stop("0.7", 4, 0.7) is True


@pytest.mark.filterwarnings("ignore:The reported value is ignored:UserWarning")
def test_a_report_heard_twice_changes_nothing() -> None:
    pruner = Pruner(sweep(RANGES, stop={"rule": "asha", "grace": 1}), BEST)
    assert [pruner.should_stop("a", 1, 0.9), pruner.should_stop("a", 1, 0.9), pruner.should_stop("b", 1, 0.1)] == [
        False,
        False,
        True,
    ]
    pruner.ended("b", None, pruned=True)
    pruner.ended("never heard of", 0.5, pruned=False)
    assert [t.state.name for t in pruner.study.trials] == ["RUNNING", "PRUNED"]


# sweeps over a store


@pytest.fixture
def study(tmp_path: Path) -> StudyStore:
    found = Store(tmp_path).study("sweep")
    found.describe(
        Description(
            spec={},
            kind="sweep",
            method=METHOD.name,
            objective=METRIC,
            mode="max",
            corpus="planted_joint",
            protocol="clean",
            revision="first",
        )
    )
    return found


WHOLE: dict[Fold | None, str] = {None: "corpus"}
FOLDS: dict[Fold | None, str] = {Fold(index=k, count=3): f"fold {k}" for k in range(3)}


def source(spec: SweepSpec, study: StudyStore, corpora: Mapping[Fold | None, str] = WHOLE) -> SweepSource:
    return sweep_source(spec, METHOD, corpora, study)


def start(searching: SweepSource, study: StudyStore) -> PlannedTrial | None:
    """The next trial without a result, as the driver takes it."""
    while (trial := searching.next()) is not None:
        study.ask(trial)
        record = study.store.result(trial.key)
        if record is None:
            return trial
        searching.ended(trial, record)
    return None


def finish(searching: SweepSource, study: StudyStore, trial: PlannedTrial, score: float | None = None) -> None:
    value = hill({DROPOUT: 0.3, **trial.parameters}) if score is None else score
    searching.should_stop(trial, 1, {METRIC: value})
    study.store.write_metrics(trial.key, [{METRIC: value}])
    study.store.write_result(result(trial.key, value))
    searching.ended(trial, result(trial.key, value))


def to_the_end(searching: SweepSource, study: StudyStore) -> list[PlannedTrial]:
    trials = []
    while (trial := start(searching, study)) is not None:
        finish(searching, study, trial)
        trials.append(trial)
    return trials


def test_a_sweep_has_its_budget_of_trials_and_ends(study: StudyStore) -> None:
    searching = source(sweep(RANGES, budget={"trials": 4}), study)
    trials = to_the_end(searching, study)
    assert [t.number for t in trials] == [0, 1, 2, 3] and {t.arm for t in trials} == {SWEEP}
    assert searching.next() is None
    assert study.asked() == trials


def test_a_search_goes_on_with_what_was_unfinished_then_with_new_points(study: StudyStore) -> None:
    spec = sweep(RANGES, budget={"trials": 8})
    first = source(spec, study)
    asked = [start(first, study) for _ in range(5)]
    for trial in (asked[0], asked[2], asked[4]):
        assert trial is not None
        finish(first, study, trial)
    again = source(spec, study)
    rest = to_the_end(again, study)
    assert rest[:2] == [asked[1], asked[3]] and [t.number for t in rest] == [1, 3, 5, 6, 7]
    assert len({t.key for t in study.asked()}) == 8


@pytest.mark.parametrize("extra", [{}, {"stop": {"rule": "asha", "grace": 1}}, {"search": {"algorithm": "random"}}])
def test_interrupted_between_trials_a_search_is_the_uninterrupted_one(
    tmp_path: Path, study: StudyStore, extra: dict[str, Any]
) -> None:
    spec = sweep(RANGES, budget={"trials": 14}, start_from=["batched"], **extra)
    other = Store(tmp_path / "other").study("sweep")
    other.describe(study.description())
    whole = to_the_end(source(spec, other), other)
    halves = to_the_end(
        source(spec.model_copy(update={"budget": spec.budget.model_copy(update={"trials": 12})}), study), study
    )
    halves += to_the_end(source(spec, study), study)
    assert halves == whole


def test_a_larger_budget_goes_on_and_a_smaller_one_has_nothing_to_do(study: StudyStore) -> None:
    assert len(to_the_end(source(sweep(RANGES, budget={"trials": 3}), study), study)) == 3
    assert [t.number for t in to_the_end(source(sweep(RANGES, budget={"trials": 5}), study), study)] == [3, 4]
    smaller = source(sweep(RANGES, budget={"trials": 2}), study)
    assert to_the_end(smaller, study) == [] and smaller.next() is None and len(study.asked()) == 5


def test_a_failed_point_counts_and_is_not_proposed_again_until_the_next_run(study: StudyStore) -> None:
    spec = sweep(CHOICES)
    searching = source(spec, study)
    broken = start(searching, study)
    assert broken is not None
    searching.ended(broken, failed(broken.key))
    assert (
        not searching.points[0].running and searching.points[0].value(BEST) is None and not searching.points[0].pruned
    )
    rest = to_the_end(searching, study)
    assert len(rest) == 5 and broken.key not in {t.key for t in rest} and searching.next() is None
    assert to_the_end(source(spec, study), study) == [broken]


def test_folds_of_a_point_are_trained_one_after_the_other(study: StudyStore) -> None:
    searching = source(sweep(RANGES, budget={"trials": 3}), study, FOLDS)
    trials = to_the_end(searching, study)
    assert [t.number for t in trials] == list(range(9)) and [t.fold.index for t in trials if t.fold] == [0, 1, 2] * 3
    assert len({repr(t.parameters) for t in trials}) == 3 and searching.next() is None
    assert searching.points[1].value(BEST) == pytest.approx(hill(trials[3].parameters))


def test_going_on_between_the_folds_of_a_point(study: StudyStore) -> None:
    spec = sweep(RANGES, budget={"trials": 2})
    first = source(spec, study, FOLDS)
    for _ in range(4):
        trial = start(first, study)
        assert trial is not None
        finish(first, study, trial)
    again = source(spec, study, FOLDS)
    assert [t.number for t in to_the_end(again, study)] == [4, 5] and len(again.points) == 2
    assert len({repr(t.parameters) for t in study.asked()}) == 2


@pytest.mark.parametrize("corpora", [WHOLE, FOLDS], ids=["whole", "folds"])
@pytest.mark.parametrize("algorithm", ["random", "grid", "bisect"])
def test_where_the_record_of_an_asked_trial_was_removed_its_point_is_drawn_again(
    study: StudyStore, algorithm: str, corpora: dict[Fold | None, str]
) -> None:
    """As after it was torn; the results are there, so that nothing is trained."""
    space = {"random": RANGES, "grid": CHOICES, "bisect": {LR: RANGES[LR]}}[algorithm]
    spec = sweep(space, search={"algorithm": algorithm}, budget={"trials": 7})
    to_the_end(source(spec, study, corpora), study)
    asked = study.asked()
    for number in (0, 4, len(asked) - 1):
        (record,) = study.folder.glob(f"asked/*/{number:06}.json")
        record.unlink()
        assert to_the_end(source(spec, study, corpora), study) == []
        assert Store(study.store.root).study(study.name).asked() == asked


def test_a_bisection_over_a_store_waits_and_goes_on(study: StudyStore) -> None:
    searching = source(BISECT, study)
    first = [start(searching, study) for _ in range(5)]
    assert searching.next() is None
    for trial in first:
        assert trial is not None
        finish(searching, study, trial, peak(0.012)(trial.parameters))
    following = source(BISECT, study)
    trial = start(following, study)
    assert trial is not None and trial.parameters == {ALPHA: 0.00316228} and trial.number == 5


def test_the_pruner_of_a_new_run_knows_the_trials_before(study: StudyStore) -> None:
    spec = sweep(RANGES, budget={"trials": 9}, stop={"rule": "asha", "grace": 1, "reduction": 3})
    before = source(spec.model_copy(update={"budget": spec.budget.model_copy(update={"trials": 8})}), study)
    for score in (0.6, 0.7, 0.8, 0.9, 0.6, 0.7, 0.8, 0.9):
        trial = start(before, study)
        assert trial is not None
        finish(before, study, trial, score)
    again = source(spec, study)
    last = start(again, study)
    assert last is not None and last.number == 8
    assert again.should_stop(last, 1, {METRIC: 0.1})


def test_a_trial_is_judged_by_its_best_report_so_far(study: StudyStore) -> None:
    searching = source(sweep(RANGES, stop={"rule": "asha", "grace": 2, "reduction": 3}), study)
    good, late = start(searching, study), start(searching, study)
    assert good is not None and late is not None
    assert not searching.should_stop(good, 1, {METRIC: 0.5}) and not searching.should_stop(good, 2, {METRIC: 0.5})
    assert not searching.should_stop(late, 1, {METRIC: 0.6}) and not searching.should_stop(late, 2, {METRIC: 0.1})
    assert searching.of[late.number].reports == {1: 0.6, 2: 0.6}


def test_without_a_rule_nothing_is_stopped(study: StudyStore) -> None:
    searching = source(sweep(RANGES), study)
    for score in (0.9, 0.8, 0.1):
        trial = start(searching, study)
        assert trial is not None and not any(searching.should_stop(trial, n, {METRIC: score}) for n in range(1, 10))


def test_a_list_is_handed_out_in_its_order_and_never_stopped() -> None:
    trials = [planned(k) for k in range(3)]
    listed = ListSource(trials)
    assert not listed.should_stop(trials[0], 1, {METRIC: 0.0})
    assert [listed.next() for _ in range(3)] == trials and listed.next() is None
