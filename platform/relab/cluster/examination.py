"""What `relab doctor --cluster` looks at, from the cluster's head: each node by itself, the store, MLflow."""

import os
import shutil
import socket
import time
import uuid
from pathlib import Path

import ray
from pydantic import BaseModel, ConfigDict
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from relab.cluster.capacity import Capacity, capacity
from relab.environment import Environment, environment
from relab.errors import RelabError
from relab.records import Store
from relab.running.driver import connect

MARK = "relab-examination "
NODE_SECONDS = 120.0
"""A node has as long to start a process and answer."""


class Node(BaseModel):
    """One node, as it sees itself."""

    model_config = ConfigDict(frozen=True)

    host: str
    environment: Environment
    sees_store: bool
    """Whether it reads what the head has written there, and can write itself."""
    free_store: int
    free_disk: int
    """Bytes, of the store and of the node's own disk."""
    clock: float = 0.0
    """Seconds that its clock is ahead of the head's, as far as that is certain."""


class Examination(BaseModel):
    """What was found, as one line of the job's log."""

    model_config = ConfigDict(frozen=True)

    store: str
    nodes: tuple[Node, ...]
    silent: tuple[str, ...]
    """Addresses of nodes that did not answer."""
    capacity: Capacity
    mlflow: str
    mlflow_trouble: str
    finished: dict[str, tuple[str, ...]]
    """The keys of the finished trials of each study."""

    def line(self) -> str:
        """As it travels."""
        return MARK + self.model_dump_json()

    @classmethod
    def of(cls, log: str) -> "Examination":
        """Find it in a job's log.

        Raises:
            RelabError: it is not there.
        """
        for line in log.splitlines():
            if line.startswith(MARK):
                return cls.model_validate_json(line.removeprefix(MARK))
        raise RelabError("the cluster's answer did not arrive; try again")


def examine(store: Path) -> Examination:
    """Look at the cluster from its head; ``store`` is the folder that all nodes should see."""
    from relab.tracking import tracking_uri

    connect()
    secret = store / f".doctor-{uuid.uuid4().hex}"
    store.mkdir(parents=True, exist_ok=True)
    secret.write_text(secret.name, encoding="utf-8")
    try:
        nodes, silent = _nodes(secret)
    finally:
        for left in store.glob(f"{secret.name}*"):
            left.unlink(missing_ok=True)
    records = Store(store)
    uri = tracking_uri(records)
    return Examination(
        store=str(store),
        nodes=tuple(nodes),
        silent=tuple(silent),
        capacity=capacity(),
        mlflow=uri,
        mlflow_trouble=_mlflow_trouble(records),
        finished={
            study.name: tuple(trial.key for trial in study.asked() if records.result(trial.key) is not None)
            for study in records.studies()
        },
    )


def _nodes(secret: Path) -> tuple[list[Node], list[str]]:
    found, silent = [], []
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    for node in ray.nodes():
        if not node["Alive"]:
            continue
        there = look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        try:
            ray.get(there.remote(secret), timeout=NODE_SECONDS)  # starts a process, which takes seconds
            asked = time.time()
            seen, then = ray.get(there.remote(secret), timeout=NODE_SECONDS)
        except RayError:
            silent.append(str(node["NodeManagerAddress"]))
            continue
        answered = time.time()
        ahead, uncertain = then - (asked + answered) / 2, (answered - asked) / 2
        clock = max(0.0, abs(ahead) - uncertain) * (1 if ahead > 0 else -1)
        wrote = secret.with_name(f"{secret.name}-{seen.host}").exists()
        found.append(seen.model_copy(update={"clock": clock, "sees_store": seen.sees_store and wrote}))
    return found, silent


def _look(secret: Path) -> tuple[Node, float]:
    """On one node."""
    import torch

    host, folder = socket.gethostname(), secret.parent
    try:
        sees = secret.read_text(encoding="utf-8") == secret.name
        secret.with_name(f"{secret.name}-{host}").write_text("", encoding="utf-8")
        free_store = shutil.disk_usage(folder).free
    except OSError:
        sees, free_store = False, 0
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    node = Node(
        host=host,
        environment=environment(device),
        sees_store=sees,
        free_store=free_store,
        free_disk=shutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free,
    )
    return node, time.time()


def _mlflow_trouble(store: Store) -> str:
    from mlflow.exceptions import MlflowException

    from relab.tracking.server import first_line, mlflow_client

    try:
        mlflow_client(store).search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        return first_line(error)
    return ""
