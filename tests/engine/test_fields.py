"""Dotted names and nested mappings are two ways to write the same settings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relab.fields import describe_fields, flatten, lookup, nested, overlay, shortened
from relab.method import Config

NAMES = st.sampled_from(["a", "b", "c"])
SETTINGS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(NAMES, st.integers(), min_size=1, max_size=3),
    lambda inner: st.dictionaries(NAMES, inner | st.integers(), min_size=1, max_size=3),
)
"""Nested mappings without an empty group."""


class Inner(Config):
    rate: float = 0.5
    size: int = 1


class Outer(Config):
    inner: Inner = Inner()
    perhaps: Inner | None = None
    name: str = ""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({}, {}),
        ({"a.b": 1, "a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"c": 2}, "a.b": 1}, {"a": {"b": 1, "c": 2}}),
        ({"a.b.c": 1, "a.b.d": 2}, {"a": {"b": {"c": 1, "d": 2}}}),
        ({"a": {"b.c": 1}}, {"a": {"b": {"c": 1}}}),
        ({"a": 1, "a.b": 2}, {"a": {"b": 2}}),
        ({"a.b": 1, "a": 2}, {"a": 2}),
    ],
)
def test_dotted_names_are_nested(written: dict[str, Any], meant: dict[str, Any]) -> None:
    assert nested(written) == meant


@given(SETTINGS)
def test_what_is_nested_stays_and_flattened_comes_back(settings: dict[str, Any]) -> None:
    assert nested(settings) == settings
    leaves = dict(flatten(settings))
    assert all(lookup(settings, name) == value for name, value in leaves.items())
    assert dict(flatten(nested(leaves))) == leaves


@given(SETTINGS, SETTINGS)
def test_the_overlay_wins_where_both_speak_and_leaves_the_rest(base: dict[str, Any], changes: dict[str, Any]) -> None:
    below, above, result = dict(flatten(base)), dict(flatten(changes)), dict(flatten(overlay(base, changes)))
    related = {
        name for name in below for other in above if f"{name}.".startswith(f"{other}.") or other.startswith(f"{name}.")
    }
    assert result == {name: value for name, value in below.items() if name not in related} | above


@given(SETTINGS, SETTINGS)
def test_laid_twice_is_laid_once_and_nothing_given_is_changed(base: dict[str, Any], changes: dict[str, Any]) -> None:
    before = repr((base, changes))
    once = overlay(base, changes)
    assert overlay(once, changes) == once and overlay(base, {}) == base
    assert repr((base, changes)) == before


def test_dotted_and_nested_overlays_are_the_same() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": 3}
    assert overlay(base, {"a.b": 9}) == overlay(base, {"a": {"b": 9}}) == {"a": {"b": 9, "c": 2}, "d": 3}
    assert overlay({"a.b": 1}, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}


def test_the_overlay_shares_no_group_with_its_base() -> None:
    base = {"a": {"b": {"c": 1}}}
    overlay(base, {"a.b.d": 2})["a"]["b"]["c"] = 5
    assert base == {"a": {"b": {"c": 1}}}


def test_a_value_takes_the_place_of_a_group_and_a_group_of_a_value() -> None:
    assert overlay({"a": {"b": 1}}, {"a": None}) == {"a": None}
    assert overlay({"a": None}, {"a.b": 1}) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    "name",
    ["x", "a.x", "a.b.c"],
)
def test_a_name_that_is_not_there_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        lookup({"a": {"b": 1}}, name)


def test_every_field_of_a_config_has_a_dotted_name() -> None:
    found = describe_fields(Outer)
    assert list(found) == ["inner", "inner.rate", "inner.size", "perhaps", "name"]
    assert found["inner.rate"].default == 0.5


def test_names_are_shortened_as_far_as_they_stay_apart() -> None:
    assert shortened(["a.b.lr", "a.size", "c.size", "seed"]) == ["lr", "a.size", "c.size", "seed"]
