"""The contract between the engine and a training method.

A method is one class: its config, its presets, its components, and three functions. The engine decides when and where
they run, under which seed and on which device; the method decides everything about learning.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from relab.corpus import Corpus
    from relab.prepared import Prepared, Split
    from relab.trial import Trial


class Config(BaseModel):
    """Base of every config: immutable, finite, and without a place for a misspelt field.

    A field that cannot change a result (the size of an evaluation batch, say) carries
    ``Field(json_schema_extra={"changes_results": False})`` and stays out of a trial's key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Component:
    """A part of a method that an ablation can take away.

    ``off`` maps dotted config fields to the values that remove the part; ``requires`` and ``conflicts`` name components
    that must be on, or off, for this one to mean anything; ``silences`` names fields, or groups of them, that nothing
    reads without the part, beside those below an ``enabled`` that ``off`` sets to false.
    """

    name: str
    off: Mapping[str, Any]
    prose: str
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    silences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Objective:
    """The metric that decides between two trials, and its direction."""

    metric: str
    mode: Literal["max", "min"] = "max"

    def better(self, a: float, b: float) -> bool:
        """Whether ``a`` is strictly better than ``b``."""
        return a > b if self.mode == "max" else a < b


@dataclass(frozen=True)
class Scores:
    """What an evaluation of one split gives: numbers, and tables to keep beside them."""

    metrics: Mapping[str, float]
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)


class Method(ABC, Generic[C]):
    """One training method. Instances hold no state: everything that a trial needs comes in as an argument."""

    name: ClassVar[str]
    title: ClassVar[str]
    """One line for lists: what it is and whom it is from."""
    version: ClassVar[int]
    """Raised by hand when the same config and seed give other numbers than before."""
    Config: ClassVar[type[Config]]
    """Every default cites paper or code; the field ``data`` holds what ``prepare`` reads, and nothing else does."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Published settings and ``smoke``, each a nested mapping laid over the defaults."""
    components: ClassVar[tuple[Component, ...]]
    objective: ClassVar[Objective]
    metrics: ClassVar[tuple[str, ...]]
    """Every metric that ``train`` reports, so that a misspelt objective is refused before anything runs."""
    example: ClassVar[str]
    """A generated corpus that the method learns from in seconds; a corpus of another shape is refused."""
    shares_training: ClassVar[bool] = False
    """Whether the loop cuts its batches between the workers of a trial (``trial.exchange``), so that several of them
    compute what one would. Without that each would train on everything, and `resources.workers` above 1 is refused."""

    @abstractmethod
    def prepare(self, corpus: "Corpus[Any]", data: Any) -> "Prepared":
        """Index a corpus as tensors. Pure: the engine caches it by the corpus' fingerprint and ``data``."""

    @abstractmethod
    def train(self, config: C, data: "Prepared", trial: "Trial") -> None:
        """Train one model and report after every epoch. ``data`` has no test split."""

    def scores_of_counts(self, counts: Mapping[str, Any]) -> Mapping[str, Any]:
        """The metrics that follow from counts added over sentences; none unless a method says so.

        Args:
            counts: by the columns of the table ``sentences`` that ``evaluate`` gives: sums, as numbers or as arrays of
                one shape, which the metrics then have too.
        """
        return {}

    @abstractmethod
    def evaluate(self, config: C, split: "Split", weights: Path) -> Scores:
        """Score one split with the weights of a checkpoint folder; metric names without the split's prefix."""
