"""The driver's side: what happens goes to the view's process by its standard input, and nothing waits for it."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from relab.plan import PlannedTrial
from relab.records import Failure, Result, StudyStore

CLOSING_SECONDS = 60.0
"""So long a run waits at its end for MLflow; what is missing then, ``relab sync`` brings."""


class Tracker:
    """Tells the view's process what happens; a listener of the driver. Waits for it at the end alone.

    The process imports MLflow and sets up its database, seconds of work, while the driver reads the corpus and starts
    Ray; ``begin`` says that the study is described.
    """

    def __init__(self, study: StudyStore, console: Console, *, enabled: bool = True) -> None:
        self.study, self.console, self.enabled, self._begun = study, console, enabled, False
        self._messages: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        if self.enabled:
            command = [sys.executable, "-m", "relab.tracking", str(self.study.store.root), self.study.name]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for the driver: the view has yet to note how trials ended
            )
            self._writer = threading.Thread(target=self._write, daemon=True)
            self._writer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self.enabled:
            return
        if not self._begun:
            self._process.kill()
            self._process.communicate()
            return
        self._messages.put(None)
        with self.console.status("MLflow takes in the last trials"):
            try:
                _, trouble = self._process.communicate(timeout=CLOSING_SECONDS) if self._joined() else ("", "")
            except subprocess.TimeoutExpired:
                trouble = ""
        if self._process.returncode != 0:
            reason = trouble.strip().splitlines()[-1] if trouble.strip() else "it is slow"
            later = f"relab sync {self.study.name}"
            self.console.print(f"MLflow is not up to date ({reason}); later: {later}", soft_wrap=True)

    def begin(self) -> None:
        """The study's description is in its store."""
        self._begun = True
        self._say(event="begin")

    def started(self, trial: PlannedTrial) -> None:
        """A trial begins."""
        self._say(event="started", number=trial.number)

    def reported(self, trial: PlannedTrial, report: int, metrics: Mapping[str, float]) -> None:
        """A trial has come to the end of an epoch."""
        self._say(event="reported", number=trial.number, report=report, metrics=dict(metrics), time=time.time())

    def ended(self, trial: PlannedTrial, outcome: Result | Failure | None) -> None:
        """A trial is over: its record says how."""
        self._say(event="ended", number=trial.number)

    def _say(self, **message: Any) -> None:
        if self.enabled:
            self._messages.put(json.dumps(message))

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            while (line := self._messages.get()) is not None:
                pipe.write(line + "\n")
                if self._messages.empty():
                    pipe.flush()
            pipe.flush()
        except OSError:
            return  # the view has ended; it said why, and the end of the run repeats it

    def _joined(self) -> bool:
        self._writer.join(CLOSING_SECONDS)
        return not self._writer.is_alive()
