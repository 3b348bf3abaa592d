"""From a study's records to its answers: differences within the seed, p-values, the best of a search.

Functions of frames.
"""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import special

from relab.method import Objective

LEVEL = 0.05
CONFIDENCE = 1 - LEVEL

ROUNDING = 1e-9
"""Share of the larger score: differences that are closer than this differ by the rounding of the scores."""

EXACT_FLIPS, DRAWN_FLIPS = 15, 10_000
"""Seeds up to which all signs are tried, and how many ways to sign more of them are drawn."""


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided confidence interval; without ends where one value is all there is."""

    mean: float
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def t_interval(values: list[float]) -> Interval:
    """Mean and 95 % interval of Student's t; folds are averaged before, seeds are what is counted."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return Interval(mean, None, None)
    error = deviation(values) / math.sqrt(len(values))
    half = float(special.stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * error
    return Interval(mean, mean - half, mean + half)


def p_value(differences: Sequence[float], largest: float) -> float:
    """Two-sided p-value of paired differences: Student's t, against a mean of zero.

    Where all differences are equal, t is infinite in form only: on a coarse metric two seeds agree by chance. The
    sign-flip test needs no deviation and takes its place: of the 2ⁿ ways to sign n equal differences two are as far
    from zero, so p = 2 / 2ⁿ, below .05 from six seeds on; p = 1 where they are zero.

    Args:
        differences: at least two.
        largest: the largest score behind them, which says how far rounding reaches.
    """
    if largest == 0:
        return 1.0
    relative, count = [difference / largest for difference in differences], len(differences)
    mean = math.fsum(relative) / count
    if max(relative) - min(relative) <= ROUNDING:
        return 1.0 if abs(mean) <= ROUNDING else 2.0 ** (1 - count)
    return float(2 * special.stdtr(count - 1, -abs(mean) / (deviation(relative) / math.sqrt(count))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: calling all those below a level errs anywhere no more often than that.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def effect_size(differences: Sequence[float], largest: float) -> float | None:
    """Paired differences in their standard deviations, without the bias of few seeds.

    Mean over deviation, times Hedges' J = Γ(ν/2) / (√(ν/2)·Γ((ν−1)/2)) with ν = n − 1 (Hedges, Journal of Educational
    Statistics 6, 1981; for paired differences Gibbons, Hedeker & Davis, same journal 18, 1993). None for fewer than
    three, which J has no value for, and where all are equal.

    Args:
        differences: one per seed.
        largest: the largest score behind them, which says how far rounding reaches.
    """
    freedom = len(differences) - 1
    if freedom < 2 or _equal(differences, largest):
        return None
    correction = math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return correction * math.fsum(differences) / len(differences) / deviation(differences)


def seed_correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Pearson's correlation of two arms' scores over the seeds: what pairing them has bought.

    The variance of a difference is that of unpaired scores times 1 − this, where both arms vary alike. None for fewer
    than three seeds, and where one of the arms does not vary.

    Args:
        left: scores of one arm, one per seed.
        right: scores of the other, on the same seeds.
    """
    largest = max((abs(score) for score in (*left, *right)), default=0.0)
    if len(left) < 3 or _equal(left, largest) or _equal(right, largest):
        return None
    return statistics.correlation(left, right)


def skewed(differences: Sequence[float], largest: float) -> bool:
    """Whether the differences are so skewed that the t-test's p-value is to be read beside ``sign_flip_p``.

    Where the sample skewness G₁ (Joanes & Gill, The Statistician 47, 1998) is further from zero than 1.96 of its
    standard errors under normality, √(6n(n−1) / ((n−2)(n+1)(n+3))). Four or five seeds show it only where one lies
    far from all others. A warning: no verdict depends on it.

    Args:
        differences: one per seed; fewer than three are never called skewed.
        largest: the largest score behind them, which says how far rounding reaches.
    """
    n = len(differences)
    if n < 3 or _equal(differences, largest):
        return False
    from_mean = np.array(differences) - statistics.fmean(differences)
    skewness = np.mean(from_mean**3) / np.mean(from_mean**2) ** 1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    error = math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    return bool(abs(skewness) > special.ndtri((1 + CONFIDENCE) / 2) * error)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of paired differences that are as likely to have either sign, whatever their distribution.

    The share of the ways to sign them whose mean is as far from zero (Fisher, The Design of Experiments, 1935,
    section 21). All 2ⁿ ways up to 15 seeds; beyond that 10,000 draws, the same each time, and the signs as they are
    (Phipson & Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010), with a standard error of at
    most .005. It cannot be lower than 2 / 2ⁿ: .125 for 4 seeds, .002 for 10.

    Args:
        differences: one per seed, at least one.
    """
    values, n = np.array(differences), len(differences)
    if n <= EXACT_FLIPS:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(0).choice((-1, 1), size=(DRAWN_FLIPS + 1, n))
        signs[0] = 1
    sums = np.abs(signs @ values)
    return float(np.mean(sums >= abs(math.fsum(differences)) - ROUNDING * np.abs(values).sum()))


def _equal(values: Sequence[float], largest: float) -> bool:
    """Whether values differ by no more than the rounding of the scores behind them."""
    return max(values) - min(values) <= ROUNDING * largest


def deviation(values: Sequence[float]) -> float:
    """Standard deviation of at least two values, over n − 1."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@dataclass(frozen=True)
class Cost:
    """What the finished trials of a study took, wherever and whenever they were trained."""

    trials: int
    seconds: float
    """Of training, added up over the trials."""
    seconds_per_trial: float
    """The median."""
    seconds_per_report: float
    """The median trial's."""
    peak_memory: int
    """Bytes, of the largest trial: of its process, or of the device where it used one."""


def cost(frame: pl.DataFrame) -> Cost | None:
    """The cost of the finished trials; None without any."""
    if "seconds" not in frame.columns:
        return None
    done = frame.filter(pl.col("state") == "finished")
    if not len(done):
        return None
    return Cost(
        trials=len(done),
        seconds=math.fsum(done["seconds"]),
        seconds_per_trial=statistics.median(done["seconds"]),
        seconds_per_report=statistics.median(done["seconds"] / done["reports"]),
        peak_memory=max(done["peak_memory"]),
    )


def by_seed(frame: pl.DataFrame, metric: str) -> dict[str, dict[int, float]]:
    """Each arm's score on each seed, the mean over its folds; a seed with a fold missing is left out."""
    column = f"score/{metric}"
    if column not in frame.columns:
        return {}
    wanted = frame.filter(pl.col("smoke").not_()) if "smoke" in frame.columns else frame
    complete = (
        wanted.group_by("arm", "seed", maintain_order=True)
        .agg(
            (pl.col("state") == "finished").all().alias("whole"),
            pl.col("fold").n_unique().alias("folds"),
            pl.col(column).mean().alias("score"),
        )
        .filter((pl.col("folds") == wanted["fold"].n_unique()) & pl.col("whole") & pl.col("score").is_not_null())
    )
    scores: dict[str, dict[int, float]] = {}
    for arm, seed, score in complete.select("arm", "seed", "score").iter_rows():
        scores.setdefault(arm, {})[seed] = score
    return scores


def search_ranking(frame: pl.DataFrame, objective: Objective) -> pl.DataFrame:
    """The points of a search, best first: rank, value (mean over folds), parameters as JSON, trials, seconds."""
    column = f"score/{objective.metric}"
    if column not in frame.columns:
        return pl.DataFrame()
    ranked = (
        frame.group_by("parameters", maintain_order=True)
        .agg(
            (pl.col("state") == "finished").all().alias("whole"),
            pl.col(column).mean().alias("value"),
            pl.col("number").min(),
            pl.len().alias("trials"),
            pl.col("seconds").sum(),
        )
        .filter(pl.col("whole") & pl.col("value").is_not_null())
        .sort("value", "number", descending=[objective.mode == "max", False])
    )
    return ranked.with_row_index("rank", 1).drop("whole")


def best_parameters(ranking: pl.DataFrame) -> Mapping[str, Any]:
    """The searched fields of the first row of a ranking; empty without one."""
    return json.loads(ranking["parameters"][0]) if len(ranking) else {}
