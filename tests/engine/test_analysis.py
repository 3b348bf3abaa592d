"""Answers from records: intervals, paired differences, rankings."""

import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.analysis import (
    Cost,
    Interval,
    best_parameters,
    by_seed,
    cost,
    effect_size,
    search_ranking,
    seed_correlation,
    sign_flip_p,
    skewed,
    t_interval,
)
from relab.comparison import ArmSummary, compare, summarise_arms
from relab.designs import FULL
from relab.method import Objective
from scipy import stats

F1 = "dev/f1"
VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


def frame(*rows: tuple[str, int, int | None, float | None], **extra: list[Any]) -> pl.DataFrame:
    """Trials as (arm, seed, fold, score); a score of None is a trial that has not finished."""
    return pl.DataFrame(
        {
            "arm": [r[0] for r in rows],
            "seed": [r[1] for r in rows],
            "fold": [r[2] for r in rows],
            "state": ["waiting" if r[3] is None else "finished" for r in rows],
            f"score/{F1}": [r[3] for r in rows],
        }
        | extra,
        schema_overrides={"fold": pl.Int64, f"score/{F1}": pl.Float64},
    )


def pairs(summary: ArmSummary) -> int:
    assert summary.comparison is not None
    return summary.comparison.pairs


@pytest.mark.parametrize(
    ("values", "mean", "half"),
    [
        ([1.0, 2.0, 3.0], 2.0, 2.4841),  # t(0.975, 2) = 4.3027 times 1/√3
        ([0.0, 1.0], 0.5, 6.3531),  # t(0.975, 1) = 12.7062 times √½/√2
        ([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 5.0, 1.7875),  # t(0.975, 7) = 2.3646 times √(32/7)/√8
        ([0.5, 0.5, 0.5], 0.5, 0.0),
    ],
)
def test_students_interval(values: list[float], mean: float, half: float) -> None:
    found = t_interval(values)
    assert found.low is not None and found.high is not None
    assert (
        found.mean == mean
        and found.high - mean == pytest.approx(half, abs=5e-5)
        and mean - found.low == pytest.approx(half, abs=5e-5)
    )


def test_one_value_has_no_interval() -> None:
    assert t_interval([0.25]) == Interval(0.25, None, None) and not t_interval([0.25]).excludes_zero


@settings(deadline=None)
@given(VALUES)
def test_it_excludes_zero_where_the_t_test_says_so(values: list[float]) -> None:
    found = t_interval(values)
    assert found.low is not None and found.high is not None and found.low <= found.mean <= found.high
    p = stats.ttest_1samp(values, 0).pvalue if max(values) - min(values) > 1e-6 else math.nan
    if not math.isnan(p) and abs(p - 0.05) > 1e-6:
        assert found.excludes_zero == (p < 0.05)


@settings(deadline=None)
@given(VALUES, st.floats(-10, 10))
def test_a_constant_moves_the_interval_and_leaves_its_width(values: list[float], shift: float) -> None:
    one, other = t_interval(values), t_interval([value + shift for value in values])
    assert one.low is not None and one.high is not None and other.low is not None and other.high is not None
    assert other.mean == pytest.approx(one.mean + shift, abs=1e-9)
    assert other.high - other.low == pytest.approx(one.high - one.low, abs=1e-7)


@pytest.mark.parametrize(
    ("ends", "excludes"), [((0.1, 0.3), True), ((-0.3, -0.1), True), ((-0.1, 0.3), False), ((0.0, 0.3), False)]
)
def test_zero_at_an_end_is_inside(ends: tuple[float, float], excludes: bool) -> None:
    assert Interval(0.1, *ends).excludes_zero is excludes


def test_differences_are_taken_within_the_seed() -> None:
    """Seeds differ by far more than arms; paired, the difference is exact."""
    full, without = summarise_arms(
        frame(
            ("without crf", 0, None, 0.1),
            (FULL, 0, None, 0.2),
            (FULL, 1, None, 0.6),
            ("without crf", 1, None, 0.5),
            (FULL, 2, None, 0.9),
            ("without crf", 2, None, 0.8),
        ),
        F1,
    )
    assert (full.arm, full.seeds, full.comparison, full.difference, full.adjusted) == (FULL, 3, None, None, None)
    assert full.mean == pytest.approx(1.7 / 3) and full.deviation == pytest.approx(stats.tstd([0.2, 0.6, 0.9]))
    assert without.difference is not None and without.difference.mean == pytest.approx(-0.1)
    assert without.difference.low == pytest.approx(-0.1) and without.difference.high == pytest.approx(-0.1)
    assert without.difference.excludes_zero and pairs(without) == 3


def test_a_known_difference_has_its_known_interval() -> None:
    rows = [(FULL, seed, None, 0.5) for seed in range(3)] + [
        ("a", seed, None, 0.5 + d) for seed, d in enumerate((0.1, 0.2, 0.3))
    ]
    (_, arm) = summarise_arms(frame(*rows), F1)
    assert arm.difference is not None and arm.difference.low is not None
    assert arm.difference.mean == pytest.approx(0.2) and arm.difference.low == pytest.approx(0.2 - 0.24841, abs=1e-5)
    assert not arm.difference.excludes_zero


def test_a_seed_missing_in_one_arm_is_no_pair() -> None:
    full, arm = summarise_arms(
        frame(
            (FULL, 0, None, 0.5),
            (FULL, 1, None, 0.7),
            (FULL, 2, None, None),
            ("a", 0, None, 0.4),
            ("a", 1, None, None),
            ("a", 2, None, 0.9),
        ),
        F1,
    )
    assert (full.seeds, arm.seeds, pairs(arm)) == (2, 2, 1)
    assert full.mean == pytest.approx(0.6) and arm.mean == pytest.approx(0.65)
    assert arm.difference == t_interval([0.4 - 0.5])


def test_no_seed_in_common_is_no_difference() -> None:
    found = summarise_arms(frame((FULL, 0, None, 0.5), ("a", 1, None, 0.5)), F1)
    assert [s.difference for s in found] == [None, None] and pairs(found[1]) == 0 and found[1].deviation is None
    (alone,) = summarise_arms(frame(("a", 1, None, 0.5)), F1)
    assert alone.difference is None and pairs(alone) == 0


SIX = dict(enumerate((0.61, 0.58, 0.64, 0.60, 0.57, 0.63)))


def test_a_comparison_says_all_that_its_pairs_say() -> None:
    other = {seed: score - shift for (seed, score), shift in zip(SIX.items(), (3, 1, 2, 4, 2, 3), strict=True)}
    found = compare(SIX, other)
    differences = [3.0, 1.0, 2.0, 4.0, 2.0, 3.0]
    assert found.pairs == 6 and found.difference is not None and found.difference.mean == pytest.approx(2.5)
    assert found.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert found.effect_size == pytest.approx(effect_size(differences, 1)) and found.flip_p is None
    assert found.correlation == pytest.approx(stats.pearsonr(list(SIX.values()), list(other.values()))[0])


def test_skewed_differences_bring_the_sign_flip_test_along() -> None:
    other = {seed: score - (5.0 if seed == 3 else 0.1 + 0.001 * seed) for seed, score in SIX.items()}
    found = compare(SIX, other)
    assert found.flip_p == pytest.approx(2 / 2**6) and found.p is not None and found.p > 0.05


def test_with_looks_p_is_sequential_and_intervals_are_wider() -> None:
    other = {seed: score - 0.1 - 0.01 * seed for seed, score in SIX.items()}
    plain, looked = compare(SIX, other), compare(SIX, other, (4, 6, 8))
    assert plain.difference is not None and plain.difference.low is not None and plain.p is not None
    assert looked.difference is not None and looked.difference.low is not None and looked.p is not None
    assert looked.difference.low < plain.difference.low and looked.p > plain.p
    first = {seed: other[seed] for seed in range(3)}
    assert compare(SIX, first, (4, 6, 8)).p is None


def test_the_adjusted_p_of_an_arm_counts_every_other_arm() -> None:
    rows = [(FULL, seed, None, score) for seed, score in SIX.items()]
    rows += [("a", seed, None, score - 0.1 - 0.001 * seed) for seed, score in SIX.items()]
    rows += [("b", seed, None, score + 0.01 * (-1) ** seed) for seed, score in SIX.items()]
    rows += [("c", 0, None, 0.1)]  # one seed: no p-value of its own, and yet one of the family
    _, a, b, c = summarise_arms(frame(*rows), F1)
    assert a.comparison is not None and a.comparison.p is not None and a.adjusted == pytest.approx(3 * a.comparison.p)
    assert (a.settled, b.settled, c.settled) == (True, False, False) and c.adjusted == 1


def test_folds_are_averaged_before_anything_else() -> None:
    rows = [(FULL, seed, fold, 0.1 * fold + seed) for seed in range(2) for fold in range(3)]
    rows += [("a", seed, fold, 0.2 * fold + seed) for seed in range(2) for fold in range(3)]
    table = frame(*rows)
    assert by_seed(table, F1)[FULL] == {0: pytest.approx(0.1), 1: pytest.approx(1.1)}
    full, arm = summarise_arms(table, F1)
    assert (full.seeds, arm.seeds, pairs(arm)) == (2, 2, 2)
    assert arm.difference is not None and arm.difference.mean == pytest.approx(0.1)


def test_a_seed_with_an_unfinished_fold_is_left_out() -> None:
    rows = [
        (FULL, 0, 0, 0.1),
        (FULL, 0, 1, 0.2),
        (FULL, 0, 2, 0.3),
        (FULL, 1, 0, 0.9),
        (FULL, 1, 1, None),
        (FULL, 1, 2, 0.9),
    ]
    assert by_seed(frame(*rows), F1) == {FULL: {0: pytest.approx(0.2)}}


def test_a_seed_with_a_fold_still_to_be_asked_for_is_left_out() -> None:
    rows = [(FULL, 0, 0, 0.1), (FULL, 0, 1, 0.2), (FULL, 0, 2, 0.3), (FULL, 1, 0, 0.9)]
    assert by_seed(frame(*rows), F1) == {FULL: {0: pytest.approx(0.2)}}


def test_the_full_model_comes_first_and_the_other_arms_as_they_were_asked_for() -> None:
    found = summarise_arms(frame(("b", 0, None, 0.1), ("a", 0, None, 0.2), (FULL, 0, None, 0.3)), F1)
    assert [summary.arm for summary in found] == [FULL, "b", "a"]


def test_what_has_no_score_yet_has_no_summary() -> None:
    waiting = frame((FULL, 0, None, None))
    assert (
        summarise_arms(waiting, F1) == []
        and summarise_arms(waiting, "dev/other") == []
        and by_seed(pl.DataFrame(), F1) == {}
    )


def points(*rows: tuple[float, str, float | None]) -> pl.DataFrame:
    """Trials of a search as (learning rate, state, score), one second each."""
    return pl.DataFrame(
        {
            "number": range(len(rows)),
            "parameters": [json.dumps({"lr": lr}) for lr, _, _ in rows],
            "state": [s for _, s, _ in rows],
            f"score/{F1}": [score for _, _, score in rows],
            "seconds": [1.0] * len(rows),
        },
        schema_overrides={f"score/{F1}": pl.Float64},
    )


RANKED = points(
    (0.1, "finished", 0.3), (0.2, "finished", 0.9), (0.3, "pruned", 0.95), (0.4, "failed", None), (0.5, "finished", 0.6)
)


@pytest.mark.parametrize(("mode", "order"), [("max", [0.2, 0.5, 0.1]), ("min", [0.1, 0.5, 0.2])])
def test_the_best_point_comes_first_and_only_finished_ones_count(mode: Any, order: list[float]) -> None:
    found = search_ranking(RANKED, Objective(F1, mode))
    assert [json.loads(text)["lr"] for text in found["parameters"]] == order and found["rank"].to_list() == [1, 2, 3]
    assert best_parameters(found) == {"lr": order[0]}


@pytest.mark.parametrize("mode", ["max", "min"])
def test_of_equal_points_the_earlier_is_better(mode: Any) -> None:
    found = search_ranking(points((0.1, "finished", 0.5), (0.2, "finished", 0.5)), Objective(F1, mode))
    assert found["number"].to_list() == [0, 1]


def test_a_point_counts_when_all_its_folds_have_finished() -> None:
    table = points((0.1, "finished", 0.2), (0.1, "finished", 0.4), (0.2, "finished", 0.9), (0.2, "waiting", None))
    (row,) = search_ranking(table, Objective(F1)).iter_rows(named=True)
    assert (row["value"], row["trials"], row["seconds"], row["number"]) == (pytest.approx(0.3), 2, 2.0, 0)


def test_without_a_finished_point_there_is_no_ranking() -> None:
    assert len(search_ranking(points((0.1, "waiting", None)), Objective(F1))) == 0
    assert len(search_ranking(pl.DataFrame(), Objective(F1))) == 0 and best_parameters(pl.DataFrame()) == {}


def test_the_cost_is_that_of_the_finished_trials_alone() -> None:
    trials = pl.DataFrame(
        {
            "state": ["finished", "pruned", "finished", "waiting", "finished"],
            "seconds": [10.0, 99.0, 30.0, None, 20.0],
            "reports": [5, 1, 3, None, 5],
            "peak_memory": [7, 99, 9, None, 8],
        }
    )
    assert cost(trials) == Cost(trials=3, seconds=60.0, seconds_per_trial=20.0, seconds_per_report=4.0, peak_memory=9)
    assert cost(trials.filter(pl.col("state") == "waiting")) is None
    assert cost(pl.DataFrame({"state": ["waiting"]})) is None


@pytest.mark.parametrize(
    ("differences", "size"),
    [
        ([1.0, 2.0, 3.0], 2 / math.sqrt(math.pi)),  # mean 2, deviation 1, J(2) = Γ(1) / Γ(½)
        ([-3.0, -2.0, -1.0], -2 / math.sqrt(math.pi)),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 3 / math.sqrt(2.5) * 0.797885),  # J(4) = Γ(2) / (√2·Γ(1.5))
    ],
)
def test_the_effect_size_by_hand(differences: list[float], size: float) -> None:
    assert effect_size(differences, 5.0) == pytest.approx(size, rel=1e-5)


