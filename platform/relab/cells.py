"""The cells of an ablation's table that are not whole: which of an arm's seeds have failed, and of what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import polars as pl

from relab.records import FailureKind


@dataclass
class ArmCells:
    """One arm's seeds, of a sweep its settings; one with folds is finished when all of them are."""

    asked: int = 0
    finished: int = 0
    failed: dict[FailureKind, int] = field(default_factory=dict)
    """By the class of its last attempt, how many have failed and were not trained since. One whose folds failed in
    different ways counts under each."""

    def __str__(self) -> str:
        failed = "".join(f", {number} {kind}" for kind, number in sorted(self.failed.items()))
        return f"{self.finished}/{self.asked}{failed}"


def failed_cells(frame: pl.DataFrame) -> Mapping[str, ArmCells]:
    """Every arm of a study's frame (``StudyStore.frame``), in the order in which they were asked for.

    A trial that was stopped early is at its end, and counts as finished. Of adaptive seeds those are asked for that a
    look went on to; of a run that was interrupted those that were begun.
    """
    repeats: dict[tuple[str, int, str], list[tuple[str, str | None]]] = {}
    for row in frame.iter_rows(named=True):
        repeat = (row["arm"], row["seed"], row["parameters"])
        repeats.setdefault(repeat, []).append((row["state"], row["failure"]))
    cells: dict[str, ArmCells] = {}
    for (arm, _, _), trials in repeats.items():
        cell = cells.setdefault(arm, ArmCells())
        cell.asked += 1
        cell.finished += all(state in {"finished", "pruned"} for state, _ in trials)
        for kind in sorted({failure for state, failure in trials if state == "failed" and failure is not None}):
            known = cast(FailureKind, kind)
            cell.failed[known] = cell.failed.get(known, 0) + 1
    return cells
