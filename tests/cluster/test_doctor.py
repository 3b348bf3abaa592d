"""What the doctor says of a cluster, from what was seen on its nodes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from relab.cli.doctor import judge
from relab.cluster.capacity import Capacity
from relab.cluster.examination import Examination, Node
from relab.environment import environment
from relab.spec import Resources, Spec, load

NODE = Node(
    host="node1",
    environment=environment(torch.device("cpu")),
    sees_store=True,
    free_store=2**40,
    free_disk=2**40,
)
WELL = Examination(
    store="/shared/store",
    nodes=(NODE, NODE.model_copy(update={"host": "node2"})),
    silent=(),
    capacity=Capacity(there=({"CPU": 4.0},), may_start=({"CPU": 4.0, "GPU": 1.0},) * 6, most=4),
    mlflow="http://127.0.0.1:5000",
    mlflow_trouble="",
    finished={},
)


def spec(folder: Path, **resources: Any) -> Spec:
    path = folder / "study.yaml"
    path.write_text("method: benchmarks.workload:Workload\ncorpus: planted_joint\nspace: {x: {uniform: [0, 1]}}\n")
    loaded = load(str(path))
    return loaded.model_copy(update={"resources": Resources(**resources), "name": "study"})


def findings(found: Examination, folder: Path, wanted: Spec | None = None) -> dict[tuple[str, str], str]:
    return {(finding.subject, finding.state): finding.found for finding in judge(found, wanted, folder / "home")}


def other(**changed: Any) -> Examination:
    """With one node that differs."""
    return WELL.model_copy(update={"nodes": (NODE, NODE.model_copy(update={"host": "odd", **changed}))})


def test_a_cluster_that_is_well_has_nothing_to_be_said_against_it(tmp_path: Path) -> None:
    assert {state for _, state in findings(WELL, tmp_path)} == {"good"}


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (other(sees_store=False), ("node odd", "bad")),
        (other(clock=-7.5), ("node odd", "warning")),
        (other(free_disk=2**20), ("node odd", "warning")),
        (other(free_store=2**20), ("node odd", "warning")),
        (other(environment=NODE.environment.model_copy(update={"torch": "1.0"})), ("versions", "bad")),
        (other(environment=NODE.environment.model_copy(update={"code": "x"})), ("code", "bad")),
        (WELL.model_copy(update={"silent": ("10.0.0.9",)}), ("node 10.0.0.9", "bad")),
        (WELL.model_copy(update={"mlflow_trouble": "refused"}), ("MLflow", "warning")),
        (WELL.model_copy(update={"finished": {"mine": ("0123",)}}), ("study mine", "warning")),
    ],
)
def test_what_is_wrong_is_found(found: Examination, what: tuple[str, str], tmp_path: Path) -> None:
    assert what in findings(found, tmp_path)


@pytest.mark.parametrize(
    ("resources", "state", "says"),
    [
        ({"cpus": 2}, "good", "8 trials at once, each 2 CPU"),
        ({"cpus": 1, "gpus": 0.5}, "good", "8 trials at once, each 1 CPU and 0.5 GPU"),
        ({"cpus": 1, "gpus": 1, "workers": 4}, "good", "1 trials at once, each 4 workers of 1 CPU and 1 GPU"),
        (
            {"cpus": 1, "gpus": 1, "workers": 5},
            "bad",
            "a trial needs 5 workers × 1 GPU = 5, and there are 4: it could never start",
        ),
    ],
)
def test_how_many_trials_of_a_spec_can_be_placed(
    resources: dict[str, Any], state: str, says: str, tmp_path: Path
) -> None:
    assert findings(WELL, tmp_path, spec(tmp_path, **resources))["study", state] == says
