"""The judge sees what it is there for."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from relab.environment import Environment
from relab.records import RESULT, Result, Store
from relab.trial import Checkpoint

from tests.faults.judge import Numbers, judge, numbers
from tests.faults.walk import Event, Witness, digests

HERE = Environment(code="c", commit="", python="3", torch="2", packages={}, device="cpu", world_size=1)
FAULT = 100.0


def train(store: Store, key: str, ended: float, weight: float = 1.0, score: float = 0.5) -> None:
    """What a trial leaves that ends then."""
    store.write_metrics(key, [{"dev/score": score}])
    for which in ("best", "last"):
        Checkpoint({"model/w": torch.tensor([weight])}).save(store.trial(key) / "checkpoint" / which, {})
    values = {"key": key, "state": "finished", "scores": {"dev/score": score}, "reports": 1, "best": 0, "weights": "w"}
    values |= {"seconds": 1.0, "peak_memory": 1, "started": ended - 1, "ended": ended, "environment": HERE}
    store.write_result(Result.model_validate(values))


class Ended:
    """A study of two trials: ``a`` ends before the fault, ``b`` is begun again after it."""

    def __init__(self, folder: Path) -> None:
        self.store, self.witness = Store(folder / "store"), Witness(folder)
        train(self.store, "a", FAULT - 1)
        self.note("start", "a", FAULT - 3)
        self.note("start", "b", FAULT - 2)
        self.note("fault", "", FAULT, digests(self.store.root / "trials"))
        self.note("start", "b", FAULT + 2)
        train(self.store, "b", FAULT + 4)
        self.expected: Numbers = numbers(self.store)

    def note(self, what: str, key: str, time: float, finished: dict[str, str] | None = None) -> None:
        with (self.witness.folder / "log").open("a") as log:
            log.write(json.dumps(asdict(Event(what, key, 0, 1, time, finished or {}))) + "\n")

    def harm(self, *damaged: str) -> tuple[int, int, int]:
        verdict = judge(self.expected, Store(self.store.root), self.witness, damaged=damaged)
        assert verdict.seconds == 2.0
        assert verdict.harmless == ((verdict.lost, verdict.twice, verdict.wrong) == (0, 0, 0))
        return verdict.lost, verdict.twice, verdict.wrong


@pytest.fixture
def study(tmp_path: Path) -> Ended:
    return Ended(tmp_path)


def test_what_goes_on_is_harmless(study: Ended) -> None:
    assert study.harm() == (0, 0, 0)


def test_a_record_in_place_of_another_is_a_lost_one_unless_the_fault_damaged_it(study: Ended) -> None:
    shutil.rmtree(study.store.trial("a"))
    train(study.store, "a", FAULT + 5)
    assert study.harm() == (1, 0, 0)
    assert study.harm("a") == (0, 0, 0)


def test_a_record_that_is_gone_is_no_end_of_a_study(study: Ended) -> None:
    (study.store.trial("a") / RESULT).unlink()
    with pytest.raises(AssertionError, match="not every trial"):
        study.harm()


@pytest.mark.parametrize("key", ["a", "b"])  # finished before the fault, and after it
def test_a_start_of_what_is_finished_is_one_too_many(study: Ended, key: str) -> None:
    study.note("start", key, FAULT + 10)
    assert study.harm() == (0, 1, 0)


@pytest.mark.parametrize("change", [{"weight": 1.0000001}, {"score": 0.5000001}])
def test_other_weights_and_other_scores_are_wrong(study: Ended, change: dict[str, float]) -> None:
    shutil.rmtree(study.store.trial("b"))
    train(study.store, "b", FAULT + 4, **change)
    assert study.harm() == (0, 0, 1)


def test_a_fault_before_anything_is_finished_shows_nothing(study: Ended) -> None:
    study.note("fault", "", FAULT + 1)
    with pytest.raises(AssertionError, match="nothing was finished"):
        study.harm()
