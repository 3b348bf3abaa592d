"""What a spec says, once it is known to be right: frozen, typed, with the defaults filled in."""

import itertools
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, TypeAdapter, field_validator, model_validator

from relab.claims import WrittenClaim
from relab.designs import DESIGNS, FULL, Arm, Design
from relab.fields import flatten, nested, overlay
from relab.method import Config, Method, Objective

Number = int | float


class CorpusReference(Config):
    """A corpus by name, with its reader's options."""

    name: str
    options: dict[str, Any] = {}


class Resources(Config):
    """What one worker of a trial gets, how many workers a trial has, and how long it may take."""

    cpus: float = Field(1, gt=0)
    gpus: float = Field(0, ge=0)
    workers: int = Field(1, ge=1)
    hours: float | None = Field(None, gt=0)
    """Of one trial, its attempts together. It is looked at after each report, so that a trial which never reports again
    is not ended by it."""

    @model_validator(mode="after")
    def _one_gpu_each(self) -> Self:
        in_all = f"{self.workers} × {self.gpus:g} GPU"
        if self.gpus > 1:
            raise ValueError(f"{in_all}: a worker trains on one GPU, and {self.gpus:g} are `gpus: 1` of more `workers`")
        if self.workers > 1 and self.gpus % 1:
            whole = f"`gpus: 1`, {self.workers} in all, or `workers: 1`"
            raise ValueError(
                f"{in_all} = {self.workers * self.gpus:g}: each of several workers needs a whole one; {whole}"
            )
        return self


class ObjectiveChoice(Config):
    """The metric to search for, and its direction."""

    metric: str
    mode: Literal["max", "min"] = "max"


class Dimension(Config):
    """The values that a search may give one field: exactly one of the five forms."""

    choice: tuple[Any, ...] | None = None
    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    int: tuple[Number, Number] | None = None
    logint: tuple[Number, Number] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(forms) != 1:
            raise ValueError("give exactly one of choice, uniform, loguniform, int, logint")
        form = forms[0]
        if form == "choice":
            if not self.choice:
                raise ValueError("a choice needs at least one value")
            if len({json.dumps(value, sort_keys=True, default=str) for value in self.choice}) < len(self.choice):
                raise ValueError("a value of the choice comes twice")
            return self
        low, high = getattr(self, form)
        if form in {"int", "logint"} and not (float(low).is_integer() and float(high).is_integer()):
            raise ValueError(f"{form} needs whole numbers")
        if low >= high:
            raise ValueError(f"the lower end {low:g} is not below the upper end {high:g}")
        if form.startswith("log") and low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, not at {low:g}")
        return self

    @property
    def form(self) -> str:
        """Which of the five forms it has."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def probes(self) -> tuple[Any, ...]:
        """Values that show whether a field accepts the whole dimension: every choice, or both ends."""
        if self.choice is not None:
            return self.choice
        low, high = getattr(self, self.form)
        return (int(low), int(high)) if self.form in {"int", "logint"} else (low, high)

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the dimension."""
        if self.choice is not None:
            return value in self.choice
        low, high = self.probes
        return isinstance(value, Number) and low <= value <= high


class Search(Config):
    """How the next configuration is chosen."""

    algorithm: Literal["tpe", "random", "grid", "bisect"] = "tpe"
    seed: int = 0


class Stop(Config):
    """When a trial of a sweep is stopped early: ``asha`` is successive halving from report ``grace`` on."""

    rule: Literal["none", "asha"] = "none"
    grace: int = Field(1, ge=1)
    reduction: int = Field(3, ge=2)


TRIALS = 20
"""Of a search whose spec does not say."""


class Budget(Config):
    """How much a sweep may train; ``hours`` counts each run of the command anew and starts no trial after its end."""

    trials: int | None = Field(None, ge=1)
    """20 unless it says otherwise; of a grid all points."""
    hours: float | None = Field(None, gt=0)


