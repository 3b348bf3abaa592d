"""A method whose second worker has an error, while the first one waits for it."""

from typing import ClassVar

import torch
from relab.prepared import Prepared
from relab.trial import Trial

from benchmarks.workload import Workload, WorkloadConfig


class SecondFails(Workload):
    name: ClassVar[str] = "tests.running.second_fails:SecondFails"

    def train(self, config: WorkloadConfig, data: Prepared, trial: Trial) -> None:
        if trial.rank == 1:
            raise KeyError("of the second worker")
        trial.exchange.sum(torch.ones(1))
        super().train(config, data, trial)
