"""A method that fails in a chosen way, each of which an engine has to tell from the others."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from relab.corpus import Corpus
from relab.method import Component, Config, Method, Objective, Scores
from relab.prepared import Prepared, Split
from relab.trial import Checkpoint, Trial

REPORTS = 4
SECONDS, SLOW = 0.3, 6.0
"""Of a report, and of the first report of a slow trial."""


class FailuresData(Config):
    """Nothing to prepare."""


class FailuresConfig(Config):
    """``memory``: there is none at first, and none beside another trial; ``worker``: it dies once."""

    data: FailuresData = FailuresData()
    fails: Literal["nothing", "memory", "diverge", "error", "worker", "slow"] = "nothing"


class KnownFailures(Method[FailuresConfig]):
    """Counts its reports."""

    name: ClassVar[str] = "benchmarks.known_failures:KnownFailures"
    title: ClassVar[str] = "failures of a known class"
    version: ClassVar[int] = 1
    Config = FailuresConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {}}
    components: ClassVar[tuple[Component, ...]] = ()
    objective: ClassVar[Objective] = Objective("dev/score")
    metrics: ClassVar[tuple[str, ...]] = ("dev/score",)
    example: ClassVar[str] = "planted_joint"

    def prepare(self, corpus: Corpus[Any], data: FailuresData) -> Prepared:
        return Prepared({"train": {}, "dev": {}})

    def train(self, config: FailuresConfig, data: Prepared, trial: Trial) -> None:
        found = trial.resume()
        running = trial.folder / "running"
        running.parent.mkdir(parents=True, exist_ok=True)
        running.touch()
        try:
            for report in range(0 if found is None else found.progress["reports"], REPORTS):
                time.sleep(SLOW if config.fails == "slow" and report == 0 else SECONDS)
                fail(config.fails, report, trial)
                score = float("nan") if config.fails == "diverge" and report == 1 else report / REPORTS
                state = Checkpoint({"model/value": torch.tensor([score])}, {"reports": report + 1})
                trial.report({"dev/score": score}, lambda state=state: state)  # type: ignore[misc]
        finally:
            running.unlink()

    def evaluate(self, config: FailuresConfig, split: Split, weights: Path) -> Scores:
        return Scores({"score": float(Checkpoint.load(weights).weights()["value"])})


def fail(how: str, report: int, trial: Trial) -> None:
    """Fail if it is time to."""
    again = trial.folder / "again"
    first = not again.exists()
    again.touch()
    if how == "memory" and (first or len(list(trial.folder.parent.glob("*/running"))) > 1):
        raise MemoryError
    if how == "error" and report == 1:
        raise ValueError("an error of the method")
    if how == "worker" and first:
        (trial.folder / "running").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
