"""What the size of a split alone leaves uncertain of a difference: its sentences drawn anew, the seeds as they are."""

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

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
    if not kept or f"score/{metric}" not in frame.columns or len({len(table) for table in kept.values()}) > 1:
        return {}
    recorded, resampled = _recorded(frame, metric), dict[tuple[str, int], Numbers]()
    method = find_method(study.description().method)
    for at in range(0, len(kept), TOGETHER):
        trials = list(kept)[at : at + TOGETHER]
        columns = kept[trials[0]].columns
        counts = np.stack([kept[trial].to_numpy() for trial in trials]).astype(np.float64)
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
    for arm in dict.fromkeys(arm for arm, _ in kept):
        other = against.get(arm, FULL)
        shared = [seed for own, seed in kept if own == arm and (other, seed) in kept]
        if arm != FULL and shared:
            drawn = np.mean([resampled[arm, seed] - resampled[other, seed] for seed in shared], axis=0)
            low, high = np.quantile(drawn, (LEVEL / 2, 1 - LEVEL / 2))
            mean = float(np.mean([recorded[arm, seed] - recorded[other, seed] for seed in shared]))
            found[arm] = Interval(mean, float(low), float(high))
    return found


@functools.lru_cache(maxsize=1)
def _weights(size: int) -> Numbers:
    """[draws, sentences]: how often each sentence is drawn, the same each time."""
    drawn = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), DRAWS)
    return drawn.astype(np.float64)


def _counts(study: StudyStore, name: str) -> dict[tuple[str, int], pl.DataFrame]:
    """The kept counts by arm and seed; of trials on folds none."""
    rows = study.table(name)
    if not len(rows) or rows["fold"].is_not_null().any():
        return {}
    counts = rows.drop("key", "fold", "sentence")
    tables = counts.partition_by("arm", "seed", include_key=False, as_dict=True)
    return cast(dict[tuple[str, int], pl.DataFrame], tables)


def _recorded(frame: pl.DataFrame, metric: str) -> dict[tuple[str, int], float]:
    done = frame.filter(pl.col("state") == "finished")
    return {(arm, seed): value for arm, seed, value in done.select("arm", "seed", f"score/{metric}").iter_rows()}
