"""Progress on the terminal: what is done, what runs, the best so far, the time left."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from relab.method import Objective
from relab.plan import PlannedTrial
from relab.records import Failure, Result

LINE_SECONDS = 15.0
"""Without a terminal (a log file, a job on a cluster) one line is printed at most this often."""


def duration(seconds: float) -> str:
    """Short and rounded: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def label(trial: PlannedTrial) -> str:
    """What tells a trial from its neighbours: its parameters in a sweep, its arm and seed in an ablation."""
    fold = f" fold {trial.fold.index}" if trial.fold else ""
    if trial.arm != "sweep":
        return f"{trial.arm} · seed {trial.seed}{fold}"
    drawn = ", ".join(f"{name.rpartition('.')[2]} {_short(value)}" for name, value in trial.parameters.items())
    return f"{drawn or 'defaults'}{fold}"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class Progress:
    """A listener that draws. As tall as there are slots, however many trials a study has."""

    def __init__(self, title: str, total: int | None, objective: Objective, console: Console) -> None:
        self.title, self.total, self.objective, self.console = title, total, objective, console
        self.trained = self.kept = self.pruned = 0
        self.failed: set[str] = set()
        self.best: tuple[float, PlannedTrial] | None = None
        self.running: dict[str, tuple[PlannedTrial, int, float | None, float]] = {}
        self.seconds: list[float] = []
        self.began = self._printed = time.monotonic()
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()
        self.console.print(self._summary())

    def started(self, trial: PlannedTrial) -> None:
        self.failed.discard(trial.key)
        self.running[trial.key] = (trial, 0, None, time.monotonic())
        self._line()

    def reported(self, trial: PlannedTrial, report: int, metrics: Mapping[str, float]) -> None:
        since = self.running[trial.key][3]
        self.running[trial.key] = (trial, report, metrics.get(self.objective.metric), since)
        self._line()

    def ended(self, trial: PlannedTrial, outcome: Result | Failure | None) -> None:
        at = self.running.pop(trial.key, None)
        if isinstance(outcome, Failure):
            self.failed.add(trial.key)
            self.console.print(Text.assemble(("failed ", "red"), f"{label(trial)}: {outcome.kind}: {outcome.message}"))
            return
        if outcome is None:
            return
        if at is None:
            self.kept += 1
        else:
            self.trained += 1
            self.seconds.append(time.monotonic() - at[3])
        self.pruned += outcome.state == "pruned"
        value = outcome.scores.get(self.objective.metric)
        if outcome.state == "finished" and value is not None:
            if self.best is None or self.objective.better(value, self.best[0]):
                self.best = (value, trial)
        self._line()

    @property
    def done(self) -> int:
        return self.trained + self.kept + len(self.failed)

    def left(self) -> float | None:
        """Seconds to the end, from the mean of what was trained in this run, with as many at once as there are now."""
        if self.total is None or not self.seconds:
            return None
        mean = sum(self.seconds) / len(self.seconds)
        spent = sum(min(time.monotonic() - since, mean) for *_, since in self.running.values())
        return max(0.0, (self.total - self.done) * mean - spent) / max(1, len(self.running))

    def _counts(self) -> Text:
        of = f"/{self.total}" if self.total is not None else ""
        text = Text(f"{self.done}{of} trials")
        counts = ((self.kept, "kept from before"), (self.pruned, "stopped early"), (len(self.failed), "failed"))
        for number, word in counts:
            if number:
                text.append(f", {number} {word}", style="red" if word == "failed" else "dim")
        left = self.left()
        if self.running and left is not None:
            text.append(f" · {duration(left)} left", style="cyan")
        return text

    def _best_line(self) -> Text:
        if self.best is None:
            return Text()
        return Text.assemble(
            "best ", (f"{self.objective.metric} {self.best[0]:.4f}", "bold green"), f"  {label(self.best[1])}"
        )

    def _render(self) -> RenderableType:
        rows = Table.grid(padding=(0, 2))
        for trial, report, value, since in self.running.values():
            score = "" if value is None else f"{value:.4f}"
            rows.add_row(
                f"  #{trial.number}",
                Text(label(trial), overflow="ellipsis", no_wrap=True),
                f"epoch {report}",
                score,
                duration(time.monotonic() - since),
            )
        bar = ProgressBar(total=self.total or 1, completed=self.done if self.total else 0, width=40)
        return Group(Text.assemble((self.title, "bold"), "  ", self._counts()), bar, rows, self._best_line())

    def _summary(self) -> Text:
        spent = duration(time.monotonic() - self.began)
        return Text.assemble((self.title, "bold"), "  ", self._counts(), f" in {spent}")

    def _line(self) -> None:
        if self.console.is_terminal or time.monotonic() - self._printed < LINE_SECONDS:
            return
        self._printed = time.monotonic()
        self.console.print(Text.assemble(self._counts(), f", {len(self.running)} running  ", self._best_line()))
        self.console.file.flush()


def standard_error() -> Console:
    """Where everything goes that is not the answer itself."""
    return Console(file=sys.stderr, highlight=False)
