"""Which arms an ablation has, and what each of them changes."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.designs import BARE, DESIGNS, FULL, Arm, add_one, cumulative, full, leave_one_out, pairs, switched
from relab.method import Component, Method
from relab.methods import find_method, method_names
from relab.spec import AblationSpec

FILTER = Component("filter", {"filter.enabled": False}, "no filter")
RELABEL = Component("relabel", {"relabel": False}, "no relabelling", requires=("filter",))
LOSS = Component("loss", {"loss": "plain", "weights.negative": 0}, "the plain loss")


def test_the_full_model_comes_first_then_one_arm_per_component_in_its_order() -> None:
    arms = leave_one_out([LOSS, FILTER]).arms
    assert arms == (
        Arm(FULL),
        Arm("without loss", ("loss",), {"loss": "plain", "weights.negative": 0}),
        Arm("without filter", ("filter",), {"filter.enabled": False}),
    )


def test_a_component_takes_along_what_requires_it() -> None:
    full, filtering, relabelling = leave_one_out([FILTER, RELABEL]).arms
    assert filtering.off == ("filter", "relabel") and filtering.changes == {"filter.enabled": False, "relabel": False}
    assert relabelling.off == ("relabel",) and relabelling.changes == {"relabel": False}
    assert full.off == () and not full.changes


def test_what_requires_what_goes_goes_too() -> None:
    third = Component("third", {"third": 0}, "no third", requires=("relabel",))
    assert leave_one_out([FILTER, RELABEL, third]).arms[1].off == ("filter", "relabel", "third")


def test_a_design_over_no_components_is_the_full_model() -> None:
    assert leave_one_out([]).arms == (Arm(FULL),)


def test_adding_one_begins_at_the_bare_model_and_brings_what_is_required() -> None:
    first, bare, filtering, relabelling, loss = add_one([FILTER, RELABEL, LOSS]).arms
    assert first == Arm(FULL)
    assert bare.name == BARE and bare.off == ("filter", "relabel", "loss") and bare.against == FULL
    assert filtering.name == "bare with filter" and filtering.off == ("relabel", "loss")
    assert relabelling.off == ("loss",) and loss.off == ("filter", "relabel")
    assert {arm.against for arm in (filtering, relabelling, loss)} == {BARE}


def test_a_cumulative_design_compares_each_arm_with_the_one_before() -> None:
    design = cumulative([LOSS, RELABEL, FILTER])
    assert [(arm.off, arm.against) for arm in design.arms] == [
        ((), FULL),
        (("loss",), FULL),
        (("loss", "relabel"), "without loss"),
        (("loss", "relabel", "filter"), "without loss, relabel"),
    ]
    shorter = cumulative([FILTER, RELABEL, LOSS])
    assert [arm.off for arm in shorter.arms] == [(), ("filter", "relabel"), ("filter", "relabel", "loss")]
    assert shorter.arms[-1].against == "without filter"


def test_pairs_are_left_out_where_they_equal_a_single_one() -> None:
    design = pairs([FILTER, RELABEL, LOSS])
    assert [arm.name for arm in design.arms] == [
        FULL, "without filter", "without relabel", "without loss", "without filter, loss", "without relabel, loss",
    ]  # fmt: skip
    assert design.impossible == {"without filter, relabel": "equals 'without filter'"}
    assert design.arms[4].changes == {"filter.enabled": False, "relabel": False, "loss": "plain", "weights.negative": 0}


def test_the_full_design_has_every_combination_that_can_be() -> None:
    design = full([FILTER, RELABEL, LOSS])
    assert {arm.off for arm in design.arms} == {
        (), ("relabel",), ("loss",), ("filter", "relabel"), ("relabel", "loss"), ("filter", "relabel", "loss"),
    }  # fmt: skip
    assert design.impossible == {
        "without filter": "relabel needs filter",
        "without filter, loss": "relabel needs filter",
    }


def test_components_that_exclude_each_other_never_meet() -> None:
    other = Component("other", {"other": 0}, "no other filter", conflicts=("filter",))
    design = add_one([LOSS, other, FILTER])
    assert [arm.name for arm in design.arms[1:]] == [BARE, "bare with loss", "bare with other", "bare with filter"]
    assert full([other, FILTER]).impossible == {}
    assert leave_one_out([LOSS, other, FILTER]).impossible == {"without loss": "other does not go with filter"}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_arm_of_every_design_can_be_and_is_there_once(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True))
    components = [
        Component(
            name, {name: 0}, "", requires=tuple(data.draw(st.sets(st.sampled_from(names[:place])))) if place else ()
        )
        for place, name in enumerate(names)
    ]
    components = data.draw(st.permutations(components))
    for design in DESIGNS.values():
        arms = design(components).arms
        assert arms[0] == Arm(FULL) and len({frozenset(arm.off) for arm in arms}) == len(arms)
        known = {arm.name: arm for arm in arms}
        for arm in arms[1:]:
            assert arm.changes == dict.fromkeys(arm.off, 0) and arm.against in known
            assert all(
                set(each.requires) <= set(names) - set(arm.off) for each in components if each.name not in arm.off
            )
    assert len(full(components).arms) == sum(
        all(set(each.requires) <= on for each in components if each.name in on)
        for size in range(len(names) + 1)
        for on in map(set, itertools.combinations(names, size))
    )


def test_an_arms_changes_lie_over_the_base_and_leave_it() -> None:
    base = {"filter": {"enabled": True, "size": 3}, "loss": "negative"}
    arm = Arm("without filter", ("filter",), {"filter.enabled": False})
    assert switched(base, arm) == {"filter": {"enabled": False, "size": 3}, "loss": "negative"}
    assert base["filter"] == {"enabled": True, "size": 3} and switched(base, Arm(FULL)) == base


def ablation(**extra: object) -> AblationSpec:
    return AblationSpec.model_validate({"method": "joint_head_selection", "corpus": "planted_joint", **extra})


def test_a_spec_without_components_leaves_out_each_of_the_methods() -> None:
    method = find_method("joint_head_selection")
    arms = ablation(design="leave_one_out").designed(method).arms
    assert [arm.name for arm in arms] == [FULL, *(f"without {component.name}" for component in method.components)]


def test_named_arms_turn_components_off_and_set_fields() -> None:
    arms = (
        ablation(
            design="arms",
            arms={
                "plain": {"off": ["crf", "character_embeddings"]},
                "small": {"set": {"encoder.hidden": 8}},
                "both": {"off": ["crf"], "set": {"encoder.hidden": 8}},
            },
        )
        .designed(find_method("joint_head_selection"))
        .arms
    )
    assert arms == (
        Arm(FULL),
        Arm("plain", ("crf", "character_embeddings"), {"entities.crf": False, "characters.enabled": False}),
        Arm("small", (), {"encoder.hidden": 8}),
        Arm("both", ("crf",), {"entities.crf": False, "encoder.hidden": 8}),
    )


@pytest.mark.parametrize("name", method_names())
def test_no_two_arms_of_an_installed_method_change_the_same(name: str) -> None:
    method: Method = find_method(name)  # type: ignore[type-arg]
    arms = leave_one_out(method.components).arms
    assert len({repr(sorted(arm.changes.items())) for arm in arms}) == len(arms) == len(method.components) + 1
