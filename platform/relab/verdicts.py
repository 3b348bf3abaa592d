"""What the seeds say of a study's claims."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from relab.analysis import LEVEL, Interval, by_seed, holm
from relab.claims import Claim
from relab.comparison import compare
from relab.sequential import Looks


@dataclass(frozen=True)
class Verdict:
    """A claim, and what the seeds say of it. ``difference`` is the left arm minus the right, taken within each seed."""

    claim: Claim
    """With its metric, also where the spec left it to the objective."""
    pairs: int
    difference: Interval | None
    p: float | None
    """Two-sided, of this claim alone; None for fewer than two pairs, or before the first look."""
    adjusted: float | None
    """By Holm (1979), over all claims of the study."""
    outcome: Literal["held", "reversed", "undecided"]


def judge(frame: pl.DataFrame, claims: Sequence[Claim], objective: str, looks: Looks = ()) -> list[Verdict]:
    """A verdict per claim, in their order: by the Holm-adjusted p-value, never by the means.

    A claim with fewer than two pairs is undecided and counts in Holm's family with p = 1, so that the family is the
    spec's from the first seed on.

    Args:
        frame: ``StudyStore.frame()``.
        claims: all claims of the study, which are Holm's family.
        objective: the metric of the claims that name none.
        looks: of a study whose seeds are adaptive: its p-values are sequential, its intervals repeated ones.
    """
    compared = [_compared(frame, claim, claim.metric or objective, looks) for claim in claims]
    adjusted = holm([1.0 if verdict.p is None else verdict.p for verdict in compared])
    return [_judged(verdict, p) for verdict, p in zip(compared, adjusted, strict=True)]


def _compared(frame: pl.DataFrame, claim: Claim, metric: str, looks: Looks) -> Verdict:
    """A claim by itself, undecided still."""
    scores = by_seed(frame, metric)
    found = compare(scores.get(claim.left, {}), scores.get(claim.right, {}), looks)
    return Verdict(replace(claim, metric=metric), found.pairs, found.difference, found.p, None, "undecided")


def _judged(verdict: Verdict, adjusted: float) -> Verdict:
    """A claim as one of its family."""
    if verdict.p is None or verdict.difference is None:
        return verdict
    if adjusted >= LEVEL:
        return replace(verdict, adjusted=adjusted)
    claimed = (verdict.difference.mean > 0) == (verdict.claim.sign == ">")
    return replace(verdict, adjusted=adjusted, outcome="held" if claimed else "reversed")
