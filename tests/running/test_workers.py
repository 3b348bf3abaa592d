"""A trial is the same wherever it runs: this process, a fresh one, a reused actor, a worker group."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray.train import WorkerGroupError
from relab.cluster.capacity import Capacity
from relab.environment import environment
from relab.exchange import ExchangeFailed
from relab.methods import find_method
from relab.plan import PlannedTrial, plan
from relab.records import Failure, FailureKind, Result, Store
from relab.running.data import Data
from relab.running.driver import Run, drive
from relab.running.execute import Order, execute
from relab.running.resources import DRIVER_ALONE, slots
from relab.running.worker import WorkerFailed, failure_of
from relab.search import ListSource
from relab.spec import Spec, load

SPEC = """
    method: joint_head_selection
    corpus: {name: planted_joint, train: 24, dev: 12, test: 12}
    preset: smoke
    base: {adversarial: {enabled: true}, encoder: {layers: 1, hidden: 8}}
    seeds: 3
"""

WORKLOAD = """
    method: benchmarks.workload:Workload
    corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
"""


def planned(spec: Spec, store: Store) -> tuple[Data, list[PlannedTrial]]:
    method = find_method(spec.method)
    data = Data.of(spec, method, store, {})
    return data, list(plan(spec, method, data.fingerprints()).trials)


def ignore(number: int, metrics: Mapping[str, float], history: object) -> None:
    """Nobody listens."""


def train_all(lab: Any, store: Store, *, group_of: int | None = None, seeds: int = 3) -> dict[str, Result]:
    """Train one after the other on Ray, so that the second and third trial reuse the first one's actor."""
    run, trials = run_of(lab, SPEC, store, group_of, seeds)
    drive(run)
    assert not run.failed, run.failed[0].traceback
    return {trial.key: result for trial in trials if (result := store.result(trial.key)) is not None}


def run_of(lab: Any, text: str, store: Store, group_of: int | None, seeds: int) -> tuple[Run, list[PlannedTrial]]:
    spec = load(str(lab.spec(text)), seeds=seeds)
    data, trials = planned(spec, store)

    def order(trial: PlannedTrial) -> Order:
        prepared = data.prepared(trial)
        return Order(trial, str(store.root), prepared, workers=group_of or 1, worker_group=group_of is not None)

    study = store.study("direct")
    placed = replace(slots(spec.resources, Capacity(there=({"CPU": 2.0},))), count=1)
    if group_of is not None:  # the group asks for its own processors
        placed = replace(placed, per_trial=DRIVER_ALONE)
    smoke = [trial.model_copy(update={"smoke": True}) for trial in trials]  # no list is kept of what a test trains
    return Run(study, ListSource(smoke), order, placed, ()), trials


def driven_by_two(lab: Any, text: str, store: Store) -> tuple[Run, PlannedTrial]:
    """A run of one trial with two workers, at its end."""
    run, (trial,) = run_of(lab, text, store, 2, 1)
    drive(run)
    return run, trial


def second(method: str) -> str:
    """The workload as one of the methods whose second worker comes to an end."""
    return WORKLOAD.replace("benchmarks.workload:Workload", f"tests.running.second_fails:{method}")


def same(a: Result, b: Result) -> bool:
    return (a.weights, a.scores, a.reports, a.best) == (b.weights, b.scores, b.reports, b.best)


@pytest.mark.ray
def test_a_reused_actor_equals_a_fresh_process(lab: Any, tmp_path: Path) -> None:
    reused = train_all(lab, Store(tmp_path / "reused"))
    assert len(reused) == 3
    spec = lab.spec(SPEC)
    for seed, key in enumerate(reused):
        command = [sys.executable, "-m", "relab", "train", str(spec), "--here", "--set", f"seeds=[{seed}]"]
        subprocess.run([*command, "--store", str(tmp_path / "fresh")], check=True, capture_output=True)
        fresh = Store(tmp_path / "fresh").result(key)
        assert fresh is not None
        assert same(fresh, reused[key])


@pytest.mark.ray
def test_the_engine_and_the_trainables_of_a_worker_are_this_checkouts(local_ray: None) -> None:
    from relab.environment import code_digest

    @ray.remote
    def look() -> tuple[str, str, str]:
        import platform

        from relab.environment import code_digest

        return platform.python_version(), str(platform.__file__), code_digest()

    version, file, digest = ray.get(look.remote())
    assert version == ".".join(map(str, sys.version_info[:3]))
    assert Path(file).name == "platform.py"
    assert digest == code_digest()


