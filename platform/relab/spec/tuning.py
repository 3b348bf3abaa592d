"""What a search and an ablation in one spec have to agree on."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from relab.designs import FULL, Arm, switched
from relab.fields import overlay
from relab.method import Method
from relab.spec.models import Dimension, TunedSpec, still_read
from relab.spec.reading import Problems

COMBINATIONS = 1000
"""So many points, over all arms, are tried against the rules between fields."""


def check_tuned(spec: TunedSpec, method: Method[Any], problems: Problems) -> None:
    """Note what keeps the arms from being trained with what the search finds; by itself each of them is right."""
    if spec.budget.hours is not None:
        problems.add(("budget", "hours"), "a search that ends by the clock has another winner each time: give `trials`")
    repeated = spec.tune == "each_repeat"
    if repeated and spec.looks:
        problems.add(("seeds",), "each repeat has a search of its own, before the first look: give their number")
    elif {spec.seed + (seed if repeated else 0) for seed in spec.all_seeds} & set(spec.all_seeds):
        why = "its winner's luck there would count as the full model's"
        problems.add(("seed",), f"the search trains on {spec.seed}, which is a seed of the arms: {why}")
    arms = spec.designed(method).arms
    for arm in arms:
        space = spec.space if spec.tune == "once" else still_read(spec.space, arm, method)
        for point in itertools.islice(_points(space), COMBINATIONS // len(arms)):
            wrong = _wrong(method, switched(overlay(spec.settings(method), point), arm))
            if wrong and arm.name != FULL:
                shown = ", ".join(f"{name}: {value!r}" for name, value in point.items())
                problems.add(("space",), f"{arm.name} with {shown}: {wrong}")
                break
        if spec.tune != "once":
            _check_starts(spec, arm, method, problems)


def _check_starts(spec: TunedSpec, arm: Arm, method: Method[Any], problems: Problems) -> None:
    for index, preset in enumerate(spec.start_from):
        settings = switched(spec.settings(method), arm)
        wrong = _wrong(method, overlay(settings, method.presets[preset]))
        if wrong:
            problems.add(("start_from", index), f"{arm.name} with the preset {preset!r}: {wrong}")


def _points(space: Mapping[str, Dimension]) -> Iterator[dict[str, Any]]:
    """Every choice and both ends of every range, combined."""
    for values in itertools.product(*(dimension.probes for dimension in space.values())):
        yield dict(zip(space, values, strict=True))


def _wrong(method: Method[Any], values: Mapping[str, Any]) -> str:
    """What the config has against these values; empty for nothing."""
    try:
        method.Config.model_validate(values)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return ""
