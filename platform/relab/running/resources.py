"""How many trials fit at once: computed from the scarcest resource, refused with the arithmetic."""

from dataclasses import dataclass
from typing import Any

import torch
from ray.tune import PlacementGroupFactory
from relab.environment import Environment, environment
from relab.errors import RequestError
from relab.spec import Resources

DRIVER_ALONE = PlacementGroupFactory([{"memory": 1.0}])
"""For a trial whose worker group asks for its own processors: one that held some itself would starve the group.
A bundle may not be empty, so it asks for a byte of memory."""


@dataclass(frozen=True)
class Slots:
    """Trials at once (``count``), and what each asks of Ray."""

    count: int
    per_trial: PlacementGroupFactory
    environment: Environment


def slots(wanted: Resources, cluster: dict[str, float], limit: int | None = None) -> Slots:
    """Place trials that want ``wanted`` on ``cluster`` (Ray's totals: CPU, GPU), at most ``limit`` at once.

    Raises:
        RequestError: not even one trial fits, with the sum that shows it.
    """
    # a worker group asks for what its threads need: whole processors
    cpus = wanted.cpus if wanted.workers == 1 else max(1, int(wanted.cpus))
    fits: list[int] = []
    for resource, each in (("CPU", cpus), ("GPU", wanted.gpus)):
        if not each:
            continue
        have, need = cluster.get(resource, 0.0), each * wanted.workers
        if need > have:
            what = f"{wanted.workers} workers × {each:g} {resource}" if wanted.workers > 1 else f"{each:g} {resource}"
            raise RequestError(f"a trial needs {what} = {need:g}, and there are {have:g}: it could never start")
        fits.append(int(have / need + 1e-9))
    count = min(fits, default=1)
    if limit is not None:
        count = min(count, limit)
    return Slots(count, _bundle(wanted), environment(torch.device("cpu"), wanted.workers))


def _bundle(wanted: Resources) -> PlacementGroupFactory:
    if wanted.workers > 1:
        return DRIVER_ALONE
    bundle: dict[str, Any] = {"CPU": float(wanted.cpus)}
    if wanted.gpus:
        bundle["GPU"] = float(wanted.gpus)
    return PlacementGroupFactory([bundle])
