"""What a method sees of the engine while it trains: reports, checkpoints, random streams, files to keep."""

import json
import math
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from relab.corpus import digest
from relab.errors import RelabError, StoreError
from relab.exchange import Exchange

TENSORS, STATE, ATTEMPT = "tensors.safetensors", "state.json", "attempt"


def _beside(folder: Path) -> tuple[Path, Path]:
    """Where a checkpoint is built, and where the one before it waits for its removal."""
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


TORN = (OSError, ValueError, LookupError, TypeError, RecursionError, SafetensorError)
"""What reading a damaged checkpoint raises."""


def _torn(folder: Path, error: Exception) -> StoreError:
    # the folder of both: a trial that goes on from the last one never comes to the best epoch's weights again
    return StoreError(f"{folder} is torn: {str(error)[:200]!r}. Remove {folder.parent}: the trial then begins anew.")


class Superseded(RelabError):
    """Another worker trains this trial by now."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a loop needs to go on: tensors by name, and a small JSON object (``progress``).

    The weights of the model are named ``model/<qualified parameter name>``; other tensors (optimiser moments, …) carry
    other prefixes.
    """

    tensors: Mapping[str, Tensor]
    progress: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, kept: Mapping[str, Any]) -> None:
        """Replace ``folder`` as a whole: a reader finds the old checkpoint or the new one, never half of one."""
        building, retired = _beside(folder)
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}, building / TENSORS
        )
        (building / STATE).write_text(json.dumps({"progress": dict(self.progress), "kept": kept}), encoding="utf-8")
        shutil.rmtree(retired, ignore_errors=True)
        if folder.exists():
            os.rename(folder, retired)
        os.rename(building, folder)
        shutil.rmtree(retired, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read what ``save`` wrote.

        Raises:
            StoreError: the checkpoint is torn.
        """
        try:
            progress = json.loads((folder / STATE).read_text(encoding="utf-8"))["progress"]
            return cls(load_file(folder / TENSORS), progress)
        except TORN as error:
            raise _torn(folder, error) from error

    @classmethod
    def state(cls, folder: Path) -> Mapping[str, Any]:
        """What stands beside the tensors: ``progress``, and what the engine ``kept``.

        Raises:
            StoreError: the checkpoint is torn.
        """
        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            kept = {name: state["kept"][name] for name in ("history", "best", "seconds")}
            return {"progress": state["progress"], "kept": kept}
        except TORN as error:
            raise _torn(folder, error) from error

    def weights(self) -> dict[str, Tensor]:
        """The model's own tensors, by qualified parameter name."""
        return {name.removeprefix("model/"): t for name, t in self.tensors.items() if name.startswith("model/")}


class Trial:
    """One training run in progress, as its method sees it.

    ``folder`` holds ``checkpoint/last``, ``checkpoint/best`` and ``artifacts``. Every random draw of a loop comes from
    ``rng``; a stream is named anew for each epoch, so that a checkpoint between epochs needs no generator's state.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        device: torch.device,
        on_report: Callable[[int, Mapping[str, float]], None],
        *,
        rank: int = 0,
        world_size: int = 1,
        checkpoint_seconds: float = 10.0,
        leaving: Callable[[], bool] | None = None,
    ) -> None:
        self.folder, self.seed, self.device = folder, seed, device
        self.rank, self.world_size = rank, world_size
        self.exchange = Exchange(rank, world_size, device)
        self.history: list[Mapping[str, float]] = []
        self.best: int | None = None
        self.concluded = False
        self._on_report = on_report
        self._checkpoint_seconds, self._leaving = checkpoint_seconds, leaving
        self._attempt = ""
        self._last_saved = self._started = time.monotonic()
        self._seconds_before = 0.0
        self._latest: Callable[[], Checkpoint] | None = None

    @property
    def seconds(self) -> float:
        """Wall time of training, earlier attempts up to their last checkpoint included."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def weights_folder(self) -> Path:
        """The checkpoint whose weights count: of the epoch marked best, else the last."""
        return self.last_folder if self.best is None else self.best_folder

    @property
    def last_folder(self) -> Path:
        return self.folder / "checkpoint" / "last"

    @property
    def best_folder(self) -> Path:
        return self.folder / "checkpoint" / "best"

    def report(self, metrics: Mapping[str, float], checkpoint: Callable[[], Checkpoint], *, best: bool = False) -> None:
        """Hand over one epoch's metrics, with the state after it.

        ``checkpoint`` is called only when the state is to be written: for the best epoch so far (the method decides
        which that is, and the trial's scores are that epoch's), and otherwise every ``checkpoint_seconds``; with each
        report once a worker's machine is ``leaving``.

        Raises:
            FloatingPointError: a metric is not a finite number.
            Superseded: another attempt has claimed the trial.
        """
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise FloatingPointError(f"{name} is {value} in report {len(self.history) + 1}")
        self.history.append(dict(metrics))
        if best:
            self.best = len(self.history) - 1
        self._latest = checkpoint
        due = self._due()
        if self.rank == 0 and (best or due):
            state = checkpoint()
            if best:
                self._write(state, self.best_folder)
            if due:
                self._write(state, self.last_folder)
        self._on_report(len(self.history), metrics)

    def claim(self) -> None:
        """Be the one attempt that writes the trial's state; the engine calls this before it trains.

        An earlier one may run on where it was taken for lost, on a machine that the network was cut from: it ends with
        its next checkpoint.
        """
        self._attempt = uuid.uuid4().hex
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ATTEMPT).write_text(self._attempt)  # in place: NFS looks again at a file that is opened

    def resume(self) -> Checkpoint | None:
        """The last checkpoint of an earlier attempt, or None to begin; call it once, before the first epoch."""
        retired = _beside(self.last_folder)[1]  # whole whenever it exists: a crash fell between the two renames
        found = next((folder for folder in (self.last_folder, retired) if folder.exists()), None)
        if found is None:
            return None
        kept = Checkpoint.state(found)["kept"]
        self.history, self.best, self._seconds_before = kept["history"], kept["best"], kept["seconds"]
        return Checkpoint.load(found)

    def save(self, checkpoint: Callable[[], Checkpoint]) -> None:
        """Keep the state between reports, in a part of a loop that has nothing to report."""
        self._latest = checkpoint
        if self._due() and self.rank == 0:
            self._write(checkpoint(), self.last_folder)

    def conclude(self, checkpoint: Callable[[], Checkpoint]) -> None:
        """Let these weights count in place of the best epoch's; the scores stay the best report's."""
        self._latest, self.concluded = checkpoint, True
        if self.rank == 0:
            self._write(checkpoint(), self.weights_folder)

    def finish(self) -> None:
        """Keep the state after the last report too; the engine calls this when ``train`` has returned."""
        if self.rank == 0 and self._latest is not None:
            self._write(self._latest(), self.last_folder)

    def rng(self, purpose: str, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
        """A random stream of its own for ``purpose`` and ``names``, the same in every run with this seed.

        Streams are independent of each other and of the order in which they are asked for: taking a component away
        leaves every other draw as it was, which is what makes a comparison within a seed worth having.
        """
        key = digest(str(self.seed), purpose, *map(str, names))
        return torch.Generator(device).manual_seed(int(key[:15], 16))

    def keep(self, name: str, table: pl.DataFrame) -> None:
        """Store a table as an artifact of the trial; a second one of this name replaces the first."""
        if self.rank == 0:
            folder = self.folder / "artifacts"
            folder.mkdir(parents=True, exist_ok=True)
            table.write_parquet(folder / f"{name}.parquet")

    def _due(self) -> bool:
        leaving = False
        if self._leaving is not None:
            told = torch.tensor([int(self._leaving())], device=self.device)
            leaving = bool(self.exchange.largest(told))  # the first worker writes for all of them
        return leaving or time.monotonic() - self._last_saved >= self._checkpoint_seconds

    def _write(self, state: Checkpoint, folder: Path) -> None:
        if self._attempt and (self.folder / ATTEMPT).read_text() != self._attempt:
            raise Superseded("another worker trains this trial by now; its record will be the trial's")
        state.save(folder, self._kept())
        if folder == self.last_folder:
            self._last_saved = time.monotonic()

    def _kept(self) -> Mapping[str, Any]:
        return {"history": self.history, "best": self.best, "seconds": self.seconds}
