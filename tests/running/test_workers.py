"""A trial is the same wherever it runs: this process, a fresh one, a reused actor, a worker group."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from relab.methods import find_method
from relab.plan import PlannedTrial, plan
from relab.records import Result, Store
from relab.running.data import Data
from relab.running.driver import Run, drive
from relab.running.execute import Order, execute
from relab.running.resources import DRIVER_ALONE, slots
from relab.search import ListSource
from relab.spec import Spec, load

SPEC = """
    method: joint_head_selection
    corpus: {name: planted_joint, train: 24, dev: 12, test: 12}
    preset: smoke
    base: {adversarial: {enabled: true}, encoder: {layers: 1, hidden: 8}}
    seeds: 3
"""


def planned(spec: Spec, store: Store) -> tuple[Data, list[PlannedTrial]]:
    method = find_method(spec.method)
    data = Data.of(spec, method, store, {})
    return data, list(plan(spec, method, data.fingerprints()).trials)


def ignore(number: int, metrics: Mapping[str, float], history: object) -> None:
    """Nobody listens."""


def train_all(lab: Any, store: Store, *, worker_group: bool = False, seeds: int = 3) -> dict[str, Result]:
    """Train one after the other on Ray, so that the second and third trial reuse the first one's actor."""
    spec = load(str(lab.spec(SPEC)), seeds=seeds)
    data, trials = planned(spec, store)

    def order(trial: PlannedTrial) -> Order:
        return Order(trial, str(store.root), data.prepared(trial), worker_group=worker_group)

    study = store.study("direct")
    placed = replace(slots(spec.resources, {"CPU": 2.0}), count=1)
    if worker_group:  # the group asks for its own processor
        placed = replace(placed, per_trial=DRIVER_ALONE)
    smoke = [trial.model_copy(update={"smoke": True}) for trial in trials]  # no list is kept of what a test trains
    run = Run(study, ListSource(smoke), order, placed, ())
    drive(run)
    assert not run.failed, run.failed[0].traceback
    return {trial.key: result for trial in trials if (result := store.result(trial.key)) is not None}


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
    group = train_all(lab, Store(tmp_path / "group"), worker_group=True, seeds=1)
    assert same(group[trials[0].key], local)
