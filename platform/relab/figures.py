"""Figures of a study for a page: learning curves, as in Figure 2 of Bekoulis et al. (2018)."""

import functools
import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from relab.analysis import t_interval
from relab.designs import FULL
from relab.errors import RelabError, RequestError
from relab.records import StudyStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Vector = np.ndarray[tuple[int], np.dtype[np.float64]]

INSTALL = "pip install 'relab[figures]'"

FRACTION = 0.3
"""Share of the epochs that each local fit sees. LOWESS's usual 2/3 cuts off the knee of a learning curve: the trend
leaves the points by more than the arms differ. The paper does not print its own fraction."""

FEWEST = 5
"""Epochs that a local fit sees at least: its weights are zero at the ends of its neighbourhood, and a line through two
points follows the noise."""

STEEP = 0.25
"""Share of the epochs that the vertical axis need not hold: the rise from nothing would press all that differs between
arms into one line. The paper's panels begin at epoch 10 to 30 for the same reason; here the curve enters from below."""

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe & Ito (2008), distinct under the common colour-vision deficiencies; the full model is black."""

DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
"""For print without colour."""

WIDTH, HEIGHT, LINE = 3.5, 2.3, 0.14
"""Inches: one column of a page; its axes; each arm's line in the legend."""


@dataclass(frozen=True)
class Curve:
    """A metric by epoch under one seed."""

    epochs: Vector
    values: Vector


@dataclass(frozen=True)
class Trend:
    """Mean of the seeds' smoothed curves at the epochs that all of them have, and its 95 % interval."""

    epochs: Vector
    mean: Vector
    low: Vector | None
    high: Vector | None
    """Without interval for one seed."""


def learning_curves(study: StudyStore, metric: str, path: Path) -> None:
    """Draw a metric by epoch: a point per seed, each arm's LOWESS trend, and its 95 % interval over the seeds.

    A seed's curve is the mean over its folds. The trend is the mean of the seeds' own smoothed curves, and the band
    Student's t interval of that mean, epoch by epoch; one seed has no band. Both end where the first seed of an arm
    stopped: beyond, they would jump with who is left. The points go on.

    Args:
        study: an ablation, or one configuration under several seeds.
        metric: as reported, ``dev/overall_f1``.
        path: the file to write; its suffix gives the format.

    Raises:
        RelabError: matplotlib or statsmodels is not installed, or the file cannot be written.
        RequestError: a search, whose settings share one arm; or no trial has reported the metric.
    """
    if study.description().kind == "sweep":
        raise RequestError(f"{study.name} is a search: learning curves compare arms on the same seeds")
    frame = study.metrics()
    arms = seed_curves(frame, metric)
    if not arms:
        reported = ", ".join(name for name in frame.columns if "/" in name) or "none"
        raise RequestError(f"{study.name} has no {metric!r} by epoch; reported: {reported}")
    # Not pyplot: it looks for a display and keeps every figure. A bare Figure draws with Agg.
    figure = _needed("matplotlib.figure").Figure(figsize=(WIDTH, HEIGHT + LINE * len(arms)), layout="constrained")
    axes = figure.add_subplot()
    for place, (arm, curves) in enumerate(arms.items()):
        _draw(axes, arm, curves, COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)])
    _frame(axes, [curve for curves in arms.values() for curve in curves], metric)
    figure.legend(loc="outside lower center", frameon=False, fontsize=7, handlelength=3, borderaxespad=0)
    try:
        figure.savefig(path, dpi=300)
    except OSError as error:
        raise RelabError(f"cannot write {path}: {error.strerror}") from error


def seed_curves(frame: pl.DataFrame, metric: str) -> dict[str, list[Curve]]:
    """Each arm's curves, one per seed, the full model's first; folds averaged at the epochs that all of them have.

    Args:
        frame: ``StudyStore.metrics()``.
        metric: one of its columns; without it there are no curves.
    """
    if metric not in frame.columns:
        return {}
    folds = frame["fold"].n_unique()
    means = (
        frame.filter(pl.col(metric).is_not_null())
        .group_by("arm", "seed", "report")
        .agg(pl.col(metric).mean().alias("value"), pl.len().alias("there"))
        .filter(pl.col("there") == folds)
        .sort("arm", "seed", "report")
    )
    found: dict[str, list[Curve]] = {}
    for (arm, _), rows in means.group_by(["arm", "seed"], maintain_order=True):
        curve = Curve(rows["report"].cast(pl.Float64).to_numpy(), rows["value"].to_numpy())
        found.setdefault(str(arm), []).append(curve)
    return {arm: found[arm] for arm in dict.fromkeys([FULL, *frame["arm"]]) if arm in found}


def smoothed(curve: Curve) -> Vector:
    """LOWESS of a curve at its own epochs.

    Without reweighting of outliers: an epoch in which training collapses is a result. The smooth is then linear in the
    values, so that the mean of smoothed curves is the smoothed mean. Too short a curve stays as it is.
    """
    count = len(curve.values)
    if count < FEWEST:
        return curve.values
    lowess = _needed("statsmodels.nonparametric.smoothers_lowess").lowess
    fraction = min(1.0, max(FRACTION, FEWEST / count))
    return cast(Vector, lowess(curve.values, curve.epochs, frac=fraction, it=0, return_sorted=False))


def trend(curves: Sequence[Curve]) -> Trend:
    """One arm's trend from its seeds' curves."""
    shared = functools.reduce(np.intersect1d, [curve.epochs for curve in curves])
    smooth = np.stack([smoothed(curve)[np.isin(curve.epochs, shared)] for curve in curves])
    intervals = [t_interval([float(value) for value in column]) for column in smooth.T]
    mean = np.array([interval.mean for interval in intervals])
    if len(curves) < 2:
        return Trend(shared, mean, None, None)
    low, high = (np.array([getattr(interval, end) for interval in intervals]) for end in ("low", "high"))
    return Trend(shared, mean, low, high)


def _draw(axes: "Axes", arm: str, curves: Sequence[Curve], colour: str, dash: Any) -> None:
    for curve in curves:
        axes.plot(curve.epochs, curve.values, ".", color=colour, alpha=0.35, markersize=3.5, markeredgewidth=0)
    shown = trend(curves)
    if shown.low is not None and shown.high is not None:
        axes.fill_between(shown.epochs, shown.low, shown.high, color=colour, alpha=0.12, linewidth=0)
        for edge in (shown.low, shown.high):
            axes.plot(shown.epochs, edge, color=colour, alpha=0.5, linewidth=0.4)
    name = arm.replace("$", r"\$")  # else matplotlib reads a formula
    seeds = f"{len(curves)} seed{'s' if len(curves) > 1 else ''}"
    axes.plot(shown.epochs, shown.mean, color=colour, linestyle=dash, linewidth=1.4, label=f"{name} ({seeds})")


def _frame(axes: "Axes", curves: Sequence[Curve], metric: str) -> None:
    """Axes that hold every point after the steep beginning."""
    last = max(float(curve.epochs[-1]) for curve in curves)
    late = np.concatenate([curve.values[math.floor(STEEP * len(curve.values)) :] for curve in curves])
    margin = 0.05 * float(late.max() - late.min()) or 0.01
    axes.set_ylim(float(late.min()) - margin, float(late.max()) + margin)
    axes.set_xlim(1 - 0.02 * last, last * 1.02)
    axes.set_xlabel("epoch", fontsize=8)
    axes.set_ylabel(metric, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.locator_params(axis="x", integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.4)


def _needed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RelabError(f"figures need matplotlib and statsmodels ({error}): {INSTALL}") from error
