"""Adaptive seeds: the sequential p-value, repeated intervals, and which arms go on."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.analysis import LEVEL, Interval, p_value, t_interval
from relab.sequential import (
    FUTILITY,
    Pairs,
    null_distribution,
    paired,
    predictive_power,
    repeated_interval,
    sequential_p,
    standings,
)
from scipy import stats

LOOKS = (4, 6, 8, 10)
TEN = st.lists(st.floats(-1, 3).map(lambda value: round(value, 6)), min_size=10, max_size=10)
ARMS = st.lists(TEN, min_size=1, max_size=4).map(
    lambda arms: {f"arm {n}": pairs(*values) for n, values in enumerate(arms)}
)


def pairs(*differences: float) -> Pairs:
    return Pairs(differences, 1.0)


def boundary_t(arm: Pairs, look: int) -> float:
    return float(stats.ttest_1samp(arm.differences[:look], 0).statistic)


def around(mean: float, t: float, count: int = 4) -> list[float]:
    """So many differences, half above their mean and half below, whose t is as asked for."""
    half = mean / t * math.sqrt(count - 1)
    return [mean + half if place % 2 else mean - half for place in range(count)]


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=5, max_size=5))
def test_with_a_single_look_it_is_the_t_tests_own(values: list[float]) -> None:
    assert sequential_p(Pairs(tuple(values), 100.0), (5,)) == pytest.approx(p_value(values, 100.0), rel=1e-9)


@pytest.mark.parametrize("q", [0.8, 0.3, 0.05])
def test_two_looks_against_the_area_of_the_sphere(q: float) -> None:
    """Three normal differences point anywhere on the sphere alike; t at two and at three of them is that point's."""
    height = np.linspace(-1, 1, 1001)[1::2][:, None]
    angle = np.linspace(0, np.pi, 16_001)[1::2][None]  # the other half is the same with all signs changed
    x, y = np.sqrt(1 - height**2) * np.cos(angle), np.sqrt(1 - height**2) * np.sin(angle)
    two = np.abs(x + y) / np.abs(x - y)
    total = x + y + height
    three = np.abs(total) / np.sqrt((1 - total**2 / 3) * 3 / 2)
    weight = (2 / 3) ** 2
    area = np.mean((two >= stats.t.isf(q * weight / 2, 1)) | (three >= stats.t.isf(q / 2, 2)))
    assert null_distribution((2, 3)).p_value(q) == pytest.approx(float(area), rel=0.01)


def test_no_difference_is_shown_as_often_as_the_level_says() -> None:
    """Under a stream of its own, at the levels that Holm asks for with six arms."""
    differences = np.random.default_rng(11).standard_normal((200_000, 10))
    lowest = np.full(len(differences), np.inf)
    for look in LOOKS:
        t = stats.ttest_1samp(differences[:, :look], 0, axis=1)
        lowest = np.minimum(lowest, t.pvalue / (look / 10) ** 2)
    p = null_distribution(LOOKS).p_value(lowest)
    for level in (0.5, 0.05, 0.05 / 2, 0.05 / 6, 0.001):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * math.sqrt(level / len(p)))


def test_a_known_study() -> None:
    """t = 4 after four seeds: p = .0280, over (4/10)² = .1751. The bounds: Q, and 2.16 Q, the sum over all looks."""
    four = pairs(*around(1.0, 4.0))
    assert p_value(four.differences, 1.0) == pytest.approx(0.02801, abs=1e-5)
    found = sequential_p(four, LOOKS)
    assert found == pytest.approx(float(null_distribution(LOOKS).p_value(0.02801 / 0.16)), rel=1e-3)
    assert 0.1751 < found < 2.16 * 0.1751
    assert (
        found > sequential_p(four, (4, 6)) > sequential_p(four, (4,))
    )  # the fewer may follow, the more a look may say


