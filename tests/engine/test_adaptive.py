"""Adaptive seeds as a source of trials: what a look has settled is trained no further, also after an interruption."""

import random
from collections.abc import Callable
from typing import Any

from relab.adaptive import AdaptiveSource
from relab.designs import FULL
from relab.environment import Environment
from relab.plan import Fold, PlannedTrial
from relab.records import Failure, Result

METRIC, LOOKS = "dev/score", (4, 6, 8, 10)
HERE = Environment(code="c", commit="", python="3", torch="2", packages={}, device="cpu", world_size=1)
Score = Callable[[str, int], float]


def planned(arms: tuple[str, ...], folds: int = 1) -> list[PlannedTrial]:
    cells = [(arm, seed, fold) for seed in range(LOOKS[-1]) for arm in arms for fold in range(folds)]
    return [
        PlannedTrial(
            number=number, key=f"{number:020x}", method="m", arm=arm, seed=seed, config={}, corpus="c",
            fold=Fold(index=fold, count=folds) if folds > 1 else None,
        )
        for number, (arm, seed, fold) in enumerate(cells)
    ]  # fmt: skip


def result(trial: PlannedTrial, score: float) -> Result:
    values: dict[str, Any] = {"key": trial.key, "state": "finished", "scores": {METRIC: score}, "reports": 1, "best": 0}
    values |= {"weights": "w", "seconds": 1.0, "peak_memory": 0, "started": 0.0, "ended": 1.0, "environment": HERE}
    return Result.model_validate(values)


def failure(trial: PlannedTrial) -> Failure:
    values = {"key": trial.key, "kind": "error", "message": "m", "traceback": "t", "seconds": 1.0}
    return Failure.model_validate(values | {"ended": 1.0, "environment": HERE})


def seeds_trained(
    source: AdaptiveSource, score: Score, slots: int = 3, broken: tuple[tuple[str, int], ...] = ()
) -> dict[str, int]:
    """Run a source to its end with so many slots, ends in random order; the seeds that each arm was trained on."""
    running: list[PlannedTrial] = []
    trained: dict[str, set[int]] = {}
    draw = random.Random(0)
    while True:
        while len(running) < slots and (trial := source.next()) is not None:
            assert trial.seed not in trained.setdefault(trial.arm, set()) or trial.fold is not None
            trained[trial.arm].add(trial.seed)
            running.append(trial)
        if not running:
            break
        trial = running.pop(draw.randrange(len(running)))
        bad = (trial.arm, trial.seed) in broken
        source.ended(trial, failure(trial) if bad else result(trial, score(trial.arm, trial.seed)))
    assert source.next() is None
    return {arm: len(seeds) for arm, seeds in trained.items()}


def noisy(arm: str, seed: int) -> float:
    """``worse`` is clearly worse, ``same`` is not, ``between`` is worse by less than the noise at first."""
    noise = random.Random(f"{arm} {seed}").gauss(0, 0.01)
    return 0.6 + 0.02 * random.Random(seed).random() + {"worse": -0.2, "between": -0.011}.get(arm, 0.0) + noise


def source(arms: tuple[str, ...], against: dict[str, str] | None = None, folds: int = 1) -> AdaptiveSource:
    return AdaptiveSource(planned(arms, folds), LOOKS, METRIC, against or {})


def test_a_clear_arm_ends_at_the_first_look_and_the_full_model_goes_as_far_as_it_is_needed() -> None:
    assert seeds_trained(source((FULL, "worse")), noisy) == {FULL: 4, "worse": 4}
    found = seeds_trained(source((FULL, "worse", "between")), noisy)
    assert found["worse"] == 4 and found[FULL] == found["between"] > 4


def test_an_arm_without_a_difference_is_given_up() -> None:
    lone = source((FULL, "same"))
    found = seeds_trained(lone, lambda arm, seed: 0.5 + (0.001 if arm == FULL else -0.001) * (-1) ** seed)
    assert found == {FULL: 4, "same": 4} and lone.standings()["same"].outcome == "not shown at this budget"


def test_the_number_of_slots_changes_nothing() -> None:
    arms = (FULL, "worse", "same", "between")
    assert len({tuple(seeds_trained(source(arms), noisy, slots).items()) for slots in (1, 2, 5, 40)}) == 1


def test_the_arm_that_another_is_compared_with_is_trained_as_far() -> None:
    found = seeds_trained(source((FULL, "worse", "between"), {"between": "worse"}), lambda arm, seed: noisy(FULL, seed))
    assert found["worse"] >= found["between"] and found[FULL] >= found["worse"]


def test_folds_are_averaged_and_trained_together() -> None:
    assert seeds_trained(source((FULL, "worse"), folds=3), noisy) == {FULL: 4, "worse": 4}


def test_a_seed_that_fails_ends_the_study_all_the_same() -> None:
    short = source((FULL, "between"))
    found = seeds_trained(short, noisy, broken=(("between", 1),))
    assert found[FULL] <= LOOKS[-1] and short.standings()["between"].seeds < found["between"]


def test_a_study_gone_on_with_takes_the_same_decisions() -> None:
    arms = (FULL, "worse", "same", "between")
    whole, again = source(arms), source(arms)
    trained = seeds_trained(whole, noisy)
    for _ in range(9):  # known from before the interruption
        trial = again.next()
        assert trial is not None
        again.ended(trial, result(trial, noisy(trial.arm, trial.seed)))
    rest = seeds_trained(again, noisy)
    assert whole.standings() == again.standings() and all(rest.get(arm, 0) <= trained[arm] for arm in arms)
