"""A study's scores beside the numbers that a paper prints for the same systems."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from scipy import special

from relab.analysis import CONFIDENCE, by_seed
from relab.designs import FULL
from relab.fields import lookup
from relab.published import Entry, Paper, find
from relab.records import StudyStore

PlaceOfOurs = Literal["inside", "above", "below", "one seed", "not comparable"]
"""Where our mean lies, seen from the interval that a printed number gives; or why that is not said."""


def differences(entry: Entry, spec: Mapping[str, Any], config: Mapping[str, Any], *, opened: bool = False) -> list[str]:
    """What keeps a study's scores from standing beside the printed ones, each as ``what: here / there``.

    Args:
        entry: the printed numbers.
        spec: the study's spec as recorded.
        config: the whole config of its full model.
        opened: whether its test split was opened by ``relab confirm``.
    """
    pairs = [
        ("corpus", spec["corpus"]["name"], entry.corpus),
        ("word vectors", spec["vectors"] or "none", entry.vectors),
        ("folds", spec["folds"] or "none", entry.folds or "none"),
        ("test split", "opened" if opened or spec["protocol"] == "paper" else "not opened", "opened"),
        *((name, _setting(config, name), value) for name, value in entry.settings.items()),
    ]
    return [f"{what}: {here} / {there}" for what, here, there in pairs if here != there]


def _setting(config: Mapping[str, Any], name: str) -> Any:
    try:
        return lookup(config, name)
    except KeyError:
        return "no such field"


def prediction_interval(
    ours: Sequence[float], printed: float, runs: int | None, decimals: int
) -> tuple[float, float] | None:
    """Where the mean of our seeds is expected in 95 of 100 cases if both sides do the same; None for one seed.

    printed ± (t·s·√(1/n_published + 1/n_ours) + half of the last printed digit), with Student's t at n_ours − 1 degrees
    of freedom and the standard deviation s of our seeds: theirs are taken to vary as ours do.

    Args:
        ours: one score per seed, folds averaged, in percent.
        printed: in percent.
        runs: behind the printed number; where the paper does not say, one, which makes the interval widest.
        decimals: digits after the point of the printed number.
    """
    if len(ours) < 2:
        return None
    quantile = float(special.stdtrit(len(ours) - 1, (1 + CONFIDENCE) / 2))
    error = statistics.stdev(ours) * math.sqrt(1 / (runs or 1) + 1 / len(ours))
    reach = quantile * error + 0.5 * 10.0**-decimals
    return printed - reach, printed + reach


@dataclass(frozen=True)
class Cell:
    """A printed number and ours, in percent."""

    metric: str
    """By the entry's name."""
    printed: float
    spread: float | None
    seeds: int
    mean: float | None
    """None where nothing of ours stands for it."""
    deviation: float | None
    """Between our seeds (n − 1); None for one seed."""
    expected: tuple[float, float] | None
    """The prediction interval of our mean; None for one seed, and where the study is not comparable."""
    verdict: PlaceOfOurs | None
    """None where nothing of ours stands for it."""


@dataclass(frozen=True)
class Line:
    """A system of the table, and our arm that stands for it."""

    system: str
    tools: bool
    arm: str | None
    runs: int | None
    """Behind the printed numbers; None where the paper does not say, and one is taken."""
    cells: tuple[Cell, ...]
    """One per metric of the entry."""


@dataclass(frozen=True)
class Beside:
    """A study beside the printed numbers that its spec cites."""

    paper: Paper
    entry: Entry
    apart: tuple[str, ...]
    """What keeps the scores apart, each as ``what: here / there``; no verdict is given unless it is empty."""
    lines: tuple[Line, ...]


def beside(study: StudyStore, frame: pl.DataFrame) -> Beside | None:
    """A study beside the numbers that it cites; None if it cites none.

    Args:
        study: one that has been run, to its end or not.
        frame: ``StudyStore.frame()``.
    """
    described = study.description()
    if described.published is None:
        return None
    paper, entry = find(described.published)
    config = next((trial.config for trial in study.asked() if trial.arm == FULL), {})
    apart = tuple(differences(entry, described.spec, config, opened=study.confirmation() is not None))
    return Beside(paper, entry, apart, lines_beside(entry, frame, comparable=not apart))


def lines_beside(entry: Entry, frame: pl.DataFrame, *, comparable: bool) -> tuple[Line, ...]:
    """Each printed row beside our arm of the same system.

    Args:
        entry: the printed numbers.
        frame: ``StudyStore.frame()``.
        comparable: whether the study differs from the paper's in nothing that ``differences`` looks at.
    """
    scores = {metric: by_seed(frame, metric if "/" in metric else f"test/{metric}") for metric in entry.metrics}
    lines = []
    for row in entry.rows:
        runs = row.runs or entry.runs
        cells = []
        for place, (metric, printed) in enumerate(zip(entry.metrics, row.values, strict=True)):
            ours = [100 * score for score in scores[metric].get(row.arm or "", {}).values()]
            expected = prediction_interval(ours, printed, runs, entry.decimals) if comparable else None
            mean = statistics.fmean(ours) if ours else None
            cells.append(
                Cell(
                    metric=metric,
                    printed=printed,
                    spread=None if row.spread is None else row.spread[place],
                    seeds=len(ours),
                    mean=mean,
                    deviation=statistics.stdev(ours) if len(ours) > 1 else None,
                    expected=expected,
                    verdict=None if mean is None else _place(mean, expected) if comparable else "not comparable",
                )
            )
        lines.append(Line(row.system, row.tools, row.arm, runs, tuple(cells)))
    return tuple(lines)


def _place(mean: float, expected: tuple[float, float] | None) -> PlaceOfOurs:
    if expected is None:
        return "one seed"
    low, high = expected
    return "below" if mean < low else "above" if mean > high else "inside"
