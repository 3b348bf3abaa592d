"""From a validated spec to the trials it asks for: pure, and quick enough for a dry run of thousands."""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from relab.corpus import digest
from relab.designs import FULL, Arm, switched
from relab.fields import overlay
from relab.keys import significant, trial_key
from relab.method import Method
from relab.spaces import known_points

if TYPE_CHECKING:
    from relab.spec import Spec

SWEEP = "sweep"


class Fold(BaseModel):
    """One fold of a cross-validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    count: int


class PlannedTrial(BaseModel):
    """One training run to do, fully determined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    """Its place in the study, from 0."""
    key: str
    method: str
    arm: str
    off: tuple[str, ...] = ()
    seed: int
    fold: Fold | None = None
    config: dict[str, Any]
    """The whole resolved config."""
    parameters: dict[str, Any] = {}
    """Dotted fields that the search drew, or that the arm changed."""
    corpus: str
    """Fingerprint of the data as the trial sees them."""
    smoke: bool = False
    opens_test: bool = False


@dataclass(frozen=True)
class Plan:
    """What a study trains, as far as that is known before it runs."""

    trials: tuple[PlannedTrial, ...]
    finished: frozenset[str]
    """Keys that have a result already: they are not trained again."""
    to_draw: int = 0
    """Trials whose parameters a search will draw."""

    def frame(self) -> pl.DataFrame:
        """One row per trial."""
        return pl.DataFrame(
            [
                {
                    "number": trial.number,
                    "key": trial.key,
                    "arm": trial.arm,
                    "off": list(trial.off),
                    "seed": trial.seed,
                    "fold": None if trial.fold is None else trial.fold.index,
                    "parameters": json.dumps(trial.parameters),
                    "state": "finished" if trial.key in self.finished else "new",
                }
                for trial in self.trials
            ],
            schema={
                "number": pl.Int64,
                "key": pl.String,
                "arm": pl.String,
                "off": pl.List(pl.String),
                "seed": pl.Int64,
                "fold": pl.Int64,
                "parameters": pl.String,
                "state": pl.String,
            },
        )


@dataclass(frozen=True)
class Variant:
    """One arm, or one draw of a search, as its trials have it in common."""

    arm: Arm
    parameters: Mapping[str, Any]
    """Dotted fields, beside those that the arm changes."""
    config: Mapping[str, Any]
    """The whole resolved config."""
    significant: Mapping[str, Any]
    """What of it counts for a trial's key."""
    smoke: bool


@dataclass(frozen=True)
class Planner:
    """Makes planned trials of one study."""

    spec: "Spec"
    method: Method[Any]
    corpora: Mapping[Fold | None, str]
    """Fingerprint of the corpus, or of each fold of it."""

    def variant(self, arm: Arm, parameters: Mapping[str, Any], *, smoke: bool = False) -> Variant:
        """An arm or a draw, its config resolved and validated: once, however many seeds and folds train it."""
        settings = switched(self.spec.settings(self.method), arm)
        if smoke:
            settings = overlay(overlay(settings, self.method.presets["smoke"]), arm.changes)
        config = self.method.Config.model_validate(overlay(settings, parameters))
        return Variant(arm, parameters, config.model_dump(mode="json"), significant(config), smoke)

    def trials(self, first: int, variant: Variant, seed: int) -> list[PlannedTrial]:
        """A variant on one seed and every fold, numbered from ``first``."""
        arm, opens_test = variant.arm, self.spec.protocol == "paper" and not variant.smoke
        return [
            PlannedTrial(
                number=number,
                key=trial_key(self.method, variant.significant, fingerprint, seed, opens_test=opens_test),
                method=self.spec.method,
                arm=arm.name,
                off=arm.off,
                seed=seed,
                fold=fold,
                config=dict(variant.config),
                parameters={**arm.changes, **variant.parameters},
                corpus=fingerprint,
                smoke=variant.smoke,
                opens_test=opens_test,
            )
            for number, (fold, fingerprint) in enumerate(self.corpora.items(), first)
        ]


def plan(spec: "Spec", method: Method[Any], corpora: Mapping[Fold | None, str], finished: Container[str] = ()) -> Plan:
    """The trials of a spec, seed by seed: the arms of the first seed come first, so that differences show early.

    Numbers name a trial's place in the design. For a sweep, only what is known before it runs.
    """
    planner = Planner(spec, method, corpora)
    trials: list[PlannedTrial] = []
    to_draw = 0
    if spec.kind == "sweep":
        for point in known_points(spec, method):
            trials += planner.trials(len(trials), planner.variant(Arm(SWEEP), point), spec.seed)
        to_draw = spec.points * len(corpora) - len(trials)
    else:
        arms, variants = spec.designed(method).arms, dict[tuple[str, str], Variant]()
        for seed in spec.all_seeds:
            for arm in arms:
                own = spec.own_settings(arm, seed, method)
                name = arm.name, json.dumps(own, sort_keys=True)
                if name not in variants:
                    variants[name] = planner.variant(arm, own)
                trials += planner.trials(len(trials), variants[name], seed)
    return Plan(tuple(trials), frozenset(trial.key for trial in trials if trial.key in finished), to_draw)


OUTSIDE_REVISION = frozenset(
    {"name", "resources", "objective", "claims", "published", "search", "stop", "budget", "start_from"}
)
"""What may change between two runs of a study without beginning its list of trials anew."""


def revision(spec: "Spec", method: Method[Any], corpora: Mapping[Fold | None, str]) -> str:
    """Names the list of trials that a study keeps: another base, space, design or corpus begins a new one.

    Nothing is lost by that, since results are kept by key: what the new list shares with the old is not trained again.
    """
    settled = spec.model_dump(mode="json", exclude=set(OUTSIDE_REVISION))
    return digest(method.name, str(method.version), json.dumps(settled, sort_keys=True), *corpora.values())[:12]


def smoke_plan(spec: "Spec", method: Method[Any], corpus: str) -> Plan:
    """Every arm with the method's ``smoke`` preset, under one seed."""
    planner = Planner(spec, method, {None: corpus})
    trials: list[PlannedTrial] = []
    for arm in spec.designed(method).arms:
        trials += planner.trials(len(trials), planner.variant(arm, {}, smoke=True), 0)
    return Plan(tuple(trials), frozenset())


__all__ = ["FULL", "SWEEP", "Fold", "Plan", "PlannedTrial", "Planner", "Variant", "plan", "revision", "smoke_plan"]
