"""Learning curves, as in Figure 2 of Bekoulis et al. (2018)."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from relab.designs import FULL
from relab.errors import RequestError
from relab.figures.drawing import (
    HEIGHT,
    LINE,
    WIDTH,
    Band,
    Vector,
    band,
    canvas,
    colour_of,
    draw_band,
    dress,
    finish,
    needed,
)
from relab.published import find
from relab.records import StudyStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRACTION = 0.3
"""Share of the epochs that each local fit sees. LOWESS's usual 2/3 cuts off the knee of a learning curve: the trend
leaves the points by more than the arms differ. The paper does not print its own fraction."""

FEWEST = 5
"""Epochs that a local fit sees at least: its weights are zero at the ends of its neighbourhood, and a line through two
points follows the noise."""

MANY = 2000
"""Points of an arm from which on they are drawn as an image, also where lines and text are not."""

STEEP = 0.25
"""Share of the epochs that the vertical axis need not hold: the rise from nothing would press all that differs between
arms into one line. The paper's panels begin at epoch 10 to 30 for the same reason; here the curve enters from below."""


@dataclass(frozen=True)
class Curve:
    """A metric by epoch under one seed."""

    epochs: Vector
    values: Vector


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
    figure = canvas(WIDTH, HEIGHT + LINE * len(arms))
    axes = figure.add_subplot()
    for place, (arm, curves) in enumerate(arms.items()):
        epochs, values = (np.concatenate([getattr(each, side) for each in curves]) for side in ("epochs", "values"))
        style = {"color": colour_of(place), "alpha": 0.35, "ms": 3.5, "markeredgewidth": 0}
        axes.plot(epochs, values, ".", rasterized=len(epochs) > MANY, **style)
        draw_band(axes, trend(curves), place, arm, len(curves))
    _frame(axes, [curve for curves in arms.values() for curve in curves], metric)
    finish(figure, path)


def metrics_by_epoch(study: StudyStore) -> list[str]:
    """What is drawn by epoch: the objective, and the metrics of the published numbers on dev."""
    described, reported = study.description(), study.metrics().columns
    wanted = [described.objective]
    if described.published is not None:
        wanted += [metric if "/" in metric else f"dev/{metric}" for metric in find(described.published)[1].metrics]
    return [metric for metric in dict.fromkeys(wanted) if metric in reported]


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
    if len(curve.values) < FEWEST:
        return curve.values
    lowess = needed("statsmodels.nonparametric.smoothers_lowess").lowess
    return cast(Vector, _smoother(lowess, tuple(curve.epochs)) @ curve.values)


@functools.lru_cache
def _smoother(lowess: Callable[..., Vector], epochs: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """[epochs, epochs]: LOWESS without reweighting as the matrix that it is, one for all curves of these epochs."""
    count = len(epochs)
    fraction = min(1.0, max(FRACTION, FEWEST / count))
    return np.stack([lowess(unit, epochs, frac=fraction, it=0, return_sorted=False) for unit in np.eye(count)], 1)


def trend(curves: Sequence[Curve]) -> Band:
    """One arm's trend: the mean of its seeds' smoothed curves at the epochs that all of them have."""
    shared = functools.reduce(np.intersect1d, [curve.epochs for curve in curves])
    smooth = np.stack([smoothed(curve)[np.isin(curve.epochs, shared)] for curve in curves])
    return band(shared, smooth)


def _frame(axes: "Axes", curves: Sequence[Curve], metric: str) -> None:
    """Axes that hold every point after the steep beginning."""
    last = max(float(curve.epochs[-1]) for curve in curves)
    late = np.concatenate([curve.values[math.floor(STEEP * len(curve.values)) :] for curve in curves])
    margin = 0.05 * float(late.max() - late.min()) or 0.01
    axes.set_ylim(float(late.min()) - margin, float(late.max()) + margin)
    axes.set_xlim(1 - 0.02 * last, last * 1.02)
    axes.locator_params(axis="x", integer=True)
    dress(axes, "epoch", metric)
