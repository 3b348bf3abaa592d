"""A method whose second worker comes to an end, while the first one waits for it."""

import os
import signal
from typing import ClassVar

import torch
from relab.prepared import Prepared
from relab.trial import Trial

from benchmarks.workload import Workload, WorkloadConfig


class SecondFails(Workload):
    """It has an error."""

    name: ClassVar[str] = "tests.running.second_fails:SecondFails"

    def train(self, config: WorkloadConfig, data: Prepared, trial: Trial) -> None:
        if trial.rank == 1:
            raise KeyError("of the second worker")
        trial.exchange.sum(torch.ones(1))
        super().train(config, data, trial)


class SecondLost(Workload):
    """Its process dies, in the first attempt."""

    name: ClassVar[str] = "tests.running.second_fails:SecondLost"

    def train(self, config: WorkloadConfig, data: Prepared, trial: Trial) -> None:
        first_attempt = trial.folder / "first_attempt"
        if trial.rank == 1 and not first_attempt.exists():
            trial.folder.mkdir(parents=True, exist_ok=True)
            first_attempt.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        trial.exchange.sum(torch.ones(1))
        super().train(config, data, trial)
