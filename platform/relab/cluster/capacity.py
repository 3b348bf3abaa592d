"""What a cluster can have, host by host: those that are there, and those that its autoscaler may start."""

import os
from collections.abc import Mapping
from heapq import nlargest
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

VARIABLE = "RELAB_AUTOSCALER"
"""Set on the head by `cluster.yaml`: the autoscaler's own copy of that file."""
KINDS = ("CPU", "GPU")
"""What trials ask for, by Ray's names."""


class Capacity(BaseModel):
    """The CPU and GPU of each host. A trial's worker is on one host; what several have left over adds up to none."""

    model_config = ConfigDict(frozen=True)

    there: tuple[dict[str, float], ...] = ()
    """The hosts that are there now."""
    may_start: tuple[dict[str, float], ...] = ()
    """The workers that the autoscaler may have, those that are there among them; trials that wait start them."""
    most: int = 0
    """How many workers at once."""

    @property
    def awaited(self) -> bool:
        """Whether the autoscaler has machines of one's own to bring, of which nobody knows what they have."""
        return not self.may_start and len(self.there) - 1 < self.most

    def fits(self, each: Mapping[str, float]) -> int:
        """How many workers that take ``each`` have a place at once, with the hosts of which most can be had."""
        now = sum(_fits(each, host) for host in self.there)
        return max(now, sum(nlargest(self.most, (_fits(each, host) for host in self.may_start))))

    def total(self, kind: str) -> float:
        """All hosts together."""
        now = sum(host.get(kind, 0.0) for host in self.there)
        return max(now, sum(nlargest(self.most, (host.get(kind, 0.0) for host in self.may_start))))

    def largest(self, kind: str) -> float:
        """The host that has most of it."""
        return max((host.get(kind, 0.0) for host in (*self.there, *self.may_start)), default=0.0)


def capacity() -> Capacity:
    """That of the cluster that this process is connected to."""
    import ray

    there = tuple(_counted(node["Resources"]) for node in ray.nodes() if node["Alive"])
    path = os.environ.get(VARIABLE)
    if not path:
        return Capacity(there=there)
    most, may_start = autoscaled(yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8")))
    return Capacity(there=there, may_start=may_start, most=most)


def autoscaled(config: Mapping[str, Any]) -> tuple[int, tuple[dict[str, float], ...]]:
    """How many workers a cluster config allows at once, and each that it may start; none of one's own machines."""
    most, types = int(config.get("max_workers", 0)), config.get("available_node_types", {})
    workers = [kind for name, kind in types.items() if name != config.get("head_node_type")]
    return most, tuple(
        _counted(kind.get("resources", {}))
        for kind in workers
        for _ in range(min(most, int(kind.get("max_workers", most))))
    )


def _counted(resources: Mapping[str, Any]) -> dict[str, float]:
    return {kind: float(resources.get(kind, 0.0)) for kind in KINDS}


def _fits(each: Mapping[str, float], host: Mapping[str, float]) -> int:
    return min(int(host.get(kind, 0.0) / amount + 1e-9) for kind, amount in each.items() if amount)
