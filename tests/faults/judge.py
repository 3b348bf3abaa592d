"""What a fault did to a study, by comparison with the same study undisturbed."""

import json
import os
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from relab.records import Store
from relab.trial import TENSORS

from benchmarks.common import about
from tests.faults.walk import Witness, digests

TABLE_VARIABLE = "RELAB_FAULTS"
"""The environment variable that names the file with the table; without it none is written."""

Numbers = Mapping[str, Any]
"""By key, what the way to a result may not change."""


@dataclass(frozen=True)
class Verdict:
    """A row of the table."""

    lost: int
    """Trials that were finished when the fault happened, and whose record is gone or another one."""
    twice: int
    """Trainings begun of a trial that was finished."""
    wrong: int
    """Results with other numbers than those of the undisturbed study."""
    seconds: float
    """From the fault to the next start of a trial, the same command and what else the user has to do included."""

    @property
    def harmless(self) -> bool:
        """Whether it cost nothing but time."""
        return self.lost == self.twice == self.wrong == 0


def numbers(store: Store) -> Numbers:
    """Scores, curves and weights of all finished trials, the weights of the last epoch and of the best byte by byte."""
    found: dict[str, Any] = {}
    for key in store.finished():
        result, metrics = store.result(key), store.metrics(key)
        assert result is not None
        assert metrics is not None
        recorded = result.model_dump(include={"state", "scores", "reports", "best", "weights"})
        kept = store.trial(key) / "checkpoint"
        weights = [(kept / which / TENSORS).read_bytes() for which in ("best", "last")]
        found[key] = (recorded, metrics.rows(named=True), weights)
    return found


def judge(
    expected: Numbers, store: Store, witness: Witness, *, damaged: Container[str] = (), again: str | None = None
) -> Verdict:
    """Judge a study that has ended after the last fault that its witness saw.

    Args:
        expected: the numbers of the undisturbed study.
        store: the disturbed study's.
        witness: of all that was trained.
        damaged: keys whose own records the fault has damaged: they are to be trained again, to the same numbers.
        again: the trial whose next start counts; the first of any, if None.
    """
    fault, found, present = witness.events("fault")[-1], numbers(store), digests(store.root / "trials")
    assert fault.finished, "nothing was finished when the fault happened: nothing could be lost"
    assert set(found) == set(expected), "not every trial was trained to its end"
    kept = {key: record for key, record in fault.finished.items() if key not in damaged}
    starts = witness.events("start")
    after = [start for start in starts if start.time > fault.time]
    ended = {key: result.ended for key in found if (result := store.result(key)) is not None}
    return Verdict(
        lost=sum(present.get(key) != record for key, record in kept.items()),
        twice=sum((start in after and start.key in kept) or start.time > ended[start.key] for start in starts),
        wrong=sum(found[key] != expected[key] for key in found),
        seconds=round(min(start.time for start in after if again in {None, start.key}) - fault.time, 2),
    )


def keep(fault: str, verdict: Verdict) -> None:
    """Put a row into the table, if one is written; rows of other tests stay."""
    if name := os.environ.get(TABLE_VARIABLE):
        path = Path(name)
        rows = json.loads(path.read_text(encoding="utf-8"))["faults"] if path.exists() else {}
        table = about("make faults") | {"faults": rows | {fault: asdict(verdict)}}
        path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
