"""Which arms an ablation trains: designs over a method's declared components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relab.fields import overlay
from relab.method import Component

FULL = "full"


@dataclass(frozen=True)
class Arm:
    """A variant of the method: what is turned off, and which dotted fields that changes."""

    name: str
    off: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)


def leave_one_out(components: Sequence[Component]) -> tuple[Arm, ...]:
    """The full model, and for each component the model without it.

    A component that another one requires takes that one along.
    """
    arms = [Arm(FULL)]
    for component in components:
        gone = [component]
        for each in gone:  # grows while it is gone through: what requires what goes, goes too
            gone += [other for other in components if each.name in other.requires and other not in gone]
        changes: dict[str, Any] = {}
        for each in gone:
            changes |= each.off
        arms.append(Arm(f"without {component.name}", tuple(each.name for each in gone), changes))
    return tuple(arms)


def switched(base: Mapping[str, Any], arm: Arm) -> dict[str, Any]:
    """The base settings with an arm's changes laid over them."""
    return overlay(base, arm.changes)