@pytest.mark.group
def test_one_worker_in_a_worker_group_equals_one_in_local_mode(lab: Any, tmp_path: Path) -> None:
    local_store = Store(tmp_path / "local")
    data, trials = planned(load(str(lab.spec(SPEC)), seeds=1), local_store)
    local = execute(Order(trials[0], str(local_store.root), data.prepared(trials[0])), ignore)
    group = train_all(lab, Store(tmp_path / "group"), group_of=1, seeds=1)
    assert same(group[trials[0].key], local)


@pytest.mark.group
def test_two_workers_in_a_worker_group_train_what_one_does(lab: Any, tmp_path: Path) -> None:
    """In single precision, to which sums in another order are close; tests/trainables has the exact comparison."""
    local_store = Store(tmp_path / "local")
    data, trials = planned(load(str(lab.spec(SPEC)), seeds=1), local_store)
    local = execute(Order(trials[0], str(local_store.root), data.prepared(trials[0])), ignore)
    group = train_all(lab, Store(tmp_path / "group"), group_of=2, seeds=1)[trials[0].key]
    assert group.environment.world_size == 2 and group.reports == local.reports
    assert group.scores["train/loss"] == pytest.approx(local.scores["train/loss"], rel=1e-3)


@pytest.mark.group
def test_a_worker_group_ends_with_its_first_worker(lab: Any, tmp_path: Path) -> None:
    """The error is recorded once, by its class, and is not tried again as that of a worker that was lost."""
    diverge = WORKLOAD + "    base: {work: diverge}\n"
    store = Store(tmp_path / "store")
    run, trial = driven_by_two(lab, diverge, store)
    assert [failure.kind for failure in store.failures(trial.key)] == ["not a number"]
    assert [failure.kind for failure in run.failed] == ["not a number"]


@pytest.mark.group
def test_an_error_of_a_later_worker_is_recorded_as_what_it_is(lab: Any, tmp_path: Path) -> None:
    """And not as a worker that was lost, whose trial would be tried again."""
    store = Store(tmp_path / "store")
    run, trial = driven_by_two(lab, second("SecondFails"), store)
    assert [failure.kind for failure in store.failures(trial.key)] == ["error"]
    assert [failure.message for failure in run.failed] == ["KeyError: 'of the second worker'"]
    assert "second_fails.py" in run.failed[0].traceback


@pytest.mark.group
def test_a_trial_whose_later_worker_was_lost_is_tried_again(lab: Any, tmp_path: Path) -> None:
    """The first worker's error is that its connection was closed, and not what is recorded."""
    store = Store(tmp_path / "store")
    run, trial = driven_by_two(lab, second("SecondLost"), store)
    assert [failure.kind for failure in store.failures(trial.key)] == ["preempted"]
    assert not run.failed and store.result(trial.key) is not None


def group_error(*errors: Exception) -> WorkerGroupError:
    return WorkerGroupError("the group has failed", dict(enumerate(errors)))


def worker_failed(kind: FailureKind, ended: float, *, superseded: bool = False) -> WorkerFailed:
    failed = Failure(
        key="a" * 20,
        kind=kind,
        message=kind,
        traceback="",
        seconds=1.0,
        ended=ended,
        environment=environment(torch.device("cpu"), 2),
    )
    return WorkerFailed(failed.model_dump_json(), superseded)


def test_what_is_recorded_of_a_group_is_its_first_error_that_is_not_another_workers() -> None:
    late, early, gone = worker_failed("error", 9.0), worker_failed("not a number", 3.0), ExchangeFailed("closed")
    kinds = [failure_of(group_error(*errors))[0].kind for errors in ([gone, late], [late, early], [early, gone, late])]
    assert kinds == ["error", "not a number", "not a number"]
    _, superseded = failure_of(group_error(worker_failed("error", 1.0, superseded=True), late))
    assert superseded


@pytest.mark.parametrize("errors", [[], [ExchangeFailed("closed")], [worker_failed("error", 1.0), OSError("gone")]])
def test_a_lost_worker_is_no_failure_of_the_trial(errors: list[Exception]) -> None:
    with pytest.raises(WorkerGroupError):
        failure_of(group_error(*errors))
