"""Which arms of a smoke run are told from the model that they are compared with."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from relab.environment import Environment
from relab.plan import PlannedTrial
from relab.records import Result, Store
from relab.running.study import equal_arms

HERE = Environment(code="c", commit="", python="3", torch="2", packages={}, device="cpu", world_size=1)
REPORTS = ({"train/loss": 0.7, "dev/f1": 0.1}, {"train/loss": 0.5, "dev/f1": 0.2})


def trained(
    store: Store, arm: str, weights: str = "w", reports: tuple[Mapping[str, float], ...] = REPORTS
) -> PlannedTrial:
    key = f"{arm:x>20}"
    store.write_metrics(key, reports)
    store.write_result(
        Result(
            key=key,
            state="finished",
            scores=dict(reports[-1]),
            reports=len(reports),
            best=len(reports),
            weights=weights,
            seconds=1.0,
            peak_memory=1,
            started=0.0,
            ended=1.0,
            environment=HERE,
        )
    )
    return PlannedTrial(number=0, key=key, method="m", arm=arm, seed=0, config={}, corpus="c")


@pytest.mark.parametrize(
    ("changes", "equal"),
    [
        ({}, True),
        ({"weights": "others"}, False),
        ({"reports": (*REPORTS[:1], {"train/loss": 0.5, "dev/f1": 0.3})}, False),
        ({"reports": ({"train/loss": 0.9, "dev/f1": 0.1}, *REPORTS[1:])}, False),
        ({"reports": (*REPORTS, *REPORTS[1:])}, False),
    ],
    ids=["nothing", "weights", "scores", "an early report", "another report"],
)
def test_an_arm_that_differs_anywhere_changes_something(tmp_path: Path, changes: dict, equal: bool) -> None:
    store = Store(tmp_path)
    trials = [trained(store, "full"), trained(store, "less", **changes)]
    assert equal_arms(trials, store, {}) == ({"less": "full"} if equal else {})


def test_an_arm_is_compared_with_the_one_that_it_names(tmp_path: Path) -> None:
    store = Store(tmp_path)
    trials = [trained(store, "full", "a"), trained(store, "one", "b"), trained(store, "other", "b")]
    assert equal_arms(trials, store, {"other": "one"}) == {"other": "one"}
    assert equal_arms(trials, store, {}) == {}
