"""Adaptive seeds: a paired t-test after 4, 6, 8 and 10 seeds, and which arms need no more of them.

An arm's differences are tested at a few numbers of seeds, its looks. With pₖ the p-value at look k of nₖ seeds, and n
the seeds of the last look, the statistic is Q, the smallest pₖ / (nₖ/n)² so far, and the sequential p-value is the
chance that the smallest over all looks comes as low where there is no difference. It never rises from look to look,
and falls below a level by the last look as often as the level says, so that an arm may be stopped after any look, for
whatever reason; Holm on these p-values keeps the family's error in the same way (Lan & DeMets, Biometrika 70, 1983;
Jennison & Turnbull, Group Sequential Methods, 2000; Maurer & Bretz, Statistics in Biopharmaceutical Research 5,
2013).
"""

import functools
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from relab.analysis import LEVEL, Interval, holm, p_value
from relab.designs import FULL

FUTILITY = 0.1
"""An arm is given up where its predictive power is below this."""

PATHS, CHUNK = 2_000_000, 10_000  # a chunk's differences fit into a core's cache
GRID = np.logspace(-5, 0, 101)
"""Values of Q that its distribution is tabulated at."""
FUTURES = 20_000
"""Draws of the remaining seeds; the standard error of a predictive power of .1 is .002."""

Looks = tuple[int, ...]
Numbers = npt.NDArray[np.float64]
Outcome = Literal["goes on", "shown", "not shown at this budget", "all looks taken"]


@dataclass(frozen=True)
class Pairs:
    """What the seeds so far say of one arm."""

    differences: tuple[float, ...]
    """This arm minus the other, one per seed that both have finished, in the order of the plan."""
    largest: float
    """The largest score behind them, which says how far rounding reaches."""

    def first(self, count: int) -> "Pairs":
        """Of the first seeds alone."""
        return replace(self, differences=self.differences[:count])


def paired(arm: Mapping[int, float], other: Mapping[int, float], seeds: Sequence[int]) -> Pairs:
    """An arm beside the one it is compared with; a seed that one of them lacks is no pair.

    Args:
        arm: score per seed, folds averaged.
        other: the same of the arm that it is compared with.
        seeds: of the plan, in its order: by the order in which trials end the looks would not be the same on a resume.
    """
    shared = [seed for seed in seeds if seed in arm and seed in other]
    largest = max((abs(scores[seed]) for scores in (arm, other) for seed in shared), default=0.0)
    return Pairs(tuple(arm[seed] - other[seed] for seed in shared), largest)


@dataclass(frozen=True)
class Standing:
    """One arm after the last of its looks."""

    seeds: int
    """Pairs at that look; 0 before the first one. Pairs beyond it are not looked at."""
    p: float
    """The sequential p-value of this arm alone; 1 before the first look."""
    adjusted: float
    """By Holm (1979), over all arms; below .05 means shown."""
    power: float | None
    """Predictive power at that look; None before the first look, after the last, and where the arm was shown at it."""
    outcome: Outcome
    next_look: int | None
    """Pairs that the arm goes on to; None where it has ended."""


@dataclass(frozen=True)
class NullDistribution:
    """The distribution of Q over all looks of an arm without a difference."""

    looks: Looks
    p: Numbers
    """The chance of a Q as small as each of ``GRID``."""

    def p_value(self, q: Any) -> Any:
        """The chance of a Q as small as this one: a number, or an array of them."""
        between = np.exp(np.interp(np.log(np.maximum(q, GRID[0])), np.log(GRID), np.log(self.p)))
        return between * np.minimum(1, q / GRID[0])

    def boundaries(self, level: float) -> Numbers:
        """The |t| of each look from which on the sequential p-value is at most a level."""
        critical = math.exp(np.interp(math.log(max(level, self.p[0])), np.log(self.p), np.log(GRID)))
        critical *= min(1.0, level / self.p[0])
        return np.array([-special.stdtrit(look - 1, critical * weight / 2) for look, weight in _weighted(self.looks)])


