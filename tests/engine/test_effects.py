"""Main effects and interactions of ablated components."""

from collections.abc import Mapping
from itertools import combinations
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.analysis import holm, p_value, t_interval
from relab.effects import Effect, effects

Scores = Mapping[frozenset[str], Mapping[int, float]]
NOISE = (0.0, 0.3, -0.2, 0.1)
"""What each seed adds to every arm."""


def off(*names: str) -> frozenset[str]:
    return frozenset(names)


def arms(names: str, largest: int) -> list[frozenset[str]]:
    return [off(*each) for count in range(largest + 1) for each in combinations(names, count)]


def planted(which: list[frozenset[str]], changes: Mapping[str, float], wobble: float = 0.01) -> Scores:
    """Scores with the change of each removal, and of each two beyond those; every arm wobbles by itself a little."""
    return {
        arm: {
            seed: noise
            + sum(change for name, change in changes.items() if arm.issuperset(name))
            + wobble * ((7 * place + 3 * seed * (place + 1)) % 5 - 2)
            for seed, noise in enumerate(NOISE)
        }
        for place, arm in enumerate(which)
    }


def by_name(found: list[Effect]) -> dict[str, Effect]:
    return {"".join(effect.components): effect for effect in found}


def mean(effect: Effect) -> float:
    assert effect.change is not None
    return effect.change.mean


def test_two_components_by_hand() -> None:
    """Seed 0: main a = ((.7 − .9) + (.65 − .8)) / 2 = −.175, b = −.075, together .65 − .7 − .8 + .9 = .05."""
    scores = {
        off(): {0: 0.9, 1: 0.8},
        off("a"): {0: 0.7, 1: 0.5},
        off("b"): {0: 0.8, 1: 0.7},
        off("a", "b"): {0: 0.65, 1: 0.6},
    }
    found = by_name(effects(scores, "max"))
    assert list(found) == ["a", "b", "ab"] and {effect.seeds for effect in found.values()} == {2}
    for name, values in {"a": [-0.175, -0.2], "b": [-0.075, 0.0], "ab": [0.05, 0.2]}.items():
        change, known = found[name].change, t_interval(values)
        assert change is not None and (change.mean, change.low) == pytest.approx((known.mean, known.low))
        assert found[name].p == pytest.approx(p_value(values, 0.9))


def test_where_some_combinations_have_no_arm_it_is_taken_at_the_full_model() -> None:
    which = arms("abc", 2)
    found = by_name(effects(planted(which, {"a": -0.3, "b": 0.1, "ab": 0.2}, wobble=0), "max"))
    assert list(found) == ["a", "b", "c", "ab", "ac", "bc"]
    expected = {"a": -0.3, "b": 0.1, "c": 0.0, "ab": 0.2, "ac": 0.0, "bc": 0.0}
    assert {name: mean(each) for name, each in found.items()} == pytest.approx(expected)


def test_with_all_combinations_it_is_the_mean_over_the_settings_of_the_others() -> None:
    """b changes what a does by .2, and is off in half of the arms; all three off add .4, in one of two settings."""
    found = by_name(effects(planted(arms("abc", 3), {"a": -0.3, "b": 0.1, "ab": 0.2, "abc": 0.4}, wobble=0), "max"))
    expected = {"a": -0.3 + 0.1 + 0.1, "b": 0.1 + 0.1 + 0.1, "c": 0.1, "ab": 0.2 + 0.2, "ac": 0.2, "bc": 0.2}
    assert {name: mean(each) for name, each in found.items()} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("together", "mode", "says"),
    [
        (0.2, "max", "removing both a and b costs less than the sum: they overlap"),
        (-0.2, "max", "removing both a and b costs more than the sum: they compensate for each other"),
        (0.2, "min", "removing both a and b costs more than the sum: they compensate for each other"),
        (-0.2, "min", "removing both a and b costs less than the sum: they overlap"),
        (0.0, "max", "removing both a and b: undecided against the sum"),
    ],
)
def test_two_together_in_a_sentence(together: float, mode: Literal["max", "min"], says: str) -> None:
    found = by_name(effects(planted(arms("ab", 2), {"a": -0.3, "b": -0.3, "ab": together}, wobble=0.002), mode))
    assert found["ab"].sentence == says and (found["ab"].adjusted < 0.05) == ("undecided" not in says)


