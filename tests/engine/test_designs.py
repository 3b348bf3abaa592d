"""Which arms an ablation has, and what each of them changes."""

import pytest
from relab.designs import FULL, Arm, leave_one_out, switched
from relab.method import Component, Method
from relab.methods import find_method, method_names
from relab.spec import AblationSpec

FILTER = Component("filter", {"filter.enabled": False}, "no filter")
RELABEL = Component("relabel", {"relabel": False}, "no relabelling", requires=("filter",))
LOSS = Component("loss", {"loss": "plain", "weights.negative": 0}, "the plain loss")


def test_the_full_model_comes_first_then_one_arm_per_component_in_its_order() -> None:
    arms = leave_one_out([LOSS, FILTER])
    assert arms == (
        Arm(FULL),
        Arm("without loss", ("loss",), {"loss": "plain", "weights.negative": 0}),
        Arm("without filter", ("filter",), {"filter.enabled": False}),
    )


def test_a_component_takes_along_what_requires_it() -> None:
    full, filtering, relabelling = leave_one_out([FILTER, RELABEL])
    assert filtering.off == ("filter", "relabel") and filtering.changes == {"filter.enabled": False, "relabel": False}
    assert relabelling.off == ("relabel",) and relabelling.changes == {"relabel": False}
    assert full.off == () and not full.changes


def test_what_requires_what_goes_goes_too() -> None:
    third = Component("third", {"third": 0}, "no third", requires=("relabel",))
    assert leave_one_out([FILTER, RELABEL, third])[1].off == ("filter", "relabel", "third")


def test_a_design_over_no_components_is_the_full_model() -> None:
    assert leave_one_out([]) == (Arm(FULL),)


def test_an_arms_changes_lie_over_the_base_and_leave_it() -> None:
    base = {"filter": {"enabled": True, "size": 3}, "loss": "negative"}
    arm = Arm("without filter", ("filter",), {"filter.enabled": False})
    assert switched(base, arm) == {"filter": {"enabled": False, "size": 3}, "loss": "negative"}
    assert base["filter"] == {"enabled": True, "size": 3} and switched(base, Arm(FULL)) == base


def ablation(**extra: object) -> AblationSpec:
    return AblationSpec.model_validate({"method": "joint_head_selection", "corpus": "planted_joint", **extra})


def test_a_spec_without_components_leaves_out_each_of_the_methods() -> None:
    method = find_method("joint_head_selection")
    arms = ablation(design="leave_one_out").arms(method)
    assert [arm.name for arm in arms] == [FULL, *(f"without {component.name}" for component in method.components)]


def test_named_arms_turn_components_off_and_set_fields() -> None:
    arms = ablation(
        design="arms",
        arms={
            "plain": {"off": ["crf", "character_embeddings"]},
            "small": {"set": {"encoder.hidden": 8}},
            "both": {"off": ["crf"], "set": {"encoder.hidden": 8}},
        },
    ).arms(find_method("joint_head_selection"))
    assert arms == (
        Arm(FULL),
        Arm("plain", ("crf", "character_embeddings"), {"entities.crf": False, "characters.enabled": False}),
        Arm("small", (), {"encoder.hidden": 8}),
        Arm("both", ("crf",), {"entities.crf": False, "encoder.hidden": 8}),
    )


@pytest.mark.parametrize("name", method_names())
def test_no_two_arms_of_an_installed_method_change_the_same(name: str) -> None:
    method: Method = find_method(name)  # type: ignore[type-arg]
    arms = leave_one_out(method.components)
    assert len({repr(sorted(arm.changes.items())) for arm in arms}) == len(arms) == len(method.components) + 1
