"""The one truth: what was asked and what came of it. Every file is written once, whole, and never changed."""

import errno
import fcntl
import io
import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from relab.claims import WrittenClaim
from relab.confirmation import Confirmation, read_confirmation
from relab.environment import Environment
from relab.errors import NotFound, StoreError
from relab.keys import one_name
from relab.plan import PlannedTrial

FailureKind = Literal["out of memory", "not a number", "timeout", "preempted", "no space left", "error"]
R = TypeVar("R", bound=BaseModel)

RESULT, METRICS, ARTIFACTS = "result.json", "metrics.parquet", "artifacts"
STUDY = "study.json"

EMPTY = {"number": pl.Int64, "key": pl.String, "arm": pl.String, "off": pl.List(pl.String), "seed": pl.Int64,
         "fold": pl.Int64, "parameters": pl.String, "corpus": pl.String, "state": pl.String,
         "failure": pl.String}  # fmt: skip
"""The frame of a study that has asked for no trial yet: what every row has."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Result(_Record):
    """How a trial ended. ``scores`` are those of the report marked best, else of the last one."""

    key: str
    state: Literal["finished", "pruned"]
    scores: dict[str, float]
    reports: int
    best: int | None
    """The report marked best, from 0."""
    weights: str
    """A digest of the weights that count; empty for a pruned trial."""
    seconds: float
    """Wall time of training, earlier attempts included."""
    peak_memory: int
    """Bytes."""
    started: float
    ended: float
    environment: Environment


class Failure(_Record):
    """An attempt that did not end well; a trial may have several and a result after them."""

    key: str
    kind: FailureKind
    message: str
    traceback: str
    seconds: float
    ended: float
    environment: Environment


@dataclass(frozen=True)
class Holder:
    """Who runs a study at this moment."""

    host: str
    process: int
    since: float

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since))
        return f"process {self.process} on {self.host}, since {since}"


def write_once(path: Path, data: bytes) -> bool:
    """Write a file whole or not at all; a file that is there already stays, and False says so.

    Raises:
        StoreError: the file cannot be written, with the reason; nothing else is damaged.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {_reason(error)}; what was finished stays") from error
    try:
        try:
            temporary.write_bytes(data)
            os.link(temporary, path)  # unlike a rename, a link never replaces what is there
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise StoreError(f"cannot write {path}: {_reason(error)}; what was finished stays") from error
    return True


def _reason(error: OSError) -> str:
    return "no space left" if error.errno == errno.ENOSPC else error.strerror or str(error)


