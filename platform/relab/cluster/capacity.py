"""What a cluster can have: the nodes that are there, and those that its autoscaler may start."""

import os
from pathlib import Path
from typing import Any

import ray
import yaml

VARIABLE = "RELAB_AUTOSCALER"
"""Set on the head by `cluster.yaml`: the autoscaler's own copy of that file."""


def capacity() -> dict[str, float]:
    """CPU and GPU in all, by Ray's names, with every worker that may be started.

    Trials that wait for a node that is not there yet are what makes the autoscaler start it.
    """
    now = {name: float(amount) for name, amount in ray.cluster_resources().items()}
    path = os.environ.get(VARIABLE)
    if not path:
        return now
    most = at_most(yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8")))
    return now | {name: max(amount, now.get(name, 0.0)) for name, amount in most.items()}


def at_most(config: dict[str, Any]) -> dict[str, float]:
    """The resources of a cluster config with all workers there: of each the most that ``max_workers`` allows."""
    left, most = int(config.get("max_workers", 0)), dict[str, float]()
    types = config.get("available_node_types", {})
    workers = [kind for name, kind in types.items() if name != config.get("head_node_type")]
    for name in sorted({name for kind in workers for name in kind.get("resources", {})}):
        free = left
        for kind in sorted(workers, key=lambda kind: -float(kind.get("resources", {}).get(name, 0))):
            count = min(free, int(kind.get("max_workers", left)))
            most[name] = most.get(name, 0.0) + count * float(kind.get("resources", {}).get(name, 0))
            free -= count
    return most
