"""The test split of a study, opened once: which trials were scored, with which weights, and what they scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from relab.environment import Environment
from relab.errors import StoreError
from relab.keys import one_name

OPENED, SCORES = "opened.json", "scores.json"


class _Record(BaseModel):
    # A score that is not a number is the answer of this split, and is kept as such.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


R = TypeVar("R", bound=_Record)


class ConfirmedTrial(_Record):
    """A trial whose weights are scored on the test split."""

    key: str
    arm: str
    seed: int
    fold: int | None
    corpus: str
    """Fingerprint of the data."""
    weights: str
    """The digest that the trial's result has, and that its weights on disk had when the split was opened."""


class Opening(_Record):
    """Written before the first score is computed, so that no score is ever seen without a record of it."""

    opened: float
    """Seconds since 1970."""
    revision: str
    """Which list of trials the study had."""
    environment: Environment
    trials: tuple[ConfirmedTrial, ...]
    failed: tuple[str, ...]
    """Keys of the trials that failed, and have no weights to score."""
    before: tuple[str, ...]
    """Other studies of this store by which the same data's test split was open already."""


class ConfirmedScores(_Record):
    """What one trial scores on the test split: names begin with ``test/``."""

    scores: dict[str, float]


@dataclass(frozen=True)
class Confirmation:
    """An opening, and the scores that there are of it."""

    opening: Opening
    scores: Mapping[str, Mapping[str, float]]
    """By key."""

    @property
    def missing(self) -> tuple[ConfirmedTrial, ...]:
        """The trials that an interruption has left without a score."""
        return tuple(trial for trial in self.opening.trials if trial.key not in self.scores)


def read_confirmation(folder: Path) -> Confirmation | None:
    """The record in a folder, or None where the test split is shut still.

    Raises:
        StoreError: a file of it cannot be read.
    """
    opening = _read(folder / OPENED, Opening)
    if opening is None:
        return None
    found = {
        trial.key: _read(folder / one_name(trial.key, folder) / SCORES, ConfirmedScores) for trial in opening.trials
    }
    return Confirmation(opening, {key: record.scores for key, record in found.items() if record is not None})


def _read(path: Path, kind: type[R]) -> R | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