class BaseSpec(Config):
    """What every spec says."""

    kind: ClassVar[Literal["sweep", "ablation", "training"]]
    name: str = ""
    """Of the study; the file's stem unless ``--study`` says otherwise."""
    method: str
    corpus: CorpusReference
    vectors: str | None = None
    preset: str | None = None
    base: dict[str, Any] = {}
    """Fields of the method's config, nested or dotted, over the preset and the defaults."""
    protocol: Literal["clean", "paper"] = "clean"
    folds: int | None = Field(None, ge=3)
    resources: Resources = Resources()
    objective: ObjectiveChoice | None = None

    @field_validator("corpus", mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping):
            return {"name": value.get("name"), "options": {k: v for k, v in value.items() if k != "name"}}
        return value

    @field_validator("vectors", mode="before")
    @classmethod
    def _no_vectors(cls, value: Any) -> Any:
        return None if value == "none" else value

    def settings(self, method: Method[Any]) -> dict[str, Any]:
        """The preset with ``base`` over it: what a config is validated from."""
        return overlay(nested(method.presets[self.preset] if self.preset else {}), self.base)

    def aim(self, method: Method[Any]) -> Objective:
        """The objective: the spec's own, else the method's."""
        return method.objective if self.objective is None else Objective(self.objective.metric, self.objective.mode)

    def designed(self, method: Method[Any]) -> Design:
        """The variants to train; without a design the full configuration alone."""
        return Design((Arm(FULL),))

    def single(self) -> "TrainingSpec":
        """The base configuration alone, on the first seed."""
        shared = {name: getattr(self, name) for name in BaseSpec.model_fields}
        return TrainingSpec(**shared, seeds=self.all_seeds[:1])

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds of training."""
        return (0,)

    def own_settings(self, arm: Arm, seed: int, method: Method[Any]) -> Mapping[str, Any]:
        """Dotted fields of one arm on one seed, beside those that the arm changes: what its own search has found."""
        return {}


class Searched(BaseSpec):
    """What a spec with a search says of it."""

    space: dict[str, Dimension] = Field(min_length=1)
    search: Search = Search()
    stop: Stop = Stop()
    budget: Budget = Budget()
    start_from: tuple[str, ...] = ()
    """Presets whose settings are tried first."""


class SweepSpec(Searched):
    """A search."""

    kind = "sweep"
    seed: int = 0
    """Of every training run: a sweep compares settings under one seed."""

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return (self.seed,)

    @property
    def points(self) -> int:
        """Settings to train: the budget, and no more than a space of choices has. A grid is cut on purpose only."""
        everything = math.prod(math.inf if d.choice is None else len(d.choice) for d in self.space.values())
        if self.search.algorithm == "grid" and self.budget.trials is None:
            return int(everything)
        return int(min(self.budget.trials or TRIALS, everything))


MOST_SEEDS = 10_000
"""A number of seeds is written out as a tuple of them."""


def _seeds(value: Any) -> Any:
    if isinstance(value, int) and value > MOST_SEEDS:
        raise ValueError(f"{value} seeds, more than {MOST_SEEDS:,}")
    return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else value


def _distinct(value: Any) -> Any:
    if isinstance(value, tuple) and len(set(value)) < len(value):
        raise ValueError("a seed comes twice")
    return value


_SEPARATED = re.compile(r"[^\w.]+", re.ASCII)
"""What stands between the words of a study's name."""

Seeds = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_distinct)]


class AdaptiveSeeds(Config):
    """As many seeds as a verdict needs: after each look, the arms that are settled get no more of them."""

    looks: tuple[int, ...] = Field(min_length=1)
    """Numbers of seeds, increasing; Jennison & Turnbull's group-sequential test (docs/comparing.md)."""

    @field_validator("looks")
    @classmethod
    def _increasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value[-1] > MOST_SEEDS:
            raise ValueError(f"{value[-1]} seeds, more than {MOST_SEEDS:,}")
        if any(b <= a for a, b in itertools.pairwise((1, *value))):
            raise ValueError(f"looks are increasing numbers of seeds, at least 2 each, not {list(value)}")
        return value


class ArmChoice(Config):
    """A named arm of the design ``arms``: components to turn off, fields to set."""

    off: tuple[str, ...] = ()
    set: dict[str, Any] = {}


