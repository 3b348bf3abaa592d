"""One trial, in this process: from its plan to its record. The same under Ray, in a test and in a debugger."""

import functools
import math
import resource
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from relab.corpus import digest
from relab.environment import environment
from relab.errors import RelabError, out_of_space
from relab.method import Config, Method
from relab.methods import find_method
from relab.plan import PlannedTrial
from relab.prepared import Prepared
from relab.records import Failure, FailureKind, Result, Store
from relab.running.notice import leaving
from relab.trial import Checkpoint, Trial

OnReport = Callable[[int, Mapping[str, float], list[Mapping[str, float]]], None]
"""Called after each report with its number (from 1), its metrics, and the whole history so far."""


@dataclass(frozen=True)
class Order:
    """A planned trial with everything that a worker needs to train it: plain values that travel between hosts."""

    trial: PlannedTrial
    store: str
    prepared: str
    threads: int = 1
    gpus: float = 0.0
    workers: int = 1
    worker_group: bool = False
    """Train in a Ray Train worker group even with one worker."""
    hours: float | None = None
    """The most that the trial may take, its attempts together."""
    checkpoint_seconds: float = 10.0

    def __str__(self) -> str:
        return self.trial.key  # Ray Tune names folders after its configs


class TimeLimit(RelabError):
    """A trial has taken longer than it may."""


def execute(order: Order, on_report: OnReport, *, world_size: int = 1) -> Result:
    """Train one trial to its end, or go on with it from its last checkpoint, and write its record.

    Errors of the method pass through; ``failure`` says what to record of them. Of several workers this is the first
    one's part: the others ``assist``, and have nothing to do with records.

    Raises:
        TimeLimit: after the first report past ``order.hours``; the checkpoint that it goes on from is of that report.
    """
    started, planned, store = time.time(), order.trial, Store(Path(order.store))
    method, config, data, trial = _train(order, on_report, 0, world_size)
    trial.finish()
    if not trial.history:
        raise ValueError(f"{planned.method} ended without a report")
    scores = dict(trial.history[-1 if trial.best is None else trial.best])
    if not trial.concluded:  # else the weights that count have seen the dev split
        _keep_tables(method, config, data, trial, "dev")
    if planned.opens_test:
        scores |= _keep_tables(method, config, data, trial, "test")
    result = Result(
        key=planned.key,
        state="finished",
        scores=scores,
        reports=len(trial.history),
        best=trial.best,
        weights=weights_digest(trial.weights_folder),
        seconds=trial.seconds,
        peak_memory=_peak_memory(trial.device),
        started=started,
        ended=time.time(),
        environment=environment(trial.device, world_size),
    )
    store.write_metrics(planned.key, trial.history)
    store.write_result(result)
    return result


def assist(order: Order, on_report: OnReport, *, rank: int, world_size: int) -> None:
    """Train with the first worker, who scores and records; ``rank`` is from 1.

    What ends a trial by what all workers have been told, its time or a metric that is no number, ends it in silence
    here: the first worker says so.
    """
    with suppress(TimeLimit, FloatingPointError):
        _train(order, on_report, rank, world_size)


def _train(
    order: Order, on_report: OnReport, rank: int, world_size: int
) -> tuple[Method[Any], Config, Prepared, Trial]:
    planned = order.trial
    torch.set_num_threads(order.threads)
    device = torch.device("cuda" if order.gpus and torch.cuda.is_available() else "cpu")
    method = find_method(planned.method)
    config = method.Config.model_validate(planned.config)
    data = _load(order.prepared)
    _forget_peak_memory(device)

    def reported(number: int, metrics: Mapping[str, float]) -> None:
        on_report(number, metrics, trial.history)
        if order.hours is not None and _late(trial, order.hours):
            trial.finish()
            raise TimeLimit(f"{trial.seconds / 3600:.3g} hours of training, and resources.hours is {order.hours:g}")

    trial = Trial(
        Store(Path(order.store)).trial(planned.key),
        planned.seed,
        device,
        reported,
        rank=rank,
        world_size=world_size,
        checkpoint_seconds=order.checkpoint_seconds,
        leaving=leaving,
    )
    if rank == 0:
        trial.claim()
    method.train(config, data.without("test"), trial)
    return method, config, data, trial


def failure(planned: PlannedTrial, error: BaseException, started: float, world_size: int = 1) -> Failure:
    """What to record of an error that ended a trial."""
    lines = str(error).strip().splitlines()
    return Failure(
        key=planned.key,
        kind=_kind(error),
        message=f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": "),
        traceback="".join(traceback.format_exception(error)),
        seconds=time.time() - started,
        ended=time.time(),
        environment=environment(torch.device("cpu"), world_size),
    )


def weights_digest(folder: Path) -> str:
    """A hash of the model's weights in a checkpoint folder: names, shapes and bytes."""
    weights = Checkpoint.load(folder).weights()
    parts: list[str | bytes] = []
    for name in sorted(weights):
        tensor = weights[name].contiguous()
        parts += [name, str(tuple(tensor.shape)), tensor.view(-1).view(torch.uint8).numpy().tobytes()]
    return digest(*parts)


def _keep_tables(method: Method[Any], config: Config, data: Prepared, trial: Trial, split: str) -> dict[str, float]:
    """Score a split with the weights that count; its tables are kept, its scores returned with the split's name."""
    scores = method.evaluate(config, data.split(split), trial.weights_folder)
    for name, table in scores.tables.items():
        trial.keep(f"{split}_{name}", table)
    for name, value in scores.metrics.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"{split}/{name} is {value}")
    return {f"{split}/{name}": value for name, value in scores.metrics.items()}


def _late(trial: Trial, hours: float) -> bool:
    late = torch.tensor([float(trial.seconds > 3600 * hours)])
    # by the first worker's clock: one that stopped by itself would leave the others waiting
    return bool(trial.exchange.first(late))


def _kind(error: BaseException) -> FailureKind:
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "out of memory"
    if isinstance(error, FloatingPointError):
        return "not a number"
    if isinstance(error, TimeLimit):
        return "timeout"
    if out_of_space(error):
        return "no space left"
    return "error"


@functools.lru_cache(maxsize=4)
def _load(folder: str) -> Prepared:
    """Mapped once per process: the next trial of a reused actor starts without reading anything."""
    return Prepared.load(Path(folder))


def _forget_peak_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM starts again from the present size
    except OSError:
        return


def _peak_memory(device: torch.device) -> int:
    """Bytes: on a GPU what torch allocated there, else the resident size of the process at its highest."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated())
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