@pytest.mark.parametrize(
    ("change", "mode", "says"),
    [
        (-0.3, "max", "removing a makes it worse"),
        (-0.3, "min", "removing a makes it better"),
        (0.3, "max", "removing a makes it better"),
        (0.3, "min", "removing a makes it worse"),
        (0.0, "max", "removing a: undecided"),
    ],
)
def test_one_in_a_sentence(change: float, mode: Literal["max", "min"], says: str) -> None:
    found = by_name(effects(planted(arms("ab", 1), {"a": change}, wobble=0.005), mode))
    assert found["a"].sentence == says and list(found) == ["a", "b"]


def test_holm_goes_over_all_of_them() -> None:
    found = effects(planted(arms("abc", 2), {"a": -0.05, "bc": 0.03}), "max")
    assert [each.adjusted for each in found] == holm([each.p or 0.0 for each in found])
    assert any(each.adjusted > (each.p or 0.0) for each in found)


def test_an_effect_with_an_arm_missing_is_left_out() -> None:
    """b cannot be without a: there is no arm without a alone."""
    found = effects(planted([off(), off("b"), off("a", "b"), off("c"), off("b", "c")], {}), "max")
    assert [each.components for each in found] == [("b",), ("c",), ("b", "c")]
    assert effects({off("a"): {0: 0.5}}, "max") == [] and effects({off(): {0: 0.5}}, "max") == []


def test_a_seed_counts_where_all_its_arms_have_it() -> None:
    scores = {
        off(): {0: 0.5, 1: 0.6, 2: 0.7},
        off("a"): {0: 0.4, 1: 0.6},
        off("b"): {1: 0.5, 2: 0.6},
        off("a", "b"): {3: 0.1},
    }
    found = by_name(effects({arm: scores[arm] for arm in (off(), off("a"), off("b"))}, "max"))
    assert found["a"].seeds == 2 and mean(found["a"]) == pytest.approx(-0.05)
    assert found["b"].seeds == 2 and mean(found["b"]) == pytest.approx(-0.1)
    none = by_name(effects(scores, "max"))["ab"]
    assert (none.seeds, none.change, none.p, none.adjusted) == (0, None, None, 1.0) and "undecided" in none.sentence


SEEDS = st.fixed_dictionaries({seed: st.floats(-1, 1) for seed in range(3)})
TABLES = st.fixed_dictionaries(dict.fromkeys(arms("abc", 3), SEEDS))


@settings(deadline=None)
@given(TABLES, st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_what_a_seed_adds_to_every_arm_falls_out(table: Scores, added: list[float]) -> None:
    moved = {arm: {seed: score + added[seed] for seed, score in seeds.items()} for arm, seeds in table.items()}
    for one, other in zip(effects(table, "max"), effects(moved, "max"), strict=True):
        assert one.components == other.components and mean(one) == pytest.approx(mean(other), abs=1e-9)


@settings(deadline=None)
@given(TABLES)
def test_a_lower_score_that_is_better_is_a_higher_one_with_its_sign_changed(table: Scores) -> None:
    negative = {arm: {seed: -score for seed, score in seeds.items()} for arm, seeds in table.items()}
    for one, other in zip(effects(table, "max"), effects(negative, "min"), strict=True):
        assert one.sentence == other.sentence and mean(one) == pytest.approx(-mean(other), abs=1e-12)


@settings(deadline=None)
@given(TABLES, st.permutations(arms("abc", 3)))
def test_the_order_of_the_arms_changes_nothing(table: Scores, order: list[frozenset[str]]) -> None:
    shuffled = effects({arm: table[arm] for arm in order}, "max")
    for one, other in zip(effects(table, "max"), shuffled, strict=True):
        assert one.components == other.components and mean(one) == pytest.approx(mean(other), abs=1e-12)
