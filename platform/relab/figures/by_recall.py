"""Precision by recall of a held-out evaluation, as in Figures 2 and 3 of Wu et al. (2017) and of Wang et al. (2018)."""

import math
from pathlib import Path

import numpy as np
import polars as pl

from relab.designs import FULL
from relab.errors import RequestError
from relab.figures.drawing import HEIGHT, LINE, WIDTH, Matrix, Vector, band, canvas, draw_band, dress, finish
from relab.records import StudyStore

SUFFIX = "_curve"
"""In the names of the tables that are curves, ``test_curve``: columns ``recall`` and ``precision``, a row per hit."""

GRID: Vector = np.linspace(0, 1, 201)
"""The recalls at which the seeds' curves are compared."""

LOW = 1 / 3
"""Of the highest precision: the recall axis ends at the tenth by which all arms have fallen below. The papers end it at
0.3 to 0.5 of their recall, near 0.3 of precision; beyond, all curves run together along the bottom."""


def precision_recall(study: StudyStore, table: str, path: Path) -> None:
    """Draw precision by recall, all arms in one picture: the mean over the seeds and its 95 % interval.

    Args:
        study: an ablation, or one configuration under several seeds.
        table: as kept by the trials, ``test_curve``.
        path: the file to write; its suffix gives the format.

    Raises:
        RelabError: matplotlib is not installed, or the file cannot be written.
        RequestError: a search, whose settings share one arm; or no trial has finished with such a table.
    """
    if study.description().kind == "sweep":
        raise RequestError(f"{study.name} is a search: precision-recall curves compare arms on the same seeds")
    arms = seed_precisions(study.table(table))
    if not arms:
        raise RequestError(f"{study.name} has no {table!r}; tables kept: {', '.join(study.table_names()) or 'none'}")
    figure = canvas(WIDTH, HEIGHT + LINE * len(arms))
    axes = figure.add_subplot()
    shown = {arm: band(GRID[: rows.shape[1]], rows) for arm, rows in arms.items()}
    for place, (arm, found) in enumerate(shown.items()):
        draw_band(axes, found, place, arm, len(arms[arm]))
    end = recall_shown([found.mean for found in shown.values()])
    inside = np.concatenate([found.mean[found.x <= end] for found in shown.values()])
    margin = 0.05 * float(inside.max() - inside.min()) or 0.01
    axes.set_xlim(0, end)
    axes.set_ylim(max(0.0, float(inside.min()) - margin), min(1.02, float(inside.max()) + margin))
    dress(axes, f"recall ({table.removesuffix(SUFFIX)})", "precision")
    finish(figure, path)


def seed_precisions(frame: pl.DataFrame) -> dict[str, Matrix]:
    """Each arm's precisions [seeds, places on the grid], the full model's first; folds averaged.

    They end at the last recall that all of an arm's seeds reach.

    Args:
        frame: ``StudyStore.table()`` of a curve.
    """
    if not len(frame):
        return {}
    folds = frame["fold"].n_unique()
    found: dict[str, list[Vector]] = {}
    for (arm, _), runs in frame.group_by(["arm", "seed"], maintain_order=True):
        curves = [
            precision_at(rows["recall"].to_numpy(), rows["precision"].to_numpy())
            for _, rows in runs.group_by("fold", maintain_order=True)
        ]
        if len(curves) == folds:
            found.setdefault(str(arm), []).append(np.mean(curves, axis=0))
    rows = {arm: np.stack(found[arm]) for arm in dict.fromkeys([FULL, *frame["arm"]]) if arm in found}
    return {arm: each[:, ~np.isnan(each).any(axis=0)] for arm, each in rows.items()}


def precision_at(recall: Vector, precision: Vector) -> Vector:
    """Precision where each recall of the grid is first reached, as in the tables; not a number where none is.

    Args:
        recall: rising, at each hit of a ranking.
        precision: at the same hits.
    """
    places = np.searchsorted(recall, GRID - 1e-9)  # a recall of 7/10 reaches 0.7, whatever their last bits
    return np.append(precision, np.nan)[places]


def recall_shown(means: list[Vector]) -> float:
    """Where the recall axis ends: the tenth by which each arm's mean precision has fallen below ``LOW`` of the best."""
    highest = max(float(mean.max()) for mean in means)
    last = max(float(GRID[np.flatnonzero(mean >= LOW * highest)].max(initial=0.0)) for mean in means)
    return max(1, math.ceil(last * 10 - 1e-9)) / 10
