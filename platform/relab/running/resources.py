"""How many trials fit at once: computed host by host from the scarcest resource, refused with the arithmetic."""

from dataclasses import dataclass
from typing import Any

import torch
from ray.tune import PlacementGroupFactory
from relab.cluster.capacity import Capacity
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


def slots(wanted: Resources, cluster: Capacity, limit: int | None = None) -> Slots:
    """Place trials that want ``wanted`` on the hosts of ``cluster``, at most ``limit`` at once.

    Raises:
        RequestError: not even one trial fits, with the sum that shows it.
    """
    return Slots(places(wanted, cluster, limit), _bundle(wanted), environment(torch.device("cpu"), wanted.workers))


def places(wanted: Resources, cluster: Capacity, limit: int | None = None) -> int:
    """How many such trials fit at once; raises as ``slots`` does."""
    # a worker group asks for what its threads need: whole processors
    each = {"CPU": wanted.cpus if wanted.workers == 1 else float(max(1, int(wanted.cpus))), "GPU": wanted.gpus}
    count = cluster.fits(each) // wanted.workers
    if not count:
        raise RequestError(_too_little(wanted.workers, each, cluster))
    return count if limit is None else min(count, limit)


def _too_little(workers: int, each: dict[str, float], cluster: Capacity) -> str:
    for kind, amount in each.items():
        need, have = amount * workers, cluster.total(kind)
        if need > have:
            what = f"{workers} workers × {amount:g} {kind}" if workers > 1 else f"{amount:g} {kind}"
            return f"a trial needs {what} = {need:g}, and there are {have:g}: it could never start"
    for kind, amount in each.items():
        have = cluster.largest(kind)
        if amount > have:
            return f"a worker needs {amount:g} {kind} of one host, and the largest has {have:g}: it could never start"
    what = " and ".join(f"{amount:g} {kind}" for kind, amount in each.items() if amount)
    if workers > 1:
        return f"{cluster.fits(each)} of {workers} workers find a host with {what}: it could never start"
    return f"no host has {what}: it could never start"


def _bundle(wanted: Resources) -> PlacementGroupFactory:
    if wanted.workers > 1:
        return DRIVER_ALONE
    bundle: dict[str, Any] = {"CPU": float(wanted.cpus)}
    if wanted.gpus:
        bundle["GPU"] = float(wanted.gpus)
    return PlacementGroupFactory([bundle])