def _read(path: Path, kind: type[R]) -> R | None:
    """A record, or None if it was never written."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {_reason(error)}") from error
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(
            f"{path} is torn or not of this version ({error.error_count()} problems, first: "
            f"{error.errors()[0]['msg']}). "
            "Remove the file: the trial is then trained again."
        ) from error


def _read_frame(path: Path) -> pl.DataFrame | None:
    """A table of a trial, or None if it was never written."""
    from pyarrow.parquet import ParquetFile

    damaged = (OSError, ValueError, NotImplementedError, pl.exceptions.PolarsError, pl.exceptions.PanicException)
    try:
        # by pyarrow, since polars' own reader ends the process over some damaged files: it asks for any memory they
        # say; in one thread, since the files are small and many
        with path.open("rb") as file:
            return cast(pl.DataFrame, pl.from_arrow(ParquetFile(file).read(use_threads=False)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except damaged as error:
        raise StoreError(
            f"{path} is torn: {str(error)[:200]!r}. Remove the trial's folder: the trial is then trained again."
        ) from error


class Store:
    """All trials by key, and all studies. A trial that two studies ask for is there once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()
        self._known: dict[Path, BaseModel] = {}

    @property
    def scratch(self) -> Path:
        """Ray's own files; nothing is read from here again."""
        return self.root / "ray"

    def trial(self, key: str) -> Path:
        """The folder of a trial."""
        return self.root / "trials" / one_name(key, self.root)

    def prepared(self, fingerprint: str) -> Path:
        """The folder of a prepared corpus."""
        return self.root / "prepared" / fingerprint

    def result(self, key: str) -> Result | None:
        """How a trial ended, if it did."""
        return self.unchanging(self.trial(key) / RESULT, Result)

    def unchanging(self, path: Path, kind: type[R]) -> R | None:
        """A record that is never written anew, read once; None as long as it was never written."""
        found = self._known.get(path)
        if found is None:
            found = _read(path, kind)
            if found is not None:
                self._known[path] = found
        return cast(R | None, found)

    def write_result(self, result: Result) -> bool:
        """Record the end of a trial; the first record of a key stays."""
        return write_once(self.trial(result.key) / RESULT, result.model_dump_json(indent=1).encode())

    def finished(self) -> frozenset[str]:
        """The keys of all trials with a result."""
        folder = self.root / "trials"
        if not folder.is_dir():
            return frozenset()
        return frozenset(entry.name for entry in os.scandir(folder) if Path(entry.path, RESULT).exists())

    def write_metrics(self, key: str, history: Sequence[Mapping[str, float]]) -> None:
        """Keep every report's metrics, one row each, numbered from 1."""
        buffer = io.BytesIO()
        rows = [
            {"report": number, **{name: float(value) for name, value in metrics.items()}}
            for number, metrics in enumerate(history, 1)
        ]
        frame = pl.DataFrame(rows, infer_schema_length=None)
        frame.write_parquet(buffer, compression="uncompressed")
        write_once(self.trial(key) / METRICS, buffer.getvalue())

    def metrics(self, key: str) -> pl.DataFrame | None:
        """One row per report, or None for a trial without a record."""
        return _read_frame(self.trial(key) / METRICS)

    def metrics_file(self, key: str) -> Path | None:
        """Where the metrics of a trial with a record are."""
        file = self.trial(key) / METRICS
        return file if file.exists() else None

    def table_names(self, key: str) -> list[str]:
        """The tables that a finished trial has kept: ``test_curve`` and the like."""
        if not (self.trial(key) / RESULT).exists():
            return []  # what is there may be half of an attempt's
        return sorted(path.stem for path in (self.trial(key) / ARTIFACTS).glob("*.parquet"))

    def table(self, key: str, name: str) -> pl.DataFrame | None:
        """A table that a finished trial has kept, or None if there is none of this name."""
        file = self.table_file(key, name)
        return None if file is None else _read_frame(file)

    def table_file(self, key: str, name: str) -> Path | None:
        """Where a finished trial has kept a table."""
        file = self.trial(key) / ARTIFACTS / f"{name}.parquet"
        return file if file.exists() and (self.trial(key) / RESULT).exists() else None

    def write_failure(self, failure: Failure) -> None:
        """Record one failed attempt beside those before it."""
        folder, data = self.trial(failure.key) / "failures", failure.model_dump_json(indent=1).encode()
        number = len(list(folder.glob("[0-9]*.json"))) if folder.is_dir() else 0
        while not write_once(folder / f"{number:04}.json", data):
            number += 1

    def failures(self, key: str) -> list[Failure]:
        """The failed attempts of a trial, oldest first."""
        found = [_read(path, Failure) for path in sorted((self.trial(key) / "failures").glob("[0-9]*.json"))]
        return [failure for failure in found if failure is not None]

    def study(self, name: str) -> "StudyStore":
        """The study called ``name``, new or not."""
        return StudyStore(self, name)

    def studies(self) -> list["StudyStore"]:
        """All studies, by name."""
        folder = self.root / "studies"
        return [self.study(path.parent.name) for path in sorted(folder.glob(f"*/{STUDY}"))]

    def existing_study(self, name: str) -> "StudyStore":
        """The study called ``name``.

        Raises:
            NotFound: with the studies that are there.
        """
        names = [study.name for study in self.studies()]
        if name not in names:
            raise NotFound(f"no study {name!r} in {self.root}; there are: {', '.join(names) or 'none'}")
        return self.study(name)


