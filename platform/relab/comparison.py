"""Arms beside each other: scores over the seeds, differences within the seed, and how sure they are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import polars as pl

from relab.analysis import (
    LEVEL,
    Interval,
    by_seed,
    deviation,
    effect_size,
    holm,
    p_value,
    seed_correlation,
    sign_flip_p,
    skewed,
    t_interval,
)
from relab.designs import FULL
from relab.records import Description
from relab.sequential import Looks, paired, repeated_interval, sequential_p


def metrics_shown(described: Description, frame: pl.DataFrame) -> list[str]:
    """The objective, and the same metric on the test split where that was opened; of those that have scores."""
    shown = [described.objective, described.objective.replace("dev/", "test/", 1)]
    return [metric for metric in dict.fromkeys(shown) if f"score/{metric}" in frame.columns]


def headline(described: Description, frame: pl.DataFrame) -> str:
    """The metric that a study is about: the objective on test where it was opened, else on dev."""
    return (metrics_shown(described, frame) or [described.objective])[-1]


@dataclass(frozen=True)
class Comparison:
    """One arm minus another, over the seeds that both have finished."""

    pairs: int
    difference: Interval | None = None
    """Student's t, or the repeated interval where seeds are adaptive. None without a pair."""
    p: float | None = None
    """Two-sided, of this comparison alone, sequential where seeds are adaptive. None for fewer than two pairs, or
    before the first look."""
    effect_size: float | None = None
    """In standard deviations of the difference; None for fewer than three pairs."""
    correlation: float | None = None
    """Of the two arms' scores over the seeds; None for fewer than three pairs."""
    flip_p: float | None = None
    """The sign-flip test's p-value, where the differences are too skewed for Student's t alone."""


def compare(left: Mapping[int, float], right: Mapping[int, float], looks: Looks = ()) -> Comparison:
    """The left arm minus the right one.

    Args:
        left: score per seed, folds averaged.
        right: the same of the other arm.
        looks: of a study with adaptive seeds.
    """
    pairs = paired(left, right, sorted(left))
    differences = list(pairs.differences)
    if not differences:
        return Comparison(0)
    shared = [seed for seed in sorted(left) if seed in right]
    p = None
    if len(differences) >= (looks[0] if looks else 2):
        p = sequential_p(pairs, looks) if looks else p_value(differences, pairs.largest)
    return Comparison(
        pairs=len(differences),
        difference=repeated_interval(differences, looks) if looks else t_interval(differences),
        p=p,
        effect_size=effect_size(differences, pairs.largest),
        correlation=seed_correlation([left[seed] for seed in shared], [right[seed] for seed in shared]),
        flip_p=sign_flip_p(differences) if skewed(differences, pairs.largest) else None,
    )


@dataclass(frozen=True)
class ArmSummary:
    """One arm over its seeds, and what it is compared with."""

    arm: str
    seeds: int
    mean: float
    deviation: float | None
    """Standard deviation between seeds (n − 1); None for one seed."""
    against: str
    """The arm that the differences are taken to."""
    comparison: Comparison | None
    """None for the full model itself."""
    adjusted: float | None = None
    """The p-value by Holm (1979), over all arms of the table; None for the full model itself."""

    @property
    def difference(self) -> Interval | None:
        """This arm minus the one that it is compared with, taken within each seed."""
        return None if self.comparison is None else self.comparison.difference

    @property
    def settled(self) -> bool:
        """Whether the difference is one at the family's level."""
        return self.adjusted is not None and self.adjusted < LEVEL


def summarise_arms(
    frame: pl.DataFrame,
    metric: str,
    against: Mapping[str, str] = MappingProxyType({}),
    looks: Looks = (),
) -> list[ArmSummary]:
    """Mean and spread of every arm, and its difference to another one; the full model first.

    Args:
        frame: ``StudyStore.frame()``.
        metric: of the scores.
        against: which other arm, where it is not the full model.
        looks: of a study with adaptive seeds.
    """
    scores = by_seed(frame, metric)
    summaries = []
    for arm in sorted(scores, key=lambda name: name != FULL):
        values = list(scores[arm].values())
        other = against.get(arm, FULL)
        summaries.append(
            ArmSummary(
                arm=arm,
                seeds=len(values),
                mean=math.fsum(values) / len(values),
                deviation=deviation(values) if len(values) > 1 else None,
                against=other,
                comparison=None if arm == FULL else compare(scores[arm], scores.get(other, {}), looks),
            )
        )
    return _adjusted(summaries)


def _adjusted(summaries: Sequence[ArmSummary]) -> list[ArmSummary]:
    """With Holm's p-values; an arm without one of its own counts in the family with p = 1."""
    found = [each.comparison for each in summaries if each.comparison is not None]
    adjusted = iter(holm([1.0 if each.p is None else each.p for each in found]))
    return [each if each.comparison is None else replace(each, adjusted=next(adjusted)) for each in summaries]
