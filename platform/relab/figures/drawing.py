"""What all figures share: colours that print, bands over the seeds, a file at the end."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relab.analysis import t_interval
from relab.errors import RelabError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Vector = np.ndarray[tuple[int], np.dtype[np.float64]]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]

INSTALL = "pip install 'relab[figures]'"

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe & Ito (2008), distinct under the common colour-vision deficiencies; the full model is black."""

DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
"""For print without colour."""

WIDTH, HEIGHT, LINE = 3.5, 2.3, 0.14
"""Inches: one column of a page; its axes; each arm's line in the legend."""


@dataclass(frozen=True)
class Band:
    """The mean of the seeds' curves at the places ``x`` that all of them have, and its 95 % interval."""

    x: Vector
    mean: Vector
    low: Vector | None
    high: Vector | None
    """Without interval for one seed."""


def band(x: Vector, curves: Matrix) -> Band:
    """Student's t interval of the mean, place by place; ``curves`` is [seeds, places]."""
    intervals = [t_interval([float(value) for value in column]) for column in curves.T]
    mean = np.array([interval.mean for interval in intervals])
    if len(curves) < 2:
        return Band(x, mean, None, None)
    low, high = (np.array([getattr(interval, end) for interval in intervals]) for end in ("low", "high"))
    return Band(x, mean, low, high)


def canvas(width: float, height: float) -> Any:
    """An empty figure. Not pyplot's, which looks for a display and keeps every figure: a bare one draws with Agg."""
    return needed("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")


def draw_band(axes: "Axes", shown: Band, place: int, arm: str, seeds: int) -> None:
    """The line of an arm's mean and the area of its interval; ``place`` is the arm's among all, for its colour."""
    colour, dash = colour_of(place), DASHES[place % len(DASHES)]
    if shown.low is not None and shown.high is not None:
        axes.fill_between(shown.x, shown.low, shown.high, color=colour, alpha=0.12, linewidth=0)
        for edge in (shown.low, shown.high):
            axes.plot(shown.x, edge, color=colour, alpha=0.5, linewidth=0.4)
    label = f"{plain(arm)} ({seeds} seed{'s' if seeds > 1 else ''})"
    axes.plot(shown.x, shown.mean, color=colour, linestyle=dash, linewidth=1.4, label=label)


def colour_of(place: int) -> str:
    """The colour of the arm in this place."""
    return COLOURS[place % len(COLOURS)]


def plain(name: str) -> str:
    """A name as text for matplotlib, which reads a formula between dollars."""
    return name.replace("$", r"\$")


def dress(axes: "Axes", across: str, up: str) -> None:
    """The labels and the frame of an axes with two scales."""
    axes.set_xlabel(across, fontsize=8)
    axes.set_ylabel(up, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.4)


def finish(figure: Any, path: Path) -> None:
    """Put the legend, if there is one, under the figure and write it; the path's suffix gives the format.

    Raises:
        RelabError: the file cannot be written.
    """
    if any(axes.get_legend_handles_labels()[0] for axes in figure.axes):
        figure.legend(
            loc="outside lower center", frameon=False, fontsize=7, handlelength=3, borderaxespad=0, markerscale=2
        )
    try:
        figure.savefig(path, dpi=300)
    except OSError as error:
        raise RelabError(f"cannot write {path}: {error.strerror}") from error


def needed(module: str) -> Any:
    """A module of the extra ``figures``.

    Raises:
        RelabError: it is not installed, with the command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RelabError(f"figures need matplotlib, statsmodels and scikit-learn ({error}): {INSTALL}") from error
