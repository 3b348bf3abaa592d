"""A method whose components have known effects, and whose workers die when told to: what an ablation must find."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from relab.corpus import Corpus
from relab.method import Component, Config, Method, Objective, Scores
from relab.prepared import Prepared, Split
from relab.trial import Checkpoint, Trial

SINGLE = {"first": 0.05, "second": 0.02, "third": 0.0}
"""What each component adds to the score."""
TOGETHER = 0.03
"""What the first and the second add beyond that, if both are on."""
SEED_NOISE, ARM_NOISE = 0.02, 0.002
"""Standard deviations: of what all arms of a seed share, and of what each has for itself."""


class EffectsData(Config):
    """Nothing to prepare."""


class EffectsConfig(Config):
    data: EffectsData = EffectsData()
    first: bool = True
    second: bool = True
    third: bool = True
    unread: bool = True
    """Changes nothing."""
    deaths: float = 0.0
    """Chance that a trial's worker is killed in the first attempt."""


def score(config: EffectsConfig) -> float:
    """The score of a configuration without noise."""
    single = sum(value for name, value in SINGLE.items() if getattr(config, name))
    return 0.5 + single + (TOGETHER if config.first and config.second else 0.0)


class KnownEffects(Method[EffectsConfig]):
    """One report: the configuration's score with noise."""

    name: ClassVar[str] = "benchmarks.known_effects:KnownEffects"
    title: ClassVar[str] = "components with known effects"
    version: ClassVar[int] = 1
    Config = EffectsConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {"deaths": 0.0}}
    components: ClassVar[tuple[Component, ...]] = (
        *(Component(name, {name: False}, f"no {name}") for name in SINGLE),
        Component("unread", {"unread": False}, "a field that nobody reads"),
        Component("misspelt", {"frist": False}, "a field that is not there"),
    )
    objective: ClassVar[Objective] = Objective("dev/score")
    metrics: ClassVar[tuple[str, ...]] = ("dev/score",)
    example: ClassVar[str] = "planted_joint"

    def prepare(self, corpus: Corpus[Any], data: EffectsData) -> Prepared:
        return Prepared({"train": {}, "dev": {}})

    def train(self, config: EffectsConfig, data: Prepared, trial: Trial) -> None:
        once = trial.folder / "died"
        if not once.exists() and float(torch.rand(1, generator=trial.rng("death", str(config)))) < config.deaths:
            once.parent.mkdir(parents=True, exist_ok=True)
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        own = trial.rng("own", *(str(getattr(config, name)) for name in SINGLE))
        noise = SEED_NOISE * torch.randn(1, generator=trial.rng("shared")) + ARM_NOISE * torch.randn(1, generator=own)
        trial.report({"dev/score": score(config) + float(noise)}, lambda: Checkpoint({"model/value": noise}))

    def evaluate(self, config: EffectsConfig, split: Split, weights: Path) -> Scores:
        return Scores({"score": score(config)})