class Description(_Record):
    """What a study is: written anew by each run, for people and reports; nothing is decided from it."""

    spec: dict[str, Any]
    kind: Literal["sweep", "ablation", "training"]
    method: str
    objective: str
    mode: Literal["max", "min"]
    corpus: str
    protocol: Literal["clean", "paper"]
    arms: dict[str, dict[str, Any]] = {}
    """The dotted fields that each arm changes."""
    off: dict[str, tuple[str, ...]] = {}
    """The components that are off in each arm."""
    against: dict[str, str] = {}
    """The arm that an arm's difference is taken to, where that is not the full model."""
    looks: tuple[int, ...] = ()
    """Of a study with adaptive seeds: after how many of them its arms are tested."""
    claims: tuple[WrittenClaim, ...] = ()
    published: str | None = None
    revision: str
    """Which list of trials is the study's."""


class StudyStore:
    """One study: which trials it asked for, in order. What came of them is the store's."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.folder = store.root / "studies" / name
        self._description: Description | None = None
        self._frames: dict[tuple[Path, tuple[Path, ...]], pl.DataFrame] = {}

    @property
    def exists(self) -> bool:
        """Whether anybody has run it."""
        return (self.folder / STUDY).exists()

    def describe(self, description: Description) -> None:
        """Say what the study is; the newest run's words replace those before."""
        path = self.folder / STUDY
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".study.{uuid.uuid4().hex[:8]}")
            temporary.write_text(description.model_dump_json(indent=1), encoding="utf-8")
            os.replace(temporary, path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {_reason(error)}") from error
        self._description = description

    def description(self) -> Description:
        """What the study is.

        Raises:
            NotFound: nobody has run it yet.
        """
        found = self._description or _read(self.folder / STUDY, Description)
        if found is None:
            raise NotFound(f"the study {self.name!r} has not been run yet")
        return found

    def ask(self, trial: PlannedTrial) -> None:
        """Record that a trial is wanted, before it starts; asked again, nothing changes."""
        write_once(self._list() / f"{trial.number:06}.json", trial.model_dump_json().encode())

    def trial(self, number: int) -> PlannedTrial:
        """The trial of this number.

        Raises:
            NotFound: nobody asked for it.
        """
        found = self.store.unchanging(self._list() / f"{number:06}.json", PlannedTrial)
        if found is None:
            raise NotFound(f"the study {self.name!r} has no trial {number}")
        return found

    def asked(self) -> list[PlannedTrial]:
        """All trials asked for so far, by number."""
        found = [self.store.unchanging(path, PlannedTrial) for path in sorted(self._list().glob("[0-9]*.json"))]
        return [trial for trial in found if trial is not None]

    def _list(self) -> Path:
        return self.folder / "asked" / one_name(self.description().revision, self.folder)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the study's one driver, for as long as the block lasts; the lock ends with its process.

        Raises:
            StoreError: another driver has it, and which.
        """
        path = self.folder / "driver.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a+")
        except OSError as error:
            raise StoreError(f"cannot write {path}: {_reason(error)}") from error
        with handle:
            for wait in (0.02, 0.1, 0.5, None):  # somebody may just be looking who runs the study
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    holder = self.holder()
                    if holder is not None or wait is None:
                        raise StoreError(
                            f"the study {self.name!r} is being run by {holder}: one driver at a time"
                        ) from error
                    time.sleep(wait)
            handle.truncate(0)
            json.dump({"host": socket.gethostname(), "process": os.getpid(), "since": time.time()}, handle)
            handle.flush()
            yield

    def holder(self) -> Holder | None:
        """Who runs the study now, if anybody does."""
        try:
            with (self.folder / "driver.lock").open("r") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return Holder(**json.loads(handle.read() or '{"host": "unknown", "process": 0, "since": 0}'))
        except FileNotFoundError:
            pass
        return None

    def frame(self) -> pl.DataFrame:
        """One row per trial asked for: place in the design, state, scores (``score/<metric>``), cost.

        Scores on the test split are among them where the protocol is ``paper``, or once they are confirmed.
        """
        running, confirmed = self.holder() is not None, self.confirmed()
        rows = [self._row(trial, running, confirmed.get(trial.key, {})) for trial in self.asked()]
        return pl.DataFrame(rows, infer_schema_length=None) if rows else pl.DataFrame(schema=EMPTY)

    def _row(self, trial: PlannedTrial, running: bool, confirmed: Mapping[str, float]) -> dict[str, Any]:
        row: dict[str, Any] = {
            "number": trial.number,
            "key": trial.key,
            "arm": trial.arm,
            "off": list(trial.off),
            "seed": trial.seed,
            "fold": None if trial.fold is None else trial.fold.index,
            "parameters": json.dumps(trial.parameters),
            "corpus": trial.corpus,
        }
        result = self.store.result(trial.key)
        if result is None:
            failures = self.store.failures(trial.key)
            state = "failed" if failures else "running" if running else "waiting"
            return row | {"state": state, "failure": failures[-1].kind if failures else None}
        row |= {
            "state": result.state,
            "failure": None,
            "reports": result.reports,
            "seconds": result.seconds,
            "peak_memory": result.peak_memory,
            "weights": result.weights,
            "ended": result.ended,
            "code": result.environment.code,
            "commit": result.environment.commit,
            "packages": result.environment.made_with,
            "torch": result.environment.torch,
            "device": result.environment.device,
        }
        return row | {f"score/{name}": value for name, value in {**result.scores, **confirmed}.items()}

    @property
    def confirmation_folder(self) -> Path:
        """Where the record of the opened test split lies."""
        return self.folder / "confirmation"

    def confirmation(self) -> Confirmation | None:
        """What ``relab confirm`` has scored; None while the test split is shut."""
        return read_confirmation(self.confirmation_folder)

    def confirmed(self) -> Mapping[str, Mapping[str, float]]:
        """Scores on the opened test split by key; none until those of all trials that are to have some are there."""
        found = self.confirmation()
        return {} if found is None or found.missing else found.scores

    def metrics(self) -> pl.DataFrame:
        """Every report of every trial: key, arm, seed, fold, report, and one column per metric."""
        return self._gathered(self.store.metrics_file)

    def table_names(self) -> list[str]:
        """The tables that any finished trial has kept, or the confirmation of its test split."""
        kept = {name for trial in self.asked() for name in self.store.table_names(trial.key)}
        confirmed = (path for key in self.confirmed() for path in (self.confirmation_folder / key).glob("*.parquet"))
        return sorted(kept | {path.stem for path in confirmed})

    def table(self, name: str) -> pl.DataFrame:
        """A table of every finished trial that has kept it, row under row: key, arm, seed, fold, and its columns."""

        def file(key: str) -> Path | None:
            confirmed = self.confirmation_folder / key / f"{name}.parquet"
            return confirmed if confirmed.exists() else self.store.table_file(key, name)

        return self._gathered(file)

    def _gathered(self, file: Callable[[str], Path | None]) -> pl.DataFrame:
        """The frames of all trials under each other, each row with its trial; read once, since files do not change."""
        found = [(trial, path) for trial in self.asked() if (path := file(trial.key)) is not None]
        known = (self._list(), tuple(path for _, path in found))
        if known not in self._frames:
            read = [(trial, frame) for trial, path in found if (frame := _read_frame(path)) is not None]
            self._frames[known] = _labelled(read)
        return self._frames[known]


def _labelled(frames: Sequence[tuple[PlannedTrial, pl.DataFrame]]) -> pl.DataFrame:
    """Frames under each other, beside each row the trial that it is of."""
    if not frames:
        return pl.DataFrame()
    trials = pl.DataFrame(
        {
            "key": [trial.key for trial, _ in frames],
            "arm": [trial.arm for trial, _ in frames],
            "seed": [trial.seed for trial, _ in frames],
            "fold": pl.Series(
                [None if trial.fold is None else trial.fold.index for trial, _ in frames], dtype=pl.Int64
            ),
        }
    )
    own = np.repeat(np.arange(len(frames)), [len(frame) for _, frame in frames])
    return pl.concat([trials[own], pl.concat([frame for _, frame in frames], how="diagonal_relaxed")], how="horizontal")
