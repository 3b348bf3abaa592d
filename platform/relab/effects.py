"""What each component does, and what two of them do together: main effects and interactions of ablated components."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Literal

from relab.analysis import LEVEL, Interval, holm, p_value, t_interval

Off = frozenset[str]


@dataclass(frozen=True)
class Effect:
    """A main effect of one component, or the interaction of two."""

    components: tuple[str, ...]
    """One or two."""
    seeds: int
    """Those that all arms of this effect have finished."""
    change: Interval | None
    """One component: the score without it minus the score with it. Two: what removing both changes, minus the sum of
    what removing each of them changes. Within the seed; the interval is Student's t over seeds. None without a
    seed."""
    p: float | None
    """Two-sided, of this effect alone; None for fewer than two seeds."""
    adjusted: float
    """By Holm (1979), over all effects."""
    sentence: str


def effects(scores: Mapping[Off, Mapping[int, float]], mode: Literal["max", "min"]) -> list[Effect]:
    """The main effects, and then the interactions of two, that the arms can tell.

    Where every combination of the components has an arm, an effect is the mean over all settings of the other
    components, on and off (the factorial contrasts of Box, Hunter & Hunter, Statistics for Experimenters, 2005,
    chapter 5; their interaction is half of this one). Otherwise it is taken at the full model, the others all on. An
    effect with an arm missing is left out: a component that cannot be removed by itself has no main effect.

    Args:
        scores: components taken away → seed → score, folds averaged; the full model under the empty set.
        mode: whether higher scores are better, or lower ones.
    """
    names = sorted(frozenset[str]().union(*scores))
    whole = len(scores) == 2 ** len(names)
    found = []
    for removed in chain(combinations(names, 1), combinations(names, 2)):
        settings = [each for each in scores if each.isdisjoint(removed)] if whole else [frozenset[str]()]
        if all(setting | part in scores for setting in settings for part in _subsets(removed)):
            found.append(_effect(removed, settings, scores))
    adjusted = holm([1.0 if each.p is None else each.p for each in found])
    return [_said(replace(each, adjusted=p), mode) for each, p in zip(found, adjusted, strict=True)]


def _effect(removed: tuple[str, ...], settings: Sequence[Off], scores: Mapping[Off, Mapping[int, float]]) -> Effect:
    """The contrast per seed: signs (−1)^(components still on), averaged over the settings of the others."""
    terms = [
        ((-1) ** (len(removed) - len(part)), scores[setting | part])
        for setting in settings
        for part in _subsets(removed)
    ]
    seeds = [seed for seed in terms[0][1] if all(seed in arm for _, arm in terms)]
    contrasts = [math.fsum(sign * arm[seed] for sign, arm in terms) / len(settings) for seed in seeds]
    largest = max((abs(arm[seed]) for _, arm in terms for seed in seeds), default=0.0)
    return Effect(
        components=removed,
        seeds=len(seeds),
        change=t_interval(contrasts) if seeds else None,
        p=p_value(contrasts, largest) if len(seeds) > 1 else None,
        adjusted=1.0,
        sentence="",
    )


def _said(effect: Effect, mode: Literal["max", "min"]) -> Effect:
    """With its sentence. A cost is a change for the worse."""
    decided = effect.change is not None and effect.adjusted < LEVEL
    costs = effect.change is not None and (effect.change.mean < 0) == (mode == "max")
    if len(effect.components) == 1:
        (name,) = effect.components
        verb = "makes it worse" if costs else "makes it better"
        sentence = f"removing {name} {verb}" if decided else f"removing {name}: undecided"
    else:
        both = f"removing both {effect.components[0]} and {effect.components[1]}"
        told = "more than the sum: they compensate for each other" if costs else "less than the sum: they overlap"
        sentence = f"{both} costs {told}" if decided else f"{both}: undecided against the sum"
    return replace(effect, sentence=sentence)


def _subsets(names: Sequence[str]) -> list[Off]:
    return [frozenset(each) for count in range(len(names) + 1) for each in combinations(names, count)]