@pytest.mark.parametrize("differences", [[], [0.5], [1.0, 3.0], [0.1, 0.1, 0.1], [0.3 - 0.2, 0.2 - 0.1, 0.1]])
def test_a_few_differences_or_equal_ones_have_no_effect_size(differences: list[float]) -> None:
    assert effect_size(differences, 3.0) is None


def test_the_effect_size_has_no_bias_with_few_seeds() -> None:
    """Over four seeds mean / deviation is 38 % too large."""
    studies = np.random.default_rng(0).normal(1.0, 1.0, size=(20_000, 4)).tolist()
    assert np.mean([effect_size(each, 1.0) for each in studies]) == pytest.approx(1.0, abs=0.03)


@settings(deadline=None)
@given(st.sets(st.integers(-1000, 1000), min_size=3, max_size=8).map(list), st.floats(0.1, 100))
def test_the_effect_size_has_no_unit_and_its_sign_is_the_differences(values: list[int], factor: float) -> None:
    one = effect_size(values, 1000.0)
    assert one is not None
    assert effect_size([factor * each for each in values], 1000 * factor) == pytest.approx(one, rel=1e-6, abs=1e-9)
    assert effect_size([-each for each in values], 1000.0) == -one


def test_the_correlation_over_seeds() -> None:
    assert seed_correlation([0.1, 0.2, 0.3], [0.5, 0.7, 0.9]) == pytest.approx(1.0)
    assert seed_correlation([0.1, 0.2, 0.3], [0.9, 0.7, 0.5]) == pytest.approx(-1.0)
    assert seed_correlation([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]) == pytest.approx(0.8)  # 4 / 5
    assert seed_correlation([0.1, 0.2], [0.5, 0.7]) is None and seed_correlation([], []) is None
    assert seed_correlation([0.3, 0.1 + 0.2, 0.3], [0.5, 0.7, 0.9]) is None


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 2.0, 3.0, 4.0], 2 / 16),
        ([-1.0, -2.0, -3.0, -4.0], 2 / 16),
        ([1.0, 2.0, 3.0, -4.0], 14 / 16),  # ±(1 − 2 − 3 + 4) alone are nearer to zero than 2
        ([0.1, 0.2, 0.3, -0.4], 14 / 16),
        ([5.0], 1.0),
        ([0.0, 0.0, 0.0], 1.0),
        ([1.0] * 15, 2 / 2**15),
        ([1.0] * 16, 1 / 10_001),  # nothing as far from zero among the draws, and the signs as they are
    ],
)
def test_the_sign_flip_p_by_hand(differences: list[float], p: float) -> None:
    assert sign_flip_p(differences) == pytest.approx(p)


