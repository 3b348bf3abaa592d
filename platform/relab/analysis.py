"""From a study's records to its answers: differences within the seed, the best of a search. Functions of frames."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from scipy import stats

from relab.designs import FULL
from relab.method import Objective

CONFIDENCE = 0.95


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


@dataclass(frozen=True)
class ArmSummary:
    """One arm over its seeds. ``difference`` is this arm minus the full model, taken within each seed."""

    arm: str
    seeds: int
    mean: float
    deviation: float | None
    """Standard deviation between seeds (n − 1); None for one seed."""
    difference: Interval | None
    """None for the full model itself, and where no seed has finished in both arms."""
    pairs: int


def t_interval(values: list[float]) -> Interval:
    """Mean and 95 % interval of Student's t; folds are averaged before, seeds are what is counted."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return Interval(mean, None, None)
    error = _deviation(values) / math.sqrt(len(values))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return Interval(mean, mean - half, mean + half)


def _deviation(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


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


def summarise_arms(frame: pl.DataFrame, metric: str) -> list[ArmSummary]:
    """Mean and spread of every arm, and its difference to the full model; the full model first."""
    scores = by_seed(frame, metric)
    full = scores.get(FULL, {})
    summaries = []
    for arm in sorted(scores, key=lambda name: name != FULL):
        own = scores[arm]
        shared = [own[seed] - full[seed] for seed in own if seed in full]
        summaries.append(
            ArmSummary(
                arm=arm,
                seeds=len(own),
                mean=math.fsum(own.values()) / len(own),
                deviation=_deviation(list(own.values())) if len(own) > 1 else None,
                difference=t_interval(shared) if shared and arm != FULL else None,
                pairs=len(shared),
            )
        )
    return summaries


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