class AblationSpec(BaseSpec):
    """An ablation."""

    kind = "ablation"
    design: Literal["leave_one_out", "add_one", "cumulative", "pairs", "full", "arms"]
    components: tuple[str, ...] | None = None
    named: dict[str, ArmChoice] = Field({}, alias="arms")
    seeds: Seeds | AdaptiveSeeds = (0,)
    claims: tuple[WrittenClaim, ...] = ()
    """What the study is to show of its arms; each is judged, and the exit status says if one is reversed."""
    published: str | None = None

    @field_validator("seeds", mode="wrap")
    @classmethod
    def _either(cls, value: Any, _: Any) -> Any:
        """By its form, so that a mistake is told of the one that was meant."""
        kind: Any = AdaptiveSeeds if isinstance(value, Mapping | AdaptiveSeeds) else Seeds
        return TypeAdapter(kind).validate_python(_seeds(value))

    @property
    def looks(self) -> tuple[int, ...]:
        """Of adaptive seeds; none where their number is fixed."""
        return self.seeds.looks if isinstance(self.seeds, AdaptiveSeeds) else ()

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Every seed that an arm may be trained on."""
        return tuple(range(self.seeds.looks[-1])) if isinstance(self.seeds, AdaptiveSeeds) else self.seeds

    def designed(self, method: Method[Any]) -> Design:
        known = {component.name: component for component in method.components}
        if self.design != "arms":
            return DESIGNS[self.design](
                [known[name] for name in (known if self.components is None else self.components)]
            )
        arms = [Arm(FULL)]
        for name, choice in self.named.items():
            changes: dict[str, Any] = {}
            for component in choice.off:
                changes |= known[component].off
            arms.append(Arm(name, choice.off, changes | choice.set))
        return Design(tuple(arms))


class TrainingSpec(BaseSpec):
    """A configuration to train, nothing varied."""

    kind = "training"
    seeds: Seeds = (0,)

    _count = field_validator("seeds", mode="before")(_seeds)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return self.seeds


class TunedSpec(Searched, AblationSpec):
    """A search, and an ablation around what it finds best."""

    tune: Literal["once", "each_arm", "each_repeat"] = "once"
    """Who is searched for: the full model alone, whose winner all arms are trained with; each arm, with the same
    number of trials; each arm anew for each of its seeds (Bouthillier et al., MLSys 2021: a repeat draws its search
    too)."""
    seed: int = 1000
    """Of every training run of the search. No arm is trained on it: what its winner owes to chance there would count as
    the full model's."""

    def searches(self, method: Method[Any]) -> list[SweepSpec]:
        """What is searched before an arm is trained, each a study of its own."""
        found: dict[str, SweepSpec] = {}
        for seed in self.all_seeds:
            for arm in self.designed(method).arms:
                search = self.search_for(arm, seed, method)
                if search is not None:
                    found.setdefault(search.name, search)
        return list(found.values())

    def search_for(self, arm: Arm, seed: int, method: Method[Any]) -> SweepSpec | None:
        """The search whose winner an arm is trained with on a seed; None where the arm leaves nothing to search.

        Its trials never open the test split, whatever the protocol.
        """
        own, repeat = self.tune != "once", seed if self.tune == "each_repeat" else 0
        space = still_read(self.space, arm, method) if own else self.space
        if not space:
            return None
        parts = {"once": (), "each_arm": (arm.name,), "each_repeat": (arm.name, str(seed))}[self.tune]
        shared = {field: getattr(self, field) for field in Searched.model_fields}
        return SweepSpec(
            **shared
            | {
                "name": _SEPARATED.sub("-", "-".join((self.name, "search", *parts))),
                "base": overlay(self.base, arm.changes) if own else self.base,
                "protocol": "clean",
                "space": space,
                "search": self.search.model_copy(update={"seed": self.search.seed + repeat}),
                "seed": self.seed + repeat,
            }
        )

    def settled(self, winners: Mapping[str, Mapping[str, Any]]) -> "SettledSpec":
        """The ablation to train once every search has a winner."""
        found = restored({**self.model_dump(mode="json", by_alias=True), "winners": winners})
        assert isinstance(found, SettledSpec)
        return found


class SettledSpec(TunedSpec):
    """An ablation whose hyperparameters were searched for. No file says this: ``TunedSpec.settled`` makes it."""

    winners: dict[str, dict[str, Any]]
    """Name of each search → the fields of its best setting."""

    def settings(self, method: Method[Any]) -> dict[str, Any]:
        base = super().settings(method)
        if self.tune != "once":
            return base
        (winner,) = self.winners.values()
        return overlay(base, winner)

    def own_settings(self, arm: Arm, seed: int, method: Method[Any]) -> Mapping[str, Any]:
        search = None if self.tune == "once" else self.search_for(arm, seed, method)
        return {} if search is None else self.winners[search.name]


def still_read(space: Mapping[str, Dimension], arm: Arm, method: Method[Any]) -> dict[str, Dimension]:
    """The dimensions of a space that mean something to an arm.

    Not those that the arm sets itself, nor those of a part whose ``enabled`` it turns off, nor those that a component
    which it takes away says nothing else reads.
    """
    changes = dict(flatten(nested(arm.changes)))
    gone = set(changes) | {name.removesuffix(".enabled") for name, value in changes.items() if value is False}
    for component in method.components:
        if component.name in arm.off:
            gone |= set(component.silences)
    return {name: each for name, each in space.items() if not any(f"{name}.".startswith(f"{part}.") for part in gone)}


Spec = SweepSpec | AblationSpec | TrainingSpec


def kind_of(values: Mapping[str, Any]) -> type[Spec]:
    """Which kind of spec a mapping is: a search has a ``space``, an ablation a ``design``; with both it does both."""
    if "space" in values:
        return TunedSpec if "design" in values else SweepSpec
    if "design" in values:
        return AblationSpec
    return TrainingSpec


def restored(recorded: Mapping[str, Any]) -> Spec:
    """The spec that a study was run with, from ``Description.spec``."""
    kind = SettledSpec if "winners" in recorded else kind_of(recorded)
    corpus = recorded["corpus"]
    return kind.model_validate({**recorded, "corpus": {"name": corpus["name"], **corpus["options"]}})


SHIPPED_FOLDERS = ("search_spaces", "ablations")


def shipped_folders() -> tuple[Path, ...]:
    """Where the shipped specs lie: beside the checkout's ``platform``, else inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parents[1]
    root = checkout if (checkout / "platform" / "relab").is_dir() else package / "_shipped"
    return tuple(root / folder for folder in SHIPPED_FOLDERS)
