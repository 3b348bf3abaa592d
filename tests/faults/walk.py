"""The method of the study that every fault disturbs, and the witness of what was trained.

The witness is a file that the method appends to: the engine neither writes nor reads it.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from relab.corpus import Corpus, digest
from relab.method import Component, Config, Method, Objective, Scores
from relab.prepared import Prepared, Split
from relab.records import RESULT
from relab.trial import Checkpoint, Trial

REPORTS, SECONDS = 5, 0.1
"""Of a trial, and of a report."""
FAULTY = 3
"""The reports after which a trial does what it is told to; the best of its weights are kept by then."""
PATIENCE = 300.0
"""Seconds after which a test no longer waits for what it is about."""


@dataclass(frozen=True)
class Event:
    """A line of the witness: a trial's ``start`` (with the reports that it goes on from) or ``report``, that it is
    ``waiting``, or a ``fault``."""

    what: str
    key: str
    reports: int
    process: int
    time: float
    finished: dict[str, str] = field(default_factory=dict)
    """Of a fault: digests of the results that were there, by key."""


@dataclass(frozen=True)
class Witness:
    """A folder with the log of a study, and with what its trials are told to do."""

    folder: Path

    def note(self, what: str, key: str = "", reports: int = 0, finished: Mapping[str, str] | None = None) -> None:
        """Add a line, whole: several processes write at once."""
        event = Event(what, key, reports, os.getpid(), time.time(), dict(finished or {}))
        with (self.folder / "log").open("a") as log:
            log.write(json.dumps(asdict(event)) + "\n")

    def note_fault(self, trials: Path) -> None:
        """It happens now; ``trials`` is the store's folder of them."""
        self.note("fault", finished=digests(trials))

    def events(self, what: str, key: str | None = None) -> list[Event]:
        """The lines of one kind, oldest first; of one trial, if a key is given."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        found = [Event(**json.loads(line)) for line in lines]
        return [event for event in found if event.what == what and key in {None, event.key}]

    def tell(self, key: str, what: str) -> None:
        """Let a trial do something, once: ``wait``, ``error``, ``diverge``, ``memory`` or ``fill``."""
        (self.folder / key).write_text(what)

    @contextmanager
    def waiting(self, key: str, times: int = 1) -> Iterator[Event]:
        """While a trial that was told to waits, for the so many-th time; it goes on after the block."""
        try:
            until(lambda: len(self.events("waiting", key)) >= times, f"{key} does not come to its fault")
            yield self.events("waiting", key)[-1]
        finally:
            (self.folder / key).unlink()


def digests(trials: Path) -> dict[str, str]:
    """Of all results in a store's folder of trials, by key."""
    return {path.parent.name: digest(path.read_bytes()) for path in trials.glob(f"*/{RESULT}")}


def until(reached: Callable[[], bool], otherwise: str) -> None:
    """Wait for something.

    Raises:
        TimeoutError: with the words given.
    """
    last = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > last:
            raise TimeoutError(otherwise)
        time.sleep(0.02)


class WalkData(Config):
    """Nothing to choose."""


class WalkConfig(Config):
    """``witness`` is the folder of one."""

    data: WalkData = WalkData()
    x: float = 0.5
    witness: str = Field("", json_schema_extra={"changes_results": False})


class Walk(Method[WalkConfig]):
    """A random walk with a drift that depends on the corpus: each step on all before it. The third report is best."""

    name: ClassVar[str] = "tests.faults.walk:Walk"
    title: ClassVar[str] = "a random walk"
    version: ClassVar[int] = 1
    Config = WalkConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {}}
    components: ClassVar[tuple[Component, ...]] = ()
    objective: ClassVar[Objective] = Objective("dev/score")
    metrics: ClassVar[tuple[str, ...]] = ("train/loss", "dev/score")
    example: ClassVar[str] = "planted_joint"

    def prepare(self, corpus: Corpus[Any], data: WalkData) -> Prepared:
        def sizes(split: str) -> dict[str, torch.Tensor]:
            return {"sizes": torch.tensor([float(len(item.tokens)) for item in corpus.splits[split]])}

        return Prepared({split: sizes(split) for split in ("train", "dev")})

    def train(self, config: WalkConfig, data: Prepared, trial: Trial) -> None:
        witness, key = Witness(Path(config.witness)), trial.folder.name
        found = trial.resume()
        place = torch.zeros(4) if found is None else found.weights()["place"]
        done = 0 if found is None else found.progress["reports"]
        witness.note("start", key, done)
        for report in range(done, REPORTS):
            time.sleep(SECONDS)
            told = do_as_told(witness, trial) if report == FAULTY else ""
            step = torch.randn(4, generator=trial.rng("step", report))
            place = 0.9 * place + step + config.x * data.splits["train"]["sizes"].mean()
            loss = torch.log(place.square().sum() * (-1 if told == "diverge" else 1))
            score = 1e-3 * float(place.mean()) - (report - 2) ** 2
            state = Checkpoint({"model/place": place}, {"reports": report + 1})
            best = trial.best is None or score > trial.history[trial.best]["dev/score"]
            trial.report({"train/loss": float(loss), "dev/score": score}, lambda state=state: state, best=best)  # type: ignore[misc]
            trial.finish()  # keeps the state: by itself the engine does so every ten seconds, and the trial takes one
            witness.note("report", key, report + 1)

    def evaluate(self, config: WalkConfig, split: Split, weights: Path) -> Scores:
        return Scores({"score": float(Checkpoint.load(weights).weights()["place"].mean())})


def do_as_told(witness: Witness, trial: Trial) -> str:
    """What a trial was told, done as far as it does not concern the numbers; empty if it was told nothing."""
    order = witness.folder / trial.folder.name
    told = order.read_text() if order.exists() else ""
    if told == "wait":
        witness.note("waiting", trial.folder.name)
        until(lambda: not order.exists(), "nobody lets the trial go on")
        return told
    order.unlink(missing_ok=True)
    if told == "error":
        raise ValueError("an error of the method")
    if told == "fill":
        fill(trial.folder.parents[1] / "fill")
    if told:
        witness.note_fault(trial.folder.parent)
    if told == "memory":
        torch.empty(1 << 60, dtype=torch.uint8)  # more than any address space
    return told


def fill(path: Path) -> None:
    """Write until the disk has no page left."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            return
