"""A method that costs a known amount of time and learns nothing: what the platform itself costs shows beside it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from relab.corpus import Corpus
from relab.method import Component, Config, Method, Objective, Scores
from relab.prepared import Prepared, Split
from relab.trial import Checkpoint, Trial


class WorkloadData(Config):
    """Nothing to prepare."""


class WorkloadConfig(Config):
    """``work`` per report: a sleep of ``seconds``, ``products`` matrix products of ``size`` × ``size``, or a score
    that is not a number."""

    data: WorkloadData = WorkloadData()
    work: Literal["nothing", "sleep", "products", "diverge"] = "nothing"
    reports: int = 1
    seconds: float = 0.0
    products: int = 0
    size: int = 256
    x: float = 0.5
    """Something to search: the score is 1 − (x − 0.7)²."""


def work(config: WorkloadConfig, generator: torch.Generator) -> torch.Tensor:
    """Do one report's share; the result depends on the generator alone."""
    matrix = torch.rand(config.size, config.size, generator=generator) if config.work == "products" else torch.zeros(1)
    if config.work == "sleep":
        time.sleep(config.seconds)
    for _ in range(config.products if config.work == "products" else 0):
        matrix = torch.nn.functional.normalize(matrix @ matrix)
    return matrix


class Workload(Method[WorkloadConfig]):
    """Trials that do nothing, sleep, or multiply matrices."""

    name: ClassVar[str] = "benchmarks.workload:Workload"
    title: ClassVar[str] = "a known amount of time"
    version: ClassVar[int] = 1
    Config = WorkloadConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {"reports": 1, "seconds": 0.0}}
    components: ClassVar[tuple[Component, ...]] = ()
    objective: ClassVar[Objective] = Objective("dev/score")
    metrics: ClassVar[tuple[str, ...]] = ("dev/score",)
    example: ClassVar[str] = "planted_joint"

    def prepare(self, corpus: Corpus[Any], data: WorkloadData) -> Prepared:
        return Prepared({"train": {}, "dev": {}})

    def train(self, config: WorkloadConfig, data: Prepared, trial: Trial) -> None:
        for report in range(config.reports):
            value = work(config, trial.rng("work", report))
            score = float("nan") if config.work == "diverge" else 1 - (config.x - 0.7) ** 2
            trial.report({"dev/score": score}, lambda value=value: Checkpoint({"model/value": value.mean()[None]}))  # type: ignore[misc]

    def evaluate(self, config: WorkloadConfig, split: Split, weights: Path) -> Scores:
        return Scores({"score": 1 - (config.x - 0.7) ** 2})
