"""The points of a search that are known before anything runs: grids, start points, the first round of a bisection."""

import itertools
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from relab.fields import lookup, overlay
from relab.method import Method

if TYPE_CHECKING:
    from relab.spec import Dimension, SweepSpec

BISECTION_POINTS = 5
"""Points of each round."""


def log_between(low: float, high: float, place: Fraction) -> float:
    """The value at ``place`` (0 to 1) between ``low`` and ``high`` on the log scale, to six digits; both ends exact.

    A fraction names a place exactly, so that a point met again in a later round is the same number.
    """
    if place in (0, 1):
        return high if place else low
    return float(f"{low * (high / low) ** float(place):.6g}")


def products(space: Mapping[str, "Dimension"]) -> Iterable[dict[str, Any]]:
    """Every combination of a space of choices, the last dimension fastest; nothing if one of them is a range."""
    if any(dimension.choice is None for dimension in space.values()):
        return
    for values in itertools.product(*(dimension.choice or () for dimension in space.values())):
        yield dict(zip(space, values, strict=True))


def known_points(spec: "SweepSpec", method: Method[Any]) -> list[dict[str, Any]]:
    """The points known before anything runs: a grid, the first round of a bisection, or the presets to start from."""
    if spec.search.algorithm == "grid":
        return list(products(spec.space))[: spec.points]
    if spec.search.algorithm == "bisect":
        ((name, dimension),) = spec.space.items()
        low, high = dimension.probes
        places = [Fraction(step, BISECTION_POINTS - 1) for step in range(BISECTION_POINTS)]
        return [{name: log_between(low, high, place)} for place in places][: spec.points]
    points: list[dict[str, Any]] = []
    for preset in spec.start_from:
        settings = overlay(spec.settings(method), method.presets[preset])
        values = method.Config.model_validate(settings).model_dump(mode="json")
        point = {field: lookup(values, field) for field in spec.space}
        if point not in points:
            points.append(point)
    return points[: spec.points]