@functools.cache
def null_distribution(looks: Looks) -> NullDistribution:
    """Q's distribution, simulated under normal differences, whatever their variance, which no t depends on.

    P(Q ≤ q) is E[looks that cross at q], which is q·Σ(nₖ/n)² exactly, over the mean number of them in the paths that
    cross at all; the simulation gives that mean only, so that with a single look the p-value is the t-test's own. The
    relative standard error is 0.1 % at p = .05, 0.4 % at .05/6, 0.8 % at .0005 and 4 % where ``GRID`` ends, at p =
    .00002 (standard deviation over eight other streams); below that p is taken as proportional to Q.

    Args:
        looks: numbers of seeds, increasing, at least two each.

    Raises:
        ValueError: the looks are not such numbers.
    """
    if not looks or looks[0] < 2 or any(later <= look for look, later in itertools.pairwise(looks)):
        raise ValueError(f"looks are increasing numbers of seeds, at least 2 each, not {list(looks)}")
    counts, weights = np.array(looks)[:, None], [weight for _, weight in _weighted(looks)]
    crossed_at = [special.stdtrit(look - 1, GRID * weight / 2) for look, weight in _weighted(looks)]
    looks_crossing, paths_crossing = np.zeros((2, len(GRID) + 1), dtype=np.int64)
    generator = np.random.default_rng(0)
    for _ in range(PATHS // CHUNK):
        differences = generator.standard_normal((looks[-1], CHUNK))
        sums = differences.cumsum(axis=0)[counts[:, 0] - 1]
        squares = (differences**2).cumsum(axis=0)[counts[:, 0] - 1]
        t = np.abs(sums) / np.sqrt((squares - sums**2 / counts) * counts / (counts - 1))
        places = np.stack([np.searchsorted(at, -values) for at, values in zip(crossed_at, t, strict=True)])
        looks_crossing += np.bincount(places.ravel(), minlength=len(GRID) + 1)
        paths_crossing += np.bincount(places.min(axis=0), minlength=len(GRID) + 1)
    share = (paths_crossing.cumsum() / looks_crossing.cumsum())[: len(GRID)]
    p = np.minimum(1, np.maximum.accumulate(GRID * sum(weights) * share))
    p[-1] = 1  # no Q is larger
    return NullDistribution(looks, p)


def sequential_p(pairs: Pairs, looks: Looks) -> float:
    """The sequential p-value after those looks that there are pairs for; 1 before the first.

    Args:
        pairs: of one arm.
        looks: numbers of seeds, increasing, at least two each.
    """
    taken = [p_value(pairs.first(look).differences, pairs.largest) / weight for look, weight in _taken(pairs, looks)]
    return float(null_distribution(looks).p_value(min(taken))) if taken else 1.0


def repeated_interval(differences: Sequence[float], looks: Looks) -> Interval:
    """The mean at the last look taken, with its 95 % repeated confidence interval; without ends before the first.

    The intervals of all looks hold the true difference together in 95 % of the studies, so that the one at which an arm
    stopped holds it in at least as many, whatever stopped it. Mean ± boundary · standard error, with the |t| at which
    the sequential p-value becomes .05 (Jennison & Turnbull 2000, chapter 9). One arm's alone, as in the fixed design.
    """
    places = [place for place, look in enumerate(looks) if look <= len(differences)]
    if not places:
        return Interval(statistics.fmean(differences), None, None)
    values = differences[: looks[places[-1]]]
    mean, error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    half = float(_boundaries(looks, LEVEL)[places[-1]]) * error
    return Interval(mean, mean - half, mean + half)


def predictive_power(t: Any, look: int, looks: Looks, level: float) -> Any:
    """The chance, given t at one look, that the sequential p-value is at most a level at one of the later looks.

    Over the posterior predictive distribution of the remaining seeds under the prior 1/σ² for mean and variance
    (Spiegelhalter, Freedman & Blackburn, Controlled Clinical Trials 7, 1986; Jennison & Turnbull 2000, chapter 10).
    Each of ``FUTURES`` draws, the same for every t, has a smallest t from which on it crosses; the power counts those
    below.

    Args:
        t: of Student, at this look; an array for many.
        look: one of the looks, not the last.
        looks: numbers of seeds, increasing, at least two each.
        level: that the arm's own p-value has to reach.
    """
    reaching, size = _reaching(look, looks, level), np.abs(t)
    return (np.searchsorted(reaching, size, "right") + np.searchsorted(reaching, -size, "right")) / len(reaching)


def standings(arms: Mapping[str, Pairs], looks: Looks) -> dict[str, Standing]:
    """Which arms go on to their next look, and why the others have ended: a function of the pairs alone.

    Goes through the looks in order. At each, the arms that have its pairs and have not ended are tested, and of these
    an arm ends where it is shown (its Holm-adjusted sequential p-value is below .05), or else where its predictive
    power is below ``FUTILITY``; the others go on. So train the arms whose next look is the earliest before the others:
    what this says of a look stands once all of its arms have its pairs, or will never have them.

    The power is that of an adjusted p-value below .05 if all arms that still go on are shown first, so that beside this
    one only those given up at earlier looks count; counting all that are not shown yet gives up more of the arms that
    differ. It is 1 where the p-value is low enough for that already, so that no arm given up is shown later. Such an
    arm keeps its p-value and its place in the family.

    Args:
        arms: the pairs of every arm of the study, which are Holm's family, by name.
        looks: numbers of seeds, increasing, at least two each.
    """
    found = {name: Standing(0, 1.0, 1.0, None, "goes on", looks[0]) for name in arms}
    for look, following in zip(looks, (*looks[1:], None), strict=True):
        here = [
            name for name, pairs in arms.items() if found[name].outcome == "goes on" and len(pairs.differences) >= look
        ]
        for name in here:
            p = sequential_p(arms[name].first(look), looks)
            found[name] = replace(found[name], seeds=look, p=p, power=None, next_look=following)
        adjusted = holm([standing.p for standing in found.values()])
        found = {name: replace(found[name], adjusted=p) for name, p in zip(found, adjusted, strict=True)}
        for name, standing in found.items():
            if standing.adjusted < LEVEL:
                found[name] = replace(standing, outcome="shown", next_look=None)
        family = 1 + sum(standing.outcome == "not shown at this budget" for standing in found.values())
        for name in here:
            if found[name].outcome == "goes on":
                found[name] = _unless_given_up(found[name], arms[name], looks, LEVEL / family)
    return found


def arm_standings(
    scores: Mapping[str, Mapping[int, float]], arms: Iterable[str], against: Mapping[str, str], looks: Looks
) -> dict[str, Standing]:
    """The standings of a study's arms but the full model.

    Args:
        scores: arm → seed → score, folds averaged.
        arms: all of the study, trained or not.
        against: the arm that an arm is compared with, where that is not the full model.
        looks: as above.
    """
    pairs = {}
    for arm in arms:
        if arm != FULL:
            own, other = scores.get(arm, {}), scores.get(against.get(arm, FULL), {})
            pairs[arm] = paired(own, other, sorted(own))
    return standings(pairs, looks)


def _unless_given_up(standing: Standing, pairs: Pairs, looks: Looks, level: float) -> Standing:
    """Whether an arm that was not shown at this look goes on to the next one."""
    if standing.next_look is None:
        return replace(standing, outcome="all looks taken")
    if standing.p < level:
        return replace(standing, power=1.0)
    t = -special.stdtrit(standing.seeds - 1, p_value(pairs.first(standing.seeds).differences, pairs.largest) / 2)
    power = float(predictive_power(t, standing.seeds, looks, level))
    if power < FUTILITY:
        return replace(standing, power=power, outcome="not shown at this budget", next_look=None)
    return replace(standing, power=power)


@functools.cache
def _boundaries(looks: Looks, level: float) -> Numbers:
    return null_distribution(looks).boundaries(level)


@functools.cache
def _reaching(look: int, looks: Looks, level: float) -> Numbers:
    """The t at one look from which on each draw of the remaining seeds crosses a boundary, in rising order.

    In units of the standard deviation so far, and from the mean so far: t moves that mean and nothing else.
    """
    generator, remaining = np.random.default_rng(0), looks[-1] - look
    deviation = np.sqrt((look - 1) / generator.chisquare(look - 1, FUTURES))
    mean = deviation * generator.standard_normal(FUTURES) / math.sqrt(look)
    seeds = mean + deviation * generator.standard_normal((remaining, FUTURES))
    reaching = np.full(FUTURES, np.inf)
    for count, boundary in zip(looks, _boundaries(looks, level), strict=True):
        if count > look:
            total, squares = seeds[: count - look].sum(axis=0), (seeds[: count - look] ** 2).sum(axis=0)
            error = np.sqrt((look - 1 + squares - total**2 / count) / (count - 1) / count)
            reaching = np.minimum(reaching, math.sqrt(look) * (boundary * error - total / count))
    return np.sort(reaching)


def _weighted(looks: Looks) -> list[tuple[int, float]]:
    """Each look with what its p-value is divided by."""
    return [(look, (look / looks[-1]) ** 2) for look in looks]


def _taken(pairs: Pairs, looks: Looks) -> list[tuple[int, float]]:
    return [(look, weight) for look, weight in _weighted(looks) if look <= len(pairs.differences)]