@settings(deadline=None)
@given(st.floats(1e-7, 0.999))
def test_the_boundaries_are_where_the_p_value_is_the_level(level: float) -> None:
    null = null_distribution(LOOKS)
    for look, boundary in zip(LOOKS, null.boundaries(level), strict=True):
        q = 2 * stats.t.sf(boundary, look - 1) / (look / 10) ** 2
        assert null.p_value(q) == pytest.approx(level, rel=1e-6)


@settings(deadline=None)
@given(st.floats(1e-9, 1), st.floats(1e-9, 1))
def test_a_larger_q_has_a_larger_p_within_the_bounds_of_one_look_and_of_all(one: float, other: float) -> None:
    null = null_distribution(LOOKS)
    low, high = sorted((one, other))
    assert null.p_value(low) <= null.p_value(high)
    assert 0.99 * low <= null.p_value(low) <= min(1, 2.161 * low)


@pytest.mark.parametrize("looks", [(), (1, 4), (4, 4), (6, 4)])
def test_looks_increase_from_two(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="increasing"):
        null_distribution(looks)


@settings(deadline=None)
@given(TEN)
def test_it_never_rises_from_look_to_look_and_counts_whole_looks_alone(values: list[float]) -> None:
    arm = pairs(*values)
    found = [sequential_p(arm.first(count), LOOKS) for count in range(11)]
    assert found == sorted(found, reverse=True) and found[:4] == [1.0] * 4
    assert found[5] == found[4] and found[7] == found[6] and found[9] == found[8]


@settings(deadline=None)
@given(TEN, st.sampled_from([0.25, 8.0, -1.0, -4.0]))
def test_scale_and_sign_leave_the_p_value(values: list[float], factor: float) -> None:
    scaled = Pairs(tuple(factor * value for value in values), abs(factor))
    assert sequential_p(scaled, LOOKS) == pytest.approx(sequential_p(pairs(*values), LOOKS), rel=1e-9)


def test_differences_are_paired_by_seed_in_the_order_of_the_plan() -> None:
    arm, full = {2: 0.5, 0: 0.25, 1: -0.75, 7: 9.0}, {0: 0.5, 1: 0.5, 2: 0.25, 3: 9.0}
    assert paired(arm, full, [2, 1, 0, 3]) == Pairs((0.25, -1.25, -0.25), 0.75)
    assert paired({}, full, [0, 1]) == Pairs((), 0.0)


@settings(deadline=None)
@given(TEN)
def test_with_a_single_look_the_repeated_interval_is_students(values: list[float]) -> None:
    one, other = repeated_interval(values, (10,)), t_interval(values)
    assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high), rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(TEN)
def test_an_interval_of_some_look_excludes_zero_where_the_p_value_says_so(values: list[float]) -> None:
    p = sequential_p(pairs(*values), LOOKS)
    spread = all(max(values[:look]) - min(values[:look]) > 1e-3 for look in LOOKS)
    if spread and abs(p - LEVEL) > 1e-4:
        assert any(repeated_interval(values[:look], LOOKS).excludes_zero for look in LOOKS) == (p < LEVEL)


def test_the_repeated_interval_is_of_the_last_look_taken() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 90.0]
    found = repeated_interval(values, LOOKS)
    assert found == repeated_interval(values[:4], LOOKS) and found.mean == 2.5
    assert found.high == pytest.approx(2.5 + null_distribution(LOOKS).boundaries(LEVEL)[0] * math.sqrt(5 / 3) / 2)
    assert found.low is not None and found.high is not None and found.high - 2.5 == pytest.approx(2.5 - found.low)
    assert repeated_interval(values[:3], LOOKS) == Interval(2.0, None, None)


