"""Which arms an ablation trains: designs over a method's declared components."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from types import MappingProxyType
from typing import Any

from relab.fields import overlay
from relab.method import Component

FULL, BARE = "full", "bare"


@dataclass(frozen=True)
class Arm:
    """A variant of the method: what is turned off, and which dotted fields that changes."""

    name: str
    off: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    against: str = FULL
    """The arm that its difference is taken to."""


@dataclass(frozen=True)
class Design:
    """The arms of an ablation, the full model first, and those that were left out because they cannot be."""

    arms: tuple[Arm, ...]
    impossible: Mapping[str, str] = field(default_factory=dict)
    """Name of the arm to the reason."""


def leave_one_out(components: Sequence[Component]) -> Design:
    """The full model, and for each component the model without it.

    A component that another one requires takes that one along.
    """
    return _distinct([Arm(FULL), *(_without([component], components) for component in components)], components)


def add_one(components: Sequence[Component]) -> Design:
    """The full model, the bare one without any of the components, and the bare one with each of them.

    A component comes with those that it requires. Its difference is taken to the bare model.
    """
    bare = _without(components, components, name=BARE)
    arms = [Arm(FULL), bare]
    for component in components:
        kept = _closure(component, components, lambda each, other: other.name in each.requires)
        gone = [other for other in components if other not in kept]
        arms.append(_arm(f"{BARE} with {component.name}", gone, BARE))
    return _distinct(arms, components)


def cumulative(components: Sequence[Component]) -> Design:
    """The full model, and then one component less each time, in the order given; a difference is to the arm before."""
    arms = [Arm(FULL)]
    for count in range(1, len(components) + 1):
        arms.append(_without(components[:count], components, against=arms[-1].name))
        if arms[-1].off == arms[-2].off:  # gone with one before it
            arms.pop()
    return _distinct(arms, components)


def pairs(components: Sequence[Component]) -> Design:
    """The full model, the model without each component, and without each two of them."""
    removed = chain(combinations(components, 1), combinations(components, 2))
    return _distinct([Arm(FULL), *(_without(each, components) for each in removed)], components)


def full(components: Sequence[Component]) -> Design:
    """Every combination of components on and off."""
    removed = chain.from_iterable(combinations(components, count) for count in range(1, len(components) + 1))
    return _distinct([Arm(FULL), *(_arm(_name(each), each) for each in removed)], components)


DESIGNS: Mapping[str, Callable[[Sequence[Component]], Design]] = MappingProxyType(
    {each.__name__: each for each in (leave_one_out, add_one, cumulative, pairs, full)}
)
"""By the name that a spec gives them; ``arms`` names its own."""
FACTORIAL = ("pairs", "full")
"""Designs that tell what two components do together."""


def switched(base: Mapping[str, Any], arm: Arm) -> dict[str, Any]:
    """The base settings with an arm's changes laid over them."""
    return overlay(base, arm.changes)


def _arm(name: str, gone: Iterable[Component], against: str = FULL) -> Arm:
    changes: dict[str, Any] = {}
    for component in gone:
        changes |= component.off
    return Arm(name, tuple(component.name for component in gone), changes, against)


def _name(removed: Iterable[Component]) -> str:
    return f"without {', '.join(component.name for component in removed)}"


def _without(
    removed: Sequence[Component], components: Sequence[Component], *, against: str = FULL, name: str | None = None
) -> Arm:
    """The model without some components, and without those that require one of them."""
    gone: list[Component] = []
    for component in removed:
        closure = _closure(component, components, lambda each, other: each.name in other.requires)
        gone += [each for each in closure if each not in gone]
    return _arm(name or _name(removed), gone, against)


def _closure(
    component: Component, components: Sequence[Component], brings: Callable[[Component, Component], bool]
) -> list[Component]:
    """A component, what it brings along, what that brings along, and so on."""
    found = [component]
    for each in found:  # grows while it is gone through
        found += [other for other in components if brings(each, other) and other not in found]
    return found


def _distinct(arms: Sequence[Arm], components: Sequence[Component]) -> Design:
    """Without the arms that cannot be, and those that equal one before them."""
    kept: dict[frozenset[str], Arm] = {}
    impossible: dict[str, str] = {}
    for arm in arms:
        off = frozenset(arm.off)
        reason = f"equals {kept[off].name!r}" if off in kept else _reason(off, components)
        if reason and arm.name != FULL:
            impossible[arm.name] = reason
        else:
            kept[off] = arm
    return Design(tuple(kept.values()), impossible)


def _reason(off: frozenset[str], components: Sequence[Component]) -> str:
    """Why a model with these components off, and the others on, cannot be; empty if it can."""
    on = {component.name for component in components} - off
    for component in components:
        if component.name in on:
            needed = [name for name in component.requires if name in off]
            barred = [name for name in component.conflicts if name in on]
            if needed:
                return f"{component.name} needs {needed[0]}"
            if barred:
                return f"{component.name} does not go with {barred[0]}"
    return ""
