"""What the size of a split alone leaves uncertain of a difference: its sentences drawn anew, the seeds as they are."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from relab.analysis import LEVEL, Interval
from relab.designs import FULL
from relab.methods import find_method
from relab.records import StudyStore

TABLE = "sentences"
"""Of the tables that a method keeps: a row per sentence, with counts that add up to the split's scores."""

DRAWS = 2000
"""Resamples; an end of the interval is then known to about a thirtieth of its distance from the middle."""
TOGETHER = 64
"""Trials whose counts are added up in one product."""
ROUNDING = 1e-9
"""How far the score of a trial's counts may be from the one recorded."""

Numbers = npt.NDArray[np.float64]


def over_sentences(
    study: StudyStore, frame: pl.DataFrame, metric: str, against: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Interval]:
    """For each arm, its difference with the 95 % percentile interval over resampled sentences (Efron, 1979).

    All arms and seeds see the same resamples, so that what a sentence does to both sides of a difference cancels. An
    arm is left out where its trials kept no counts, where they are of several folds, and where the metric is no
    function of sums of counts.

    Args:
        study: an ablation.
        frame: its ``frame()``.
        metric: with its split, ``dev/f1``.
        against: which other arm, where it is not the full model.
    """
    split, _, name = metric.partition("/")
    kept = _counts(study, f"{split}_{TABLE}")
    if kept is None or f"score/{metric}" not in frame.columns:
        return {}
    recorded, resampled = _recorded(frame, metric), dict[tuple[str, int], Numbers]()
    method = find_method(study.description().method)
    for at in range(0, len(kept.trials), TOGETHER):
        trials, columns, counts = kept.trials[at : at + TOGETHER], kept.columns, kept.counts[at : at + TOGETHER]
        if not all(
            name in (whole := method.scores_of_counts(dict(zip(columns, table.sum(0), strict=True))))
            and abs(whole[name] - recorded[trial]) < ROUNDING
            for trial, table in zip(trials, counts, strict=True)
        ):
            return {}
        sums = np.moveaxis(np.tensordot(_weights(counts.shape[1]), counts, (1, 1)), -1, 0)  # [columns, draws, trials]
        scores = np.asarray(method.scores_of_counts(dict(zip(columns, sums, strict=True)))[name])
        resampled |= dict(zip(trials, scores.T, strict=True))
    found = {}
    for arm in dict.fromkeys(arm for arm, _ in resampled):
        other = against.get(arm, FULL)
        shared = [seed for own, seed in resampled if own == arm and (other, seed) in resampled]
        if arm != FULL and shared:
            drawn = np.mean([resampled[arm, seed] - resampled[other, seed] for seed in shared], axis=0)
            low, high = np.quantile(drawn, (LEVEL / 2, 1 - LEVEL / 2))
            mean = float(np.mean([recorded[arm, seed] - recorded[other, seed] for seed in shared]))
            found[arm] = Interval(mean, float(low), float(high))
    return found


@dataclass(frozen=True)
class _Counts:
    """The counts that the trials of a study have kept."""

    trials: tuple[tuple[str, int], ...]
    """Arm and seed."""
    columns: tuple[str, ...]
    counts: Numbers
    """[trials, sentences, columns]."""


@functools.lru_cache(maxsize=1)
def _weights(size: int) -> Numbers:
    """[draws, sentences]: how often each sentence is drawn, the same each time."""
    drawn = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), DRAWS)
    return drawn.astype(np.float64)


def _counts(study: StudyStore, name: str) -> _Counts | None:
    """What the trials have kept; of trials on folds, and where one has kept more sentences than another, nothing."""
    rows = study.table(name)
    if not len(rows) or rows["fold"].is_not_null().any():
        return None
    trials = rows.group_by("arm", "seed", maintain_order=True).len()
    if trials["len"].n_unique() > 1:
        return None
    counts = rows.drop("key", "arm", "seed", "fold", "sentence")
    numbers = counts.to_numpy().astype(np.float64).reshape(len(trials), -1, len(counts.columns))
    return _Counts(tuple(trials.select("arm", "seed").iter_rows()), tuple(counts.columns), numbers)


def _recorded(frame: pl.DataFrame, metric: str) -> dict[tuple[str, int], float]:
    done = frame.filter(pl.col("state") == "finished")
    return {(arm, seed): value for arm, seed, value in done.select("arm", "seed", f"score/{metric}").iter_rows()}