def test_the_drawn_sign_flips_are_close_to_all_of_them_and_the_same_each_time() -> None:
    """Equal in size, the differences' signs are a binomial test's."""
    differences = [1.0] * 14 + [-1.0] * 6
    assert sign_flip_p(differences) == pytest.approx(stats.binomtest(14, 20).pvalue, abs=0.015)
    assert sign_flip_p(differences) == sign_flip_p(differences)


@settings(deadline=None)
@given(VALUES)
def test_the_sign_flip_p_is_a_share_of_all_signs_whichever_way_they_point(values: list[float]) -> None:
    p = sign_flip_p(values)
    assert p == sign_flip_p([-value for value in values]) == sign_flip_p(values[::-1])
    assert 2 / 2 ** len(values) <= p <= 1 and (p * 2 ** len(values)).is_integer()


@pytest.mark.parametrize(
    ("differences", "warned"),
    [
        ([0.0, 0.0, 0.0, 1.0], True),  # G₁ = 2, against 1.96 · 1.014
        ([0.0, 0.0, 0.0, -1.0], True),
        ([1.0, 2.0, 3.0, 4.0], False),
        ([0.0, 0.1, -0.1, 0.05, 0.02, -0.06, 0.9, 0.0], True),
        ([0.0, 0.0, 1.0], False),  # three have no say
        ([0.2] * 6, False),
        ([0.0, 0.0, 0.0, 0.0, 0.3 - 0.1 - 0.2], False),  # differ by rounding
    ],
)
def test_skewed_differences_are_warned_of(differences: list[float], warned: bool) -> None:
    assert skewed(differences, 1.0) is warned


def test_normal_differences_are_seldom_called_skewed() -> None:
    studies = np.random.default_rng(0).normal(size=(1000, 10)).tolist()
    assert 0.02 < np.mean([skewed(each, 1.0) for each in studies]) < 0.08
