"""How many trials run at once follows the cluster, from one moment to the next."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from relab.cluster.capacity import Capacity
from relab.errors import RequestError
from relab.methods import find_method
from relab.plan import PlannedTrial, plan
from relab.records import Failure, Result, Store
from relab.running import driver
from relab.running.data import Data
from relab.running.driver import Run, drive
from relab.running.execute import Order
from relab.running.resources import slots
from relab.search import ListSource
from relab.spec import load

SPEC = """
    method: benchmarks.workload:Workload
    corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
    base: {work: sleep, seconds: 0.1}
    seeds: 5
"""


class AtOnce:
    """The most trials that ran at once, before the first one had ended and after it."""

    def __init__(self) -> None:
        self.running, self.ended_so_far = 0, 0
        self.before = self.after = 0

    def started(self, trial: PlannedTrial) -> None:
        self.running += 1
        if self.ended_so_far:
            self.after = max(self.after, self.running)
        else:
            self.before = max(self.before, self.running)

    def reported(self, trial: PlannedTrial, report: int, metrics: Mapping[str, float]) -> None:
        pass

    def ended(self, trial: PlannedTrial, outcome: Result | Failure | None) -> None:
        self.running -= 1
        self.ended_so_far += 1


def nothing_fits(ended: int) -> int:
    raise RequestError("a trial needs 1 CPU = 1, and there are 0: it could never start")


@pytest.mark.ray
@pytest.mark.parametrize(
    ("recount", "before", "after"),
    [(lambda ended: 1 + bool(ended), 1, 2), (lambda ended: 2 - bool(ended), 2, 1), (nothing_fits, 2, 2), (None, 2, 2)],
)
def test_a_node_that_joins_brings_trials_and_one_that_leaves_takes_its_own_along(
    lab: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recount: Callable[[int], int] | None,
    before: int,
    after: int,
) -> None:
    monkeypatch.setattr(driver, "RECOUNT_SECONDS", 0.0)
    spec, store = load(str(lab.spec(SPEC))), Store(tmp_path / "store")
    data, heard = Data.of(spec, find_method(spec.method), store, {}), AtOnce()
    placed = replace(slots(spec.resources, Capacity(there=({"CPU": 2.0},))), count=before)

    def order(trial: PlannedTrial) -> Order:
        return Order(trial, str(store.root), data.prepared(trial))

    trials = plan(spec, data.method, data.fingerprints()).trials
    smoke = [trial.model_copy(update={"smoke": True}) for trial in trials]  # no list is kept of what a test trains
    run = Run(store.study("s"), ListSource(smoke), order, placed, (heard,))
    if recount is not None:
        run.recount = lambda: recount(heard.ended_so_far)
    drive(run)
    assert not run.failed
    assert len(store.finished()) == 5
    assert (heard.before, heard.after) == (before, after)
