"""A score by the value of one numeric field, as in Figure 3 of Ye et al. (2019)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from relab.analysis import by_seed
from relab.comparison import headline
from relab.errors import RequestError
from relab.fields import flatten
from relab.figures.drawing import HEIGHT, LINE, WIDTH, Matrix, Vector, band, canvas, draw_band, dress, finish
from relab.records import Description, StudyStore

FEWEST = 3
"""Values of a field that make a curve."""
WIDE = 10.0
"""Ratio of the largest value to the smallest from which on the axis is logarithmic."""


@dataclass(frozen=True)
class Series:
    """Arms that differ in one field alone."""

    name: str
    values: Vector
    """[values], ascending."""
    scores: Matrix
    """[seeds, values]: the seeds that all of the arms have finished."""


def scores_by_setting(study: StudyStore, field: str, path: Path) -> None:
    """Draw a score by the values that the arms give a field, a line for each group of arms that differ in it alone.

    Args:
        study: an ablation whose arms set the field.
        field: dotted name.
        path: the file to write; its suffix gives the format.

    Raises:
        RelabError: matplotlib is not installed, or the file cannot be written.
        RequestError: no arms that differ in this field alone have finished.
    """
    frame = study.frame()
    found = series(study, frame).get(field)
    if not found:
        raise RequestError(f"{study.name} has no {FEWEST} finished arms that differ in {field!r} alone")
    figure = canvas(WIDTH, HEIGHT + LINE * len(found))
    axes = figure.add_subplot()
    for place, each in enumerate(found):
        draw_band(axes, band(each.values, each.scores), place, each.name, len(each.scores))
    values = np.concatenate([each.values for each in found])
    if values.min() > 0 and values.max() / values.min() >= WIDE:
        axes.set_xscale("log")
        ticks = np.unique(values)
        axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
        axes.minorticks_off()
    dress(axes, field, headline(study.description(), frame))
    finish(figure, path)


def series(study: StudyStore, frame: pl.DataFrame) -> dict[str, list[Series]]:
    """For each numeric field that tells at least three arms apart, the groups of arms that differ in it alone.

    Args:
        study: an ablation.
        frame: its ``frame()``.
    """
    described = study.description()
    scores = by_seed(frame, headline(described, frame))
    settings = {trial.arm: dict(flatten(trial.config)) for trial in study.asked() if trial.arm in scores}
    fields = {name for changes in described.arms.values() for name in changes}
    found: dict[str, list[Series]] = {}
    for field in sorted(fields):
        groups: dict[str, dict[float, str]] = {}
        for arm, values in settings.items():
            value = values.get(field)
            if isinstance(value, int | float) and not isinstance(value, bool):
                others = repr(sorted((name, other) for name, other in values.items() if name != field))
                groups.setdefault(others, {})[float(value)] = arm
        made = [_series(arms, scores, described) for arms in groups.values() if len(arms) >= FEWEST]
        if whole := [each for each in made if len(each.scores)]:
            found[field] = whole
    return found


def _series(arms: Mapping[float, str], scores: Mapping[str, Mapping[int, float]], described: Description) -> Series:
    off = described.off.get(next(iter(arms.values())), ())
    values = sorted(arms)
    seeds = sorted(set.intersection(*(set(scores[arm]) for arm in arms.values())))
    table = np.array([[scores[arms[value]][seed] for value in values] for seed in seeds]).reshape(-1, len(values))
    return Series(f"without {', '.join(off)}" if off else "full", np.array(values), table)
