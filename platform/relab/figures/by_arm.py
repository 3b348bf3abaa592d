"""Every arm's difference with its interval, as a forest plot."""

from pathlib import Path

import polars as pl

from relab.comparison import ArmSummary, headline, summarise_arms
from relab.errors import RequestError
from relab.figures.drawing import COLOURS, WIDTH, canvas, dress, finish, plain
from relab.records import Description, StudyStore

ROW = 0.24
"""Inches for each arm."""


def differences(study: StudyStore, path: Path) -> None:
    """Draw the differences of all arms within the seed, each with its 95 % interval; settled ones stand out.

    Args:
        study: an ablation.
        path: the file to write; its suffix gives the format.

    Raises:
        RelabError: matplotlib is not installed, or the file cannot be written.
        RequestError: no arm has an interval yet.
    """
    described, frame = study.description(), study.frame()
    rows = compared(described, frame)
    if not rows:
        raise RequestError(f"{study.name} has no arm with two seeds beside the one that it is compared with")
    figure = canvas(WIDTH, 0.7 + ROW * len(rows))
    axes = figure.add_subplot()
    axes.axvline(0, color="#000000", linewidth=0.6)
    for place, row in enumerate(reversed(rows)):
        found = row.difference
        assert found is not None and found.low is not None and found.high is not None
        colour = COLOURS[1] if row.settled else "#777777"
        axes.plot([found.low, found.high], [place, place], color=colour, linewidth=1.2)
        axes.plot(found.mean, place, "o" if row.settled else "s", color=colour, markersize=4)
    names = [f"{plain(row.arm)}" + (f" − {plain(row.against)}" if described.against else "") for row in rows]
    dress(axes, f"difference in {headline(described, frame)}", "")
    axes.set_yticks(range(len(rows)), reversed(names))
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", linewidth=0.4, alpha=0.4)
    finish(figure, path)


def compared(described: Description, frame: pl.DataFrame) -> list[ArmSummary]:
    """The arms of a study that have a difference with an interval; ``frame`` is the study's."""
    summaries = summarise_arms(frame, headline(described, frame), described.against, described.looks)
    return [row for row in summaries if row.difference is not None and row.difference.low is not None]
