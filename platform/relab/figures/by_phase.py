"""What a method that trains in phases kept of each of them, as in Figures 3, 4 and 5 of Ma et al. (2021)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from relab.designs import FULL
from relab.errors import RequestError
from relab.figures.drawing import (
    COLOURS,
    HEIGHT,
    LINE,
    WIDTH,
    Matrix,
    Vector,
    band,
    canvas,
    draw_band,
    dress,
    finish,
    plain,
)
from relab.records import StudyStore

PHASE = "phase"
"""The column that makes a table one of phases."""
HISTOGRAM = {PHASE, "from", "sentences", "noisy"}
"""Columns of a histogram: the lower end of a bin, how many sentences lie in it, how many of them are noise."""
NOTHING = "NA"
"""The label of sentences without a relation, by far the most: Figure 3 of the paper leaves them out, and so do we."""
PLACES = ("split", "place")
"""Columns that say what a row is about; rows with nothing there are left to the table."""
ACROSS, SIDE = 3, 1.7
"""Panels in a row; inches of each."""


@dataclass(frozen=True)
class Line:
    """One quantity by phase."""

    name: str
    phases: Vector
    values: Matrix
    """[seeds, phases]."""


def by_phase(study: StudyStore, table: str, path: Path) -> None:
    """Draw every number of a table by phase: the full model's mean over the seeds and its 95 % interval.

    Args:
        study: one whose trials keep such a table.
        table: as kept, with a column ``phase``.
        path: the file to write; its suffix gives the format.

    Raises:
        RelabError: matplotlib is not installed, or the file cannot be written.
        RequestError: the full model has kept no such table.
    """
    found = lines(study.table(table))
    if not found:
        raise RequestError(f"{study.name} has no {table!r} of the full model with a number by phase")
    figure = canvas(WIDTH, HEIGHT + LINE * len(found))
    axes = figure.add_subplot()
    for place, line in enumerate(found):
        draw_band(axes, band(line.phases, line.values), place, line.name, len(line.values))
    axes.locator_params(axis="x", integer=True)
    dress(axes, PHASE, table)
    finish(figure, path)


def histograms(study: StudyStore, table: str, path: Path) -> None:
    """Draw a histogram for each phase of the full model's first seed: all relations but NA, clean sentences and
    noise apart.

    Args:
        study: one whose trials keep such a table.
        table: as kept, with the columns ``HISTOGRAM``.
        path: the file to write; its suffix gives the format.

    Raises:
        RelabError: matplotlib is not installed, or the file cannot be written.
        RequestError: the full model has kept no such table.
    """
    rows = first_seed(study.table(table))
    rows = rows.filter(pl.col("relation") != NOTHING) if "relation" in rows.columns else rows
    if not len(rows):
        raise RequestError(f"{study.name} has no {table!r} of the full model")
    phases = sorted(rows[PHASE].unique())
    across = min(ACROSS, len(phases))
    down = -(-len(phases) // across)
    figure = canvas(SIDE * across, SIDE * down + 2 * LINE)
    for place, phase in enumerate(phases):
        axes = figure.add_subplot(down, across, place + 1)
        bins = rows.filter(pl.col(PHASE) == phase).group_by("from").agg(pl.sum("sentences", "noisy")).sort("from")
        starts, noisy = bins["from"].to_numpy(), bins["noisy"].to_numpy()
        width = float(np.diff(np.sort(rows["from"].unique().to_numpy())).min(initial=1.0)) / 2
        for side, (name, counts) in enumerate((("clean", bins["sentences"].to_numpy() - noisy), ("noise", noisy))):
            label = None if place else name
            axes.bar(starts + side * width, counts, width, align="edge", color=COLOURS[1 + side], label=label)
        axes.set_yscale("symlog", linthresh=1)  # a handful of sentences matters beside thousands
        axes.set_xlim(0, 1)
        axes.set_title(f"{PHASE} {phase}", fontsize=8)
        dress(axes, "", "")
    finish(figure, path)


def first_seed(frame: pl.DataFrame) -> pl.DataFrame:
    """The full model's rows under its first seed; those of all folds."""
    full = frame.filter(pl.col("arm") == FULL) if len(frame) else frame
    return full.filter(pl.col("seed") == full["seed"].min()) if len(full) else full


def lines(frame: pl.DataFrame) -> list[Line]:
    """The full model's numbers by phase, one line per number and place; folds averaged, phases that all seeds have."""
    full = frame.filter(pl.col("arm") == FULL) if len(frame) else frame
    if not len(full) or PHASE not in full.columns:
        return []
    place = next((name for name in PLACES if name in full.columns), None)
    numbers = [name for name, kind in full.schema.items() if kind.is_float()]
    groups = [("", full)] if place is None else [
        (str(name), rows) for (name,), rows in full.group_by([place], maintain_order=True) if name
    ]  # fmt: skip
    found = []
    for group, rows in groups:
        for number in numbers:
            table = rows.group_by("seed", PHASE).agg(pl.col(number).mean()).sort(PHASE)
            wide = table.pivot(PHASE, index="seed", values=number).sort("seed").drop("seed")
            whole = [name for name in wide.columns if not wide[name].is_null().any()]
            if whole:
                values = wide.select(whole).to_numpy()
                label = plain(" ".join(part for part in (number.replace("_", " "), group) if part))
                found.append(Line(label, np.array([float(name) for name in whole]), values))
    return found