@pytest.mark.parametrize(
    ("look", "t", "level"), [(4, 0.0, 0.05), (4, 1.5, 0.05), (6, 2.0, 0.05 / 6), (8, 2.5, 0.05 / 3)]
)
def test_the_predictive_power_is_that_of_drawn_studies(look: int, t: float, level: float) -> None:
    """Each drawn from mean and variance of the posterior, and then tested as a study is."""
    generator, count = np.random.default_rng(3), 20_000
    so_far = np.array(around(1.0, t, look)) if t else np.array([1.0, -1.0] * (look // 2))
    variance = (look - 1) * so_far.var(ddof=1) / generator.chisquare(look - 1, count)
    mean = generator.normal(so_far.mean(), np.sqrt(variance / look))
    seeds = generator.normal(mean, np.sqrt(variance), size=(10 - look, count)).T
    studies = np.hstack([np.tile(so_far, (count, 1)), seeds])
    shown = np.zeros(count, dtype=bool)
    for later in (later for later in LOOKS if later > look):
        q = stats.ttest_1samp(studies[:, :later], 0, axis=1).pvalue / (later / 10) ** 2
        shown |= null_distribution(LOOKS).p_value(q) <= level
    chance = float(shown.mean())
    error = math.sqrt(2 * chance * (1 - chance) / count)  # of both simulations
    assert 0.01 < chance < 0.99 and predictive_power(t, look, LOOKS, level) == pytest.approx(chance, abs=4 * error)


@settings(deadline=None)
@given(st.sampled_from(LOOKS[:-1]), st.floats(0, 20), st.floats(0, 20), st.integers(1, 6))
def test_more_is_to_be_expected_of_a_larger_t_and_a_smaller_family(
    look: int, one: float, other: float, arms: int
) -> None:
    low, high = sorted((one, other))
    found = [float(predictive_power(t, look, LOOKS, LEVEL / arms)) for t in (low, high)]
    assert found[1] >= found[0] - 0.002 and predictive_power(-low, look, LOOKS, LEVEL / arms) == found[0]
    assert predictive_power(low, look, LOOKS, LEVEL / (arms + 1)) <= found[0] <= 1.001


def test_an_arm_ends_where_it_is_shown_or_given_up_and_else_goes_on() -> None:
    strong, flat = pairs(*around(1.0, 40.0)), pairs(1.0, -1.0, 0.5, -0.5)
    between, early = pairs(*around(1.0, 4.0)), pairs(1.0, 1.1, 0.9)
    found = standings({"strong": strong, "flat": flat, "between": between, "early": early}, LOOKS)
    assert {name: (each.outcome, each.seeds, each.next_look) for name, each in found.items()} == {
        "strong": ("shown", 4, None),
        "flat": ("not shown at this budget", 4, None),
        "between": ("goes on", 4, 6),
        "early": ("goes on", 0, 4),
    }
    assert found["strong"].power is None and found["strong"].adjusted < LEVEL
    assert found["flat"].power is not None and found["flat"].power < FUTILITY < (found["between"].power or 0)
    assert (found["early"].p, found["early"].adjusted, found["early"].power) == (1.0, 1.0, None)
    assert found["between"].p == sequential_p(between, LOOKS)


def test_an_arm_that_is_never_shown_nor_given_up_takes_all_looks() -> None:
    values = [-1.0, 3.0, 3.0, 2.0, 1.0, -1.0, 2.0, 3.0, -2.0, 1.0]
    (found,) = standings({"a": pairs(*values)}, LOOKS).values()
    assert (found.outcome, found.seeds, found.next_look, found.power) == ("all looks taken", 10, None, None)
    assert found.adjusted == found.p > LEVEL


def test_arms_without_a_seed_are_of_the_family() -> None:
    alone = pairs(*around(1.0, 9.0))
    assert LEVEL / 2 < sequential_p(alone, LOOKS) < LEVEL
    assert standings({"a": alone}, LOOKS)["a"].outcome == "shown"
    found = standings({"a": alone, "b": pairs()}, LOOKS)["a"]
    assert found.outcome == "goes on" and found.power == 1.0 and found.adjusted == 2 * found.p


def test_the_arms_given_up_earlier_lower_the_power_of_the_others() -> None:
    """At six seeds, t = 1.3: enough hope for an arm alone, not for the one beside two that keep their place."""
    weak, flat = pairs(*around(1.0, 1.3, 6)), pairs(1.0, -1.0, 0.5, -0.5)
    weak = replace(weak, differences=(*around(1.0, 2.5), *weak.differences[4:]))
    alone = standings({"weak": weak}, LOOKS)["weak"]
    beside = standings({"weak": weak, "b": flat, "c": flat}, LOOKS)["weak"]
    assert alone.seeds == beside.seeds == 6 and alone.power is not None and beside.power is not None
    assert beside.power < alone.power
    t = boundary_t(weak, 6)
    assert alone.power == pytest.approx(float(predictive_power(t, 6, LOOKS, LEVEL)))
    assert beside.power == pytest.approx(float(predictive_power(t, 6, LOOKS, LEVEL / 3)))


@settings(max_examples=40, deadline=None)
@given(ARMS)
def test_a_study_resumed_from_its_records_ends_as_one_with_all_seeds_at_hand(arms: dict[str, Pairs]) -> None:
    """Trains each arm to the next look it is said to go on to, earliest look first, until none does."""
    trained = {name: arm.first(0) for name, arm in arms.items()}
    while waiting := {name: each.next_look for name, each in standings(trained, LOOKS).items() if each.next_look}:
        earliest = min(waiting.values())
        for name, look in waiting.items():
            if look == earliest:
                trained[name] = arms[name].first(look)
    ended = standings(trained, LOOKS)
    assert ended == standings(arms, LOOKS)
    assert {name: len(arm.differences) for name, arm in trained.items()} == {n: e.seeds for n, e in ended.items()}
    for each in ended.values():
        assert (each.outcome == "shown") == (each.adjusted < LEVEL)
        assert (each.outcome == "not shown at this budget") == (each.power is not None and each.power < FUTILITY)


@settings(max_examples=40, deadline=None)
@given(ARMS, st.randoms(use_true_random=False))
def test_the_order_of_the_arms_changes_nothing(arms: dict[str, Pairs], random: object) -> None:
    names = list(arms)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert standings({name: arms[name] for name in names}, LOOKS) == standings(arms, LOOKS)


@pytest.mark.parametrize(("effect", "correlation"), [(0.0, 0.0), (2.0, 0.5)])
def test_some_hundred_studies(effect: float, correlation: float) -> None:
    """Of six arms, two of which may differ. benchmarks/adaptive_seeds.py has the same with forty thousand."""
    generator, differing = np.random.default_rng(2), np.arange(6) < (2 if effect else 0)
    studies, errors, seeds, covered, shown = 600, 0, 0, 0, 0
    noise = math.sqrt(1 - correlation) * generator.standard_normal((studies, 6, 10))
    noise += math.sqrt(correlation) * generator.standard_normal((studies, 1, 10))
    for study in noise + effect * differing[:, None]:
        arms = {str(arm): pairs(*values) for arm, values in enumerate(study.tolist())}
        found = standings(arms, LOOKS)
        errors += any(found[str(arm)].outcome == "shown" for arm in np.flatnonzero(~differing))
        shown += sum(found[str(arm)].outcome == "shown" for arm in np.flatnonzero(differing))
        for arm, standing in found.items():
            interval = repeated_interval(arms[arm].first(standing.seeds).differences, LOOKS)
            covered += interval.low <= effect * differing[int(arm)] <= interval.high  # type: ignore[operator]
            seeds += standing.seeds
    assert errors / studies <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / studies)
    assert errors / studies >= LEVEL / 2 and covered / studies / 6 >= 1 - LEVEL
    assert 1 - seeds / studies / 60 >= 0.35 and shown >= 0.96 * studies * differing.sum()
