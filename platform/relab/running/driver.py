"""Many trials at once: a source says what to train next, Ray Tune trains it, records and listeners hear of it."""

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import ray
from ray import tune
from ray.exceptions import OutOfMemoryError
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.error import TuneError
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from relab.errors import RelabError, RequestError, StoreError, out_of_space
from relab.plan import PlannedTrial
from relab.records import Failure, Result, StudyStore
from relab.running.execute import Order, failure
from relab.running.resources import Slots
from relab.running.retries import Retries
from relab.running.worker import HISTORY, RECORD, REPORT, run_trial
from relab.search import Source

FAILURES_IN_A_ROW = 4
"""So many failures with nothing finished in between end a run: the next trial would fail as well."""
RECOUNT_SECONDS = 5.0
"""The places are counted again so often: it asks Ray for its nodes."""


class Listener(Protocol):
    """Hears of every trial: MLflow's view and the terminal's progress are listeners."""

    def started(self, trial: PlannedTrial) -> None: ...

    def reported(self, trial: PlannedTrial, report: int, metrics: Mapping[str, float]) -> None: ...

    def ended(self, trial: PlannedTrial, outcome: Result | Failure | None) -> None: ...


@dataclass
class _Running:
    planned: PlannedTrial
    since: float
    history: list[Mapping[str, float]] = field(default_factory=list)
    stopped: bool = False
    record: Result | Failure | None = None


@dataclass
class Run:
    """One run of a study: hands out trials, keeps their records, and tells the listeners."""

    study: StudyStore
    source: Source
    order: Callable[[PlannedTrial], Order]
    slots: Slots
    listeners: Sequence[Listener]
    deadline: float | None = None
    recount: Callable[[], int] | None = None
    """How many trials have a place at once as the cluster is now; where it is not asked, as many as at first."""
    running: dict[str, _Running] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    """Last attempts of the trials that are given up, until the next run."""
    failures_in_a_row: int = 0
    retries: Retries = field(default_factory=Retries)
    alone: bool = False
    """Whether the trials that need the machine for themselves have their turn."""
    interrupted: bool = False
    trouble: Exception | None = None
    """Why nothing further can be recorded; it ends the run."""
    counted: float = field(default_factory=time.monotonic)
    """When the places were counted last."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its parts for a restore, and here the records are what a run goes on from."""
        return {}

    def rounds(self) -> Iterator[None]:
        """Each lasts until nothing can be started and nothing runs: trials beside each other, then those alone.

        A source may wait for a trial that is put off until it is alone, so that it is asked again after these.
        """
        while True:
            self.alone = False
            yield
            if self.over or self.running or not self.retries.alone:
                return
            self.alone = True
            yield
            if self.over or self.running:
                return

    def start(self, trial_id: str) -> PlannedTrial | None:
        """The next trial to train, or None while there is none."""
        planned = None if self.over else self._next()
        if planned is not None:
            self.running[trial_id] = _Running(planned, time.time())
            for listener in self.listeners:
                listener.started(planned)
        return planned

    def _next(self) -> PlannedTrial | None:
        """What is finished already is told to the source; what has failed already waits for everything new."""
        if self.alone:
            return self.retries.alone.popleft() if self.retries.alone else None
        if self.failures_in_a_row >= FAILURES_IN_A_ROW:
            return None
        if self.retries.at_once:
            return self.retries.at_once.popleft()
        while (planned := self.source.next()) is not None:
            if not planned.smoke:
                self.study.ask(planned)
            known = self.study.store.result(planned.key)
            if known is not None:
                self._end(planned, known)
            elif not self.retries.put_off(planned, self.study.store.failures(planned.key)):
                return planned
        return self.retries.last.popleft() if self.retries.last else None

    def places(self) -> int:
        """How many trials may run at once; a node that joins brings more, one that leaves takes its own along."""
        if self.recount is not None and time.monotonic() - self.counted > RECOUNT_SECONDS:
            self.counted = time.monotonic()
            with suppress(RequestError):  # no node at all is there: trials wait for the next one, as many as before
                self.slots = replace(self.slots, count=self.recount())
        return 1 if self.alone else self.slots.count

    @property
    def over(self) -> bool:
        """Whether no trial at all will be started any more."""
        return self.trouble is not None or (self.deadline is not None and time.time() > self.deadline)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keep an error of the store until Tune has ended its trials: raised inside, it would end as a traceback."""
        try:
            yield
        except (RelabError, OSError) as error:
            self.trouble = self.trouble or error

    def report(self, trial_id: str, message: Mapping[str, Any]) -> bool:
        """Take in what a worker sent; whether the trial is to stop here."""
        at = self.running[trial_id]
        if RECORD in message:
            record = json.loads(message[RECORD])
            at.record = (Result if "state" in record else Failure).model_validate(record)
            return False
        new, last = message[HISTORY], message[REPORT]
        at.history[last - len(new) :] = new
        for number, metrics in enumerate(new, last - len(new) + 1):
            at.stopped = self.source.should_stop(at.planned, number, metrics)
            for listener in self.listeners:
                listener.reported(at.planned, number, metrics)
        return at.stopped

    def end(self, trial_id: str, lost: BaseException | None = None) -> None:
        """A trial is over: finished, failed, stopped early, or lost with its worker."""
        at = self.running.pop(trial_id)
        if at.record is None and at.stopped:
            at.record = self._pruned(at)
        if at.record is None:
            at.record = failure(at.planned, lost or RuntimeError("the worker died"), at.since)
            kind = "out of memory" if isinstance(lost, OutOfMemoryError) else "preempted"
            at.record = at.record.model_copy(update={"kind": kind})
            self.study.store.write_failure(at.record)
        if isinstance(at.record, Failure) and self.retries.again(at.planned, at.record, alone=self.alone):
            self.failures_in_a_row += at.record.kind != "preempted"
            for listener in self.listeners:
                listener.ended(at.planned, at.record)
        else:
            self._end(at.planned, at.record)

    def kill(self) -> None:
        """Leave the trials in flight to the next run of this study."""
        for at in self.running.values():
            for listener in self.listeners:
                listener.ended(at.planned, None)
        self.running.clear()

    def give_up(self) -> None:
        """Count those as failed that wait for another attempt and are not to get one in this run."""
        for planned in self.retries.take_all():
            self.failed.append(self.study.store.failures(planned.key)[-1])
            for listener in self.listeners:
                listener.ended(planned, self.failed[-1])

    def _end(self, planned: PlannedTrial, record: Result | Failure) -> None:
        if isinstance(record, Failure):
            if record.kind == "no space left":
                raise _no_space(self.study)
            self.failed.append(record)
            self.failures_in_a_row += planned.key not in self.retries.failed_before
        else:
            self.failures_in_a_row = 0
        self.source.ended(planned, record)
        for listener in self.listeners:
            listener.ended(planned, record)

    def _pruned(self, at: _Running) -> Result:
        store, now = self.study.store, time.time()
        store.write_metrics(at.planned.key, at.history)
        result = Result(
            key=at.planned.key,
            state="pruned",
            scores=dict(at.history[-1]),
            reports=len(at.history),
            best=None,
            weights="",
            seconds=now - at.since,
            peak_memory=0,
            started=at.since,
            ended=now,
            environment=self.slots.environment,
        )
        store.write_result(result)
        return result


class _Search(Searcher):  # type: ignore[misc]
    """Ray Tune asks here for the next trial."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        with self.run.guarded():
            planned = self.run.start(trial_id) if len(self.run.running) < self.run.places() else None
            if planned is not None:
                return {"order": self.run.order(planned)}
        return Searcher.FINISHED if self.run.over or not self.run.running else None

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """True: this search keeps to the run's places itself, which may become more; Tune's own limit is for good."""
        return True

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: the callback hears of it with the trial's error at hand."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study's records are what a run goes on from."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""


class _Decision(FIFOScheduler):  # type: ignore[misc]
    """The one place that stops a trial early: it passes on what the source's pruner says."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stop = False
        with self.run.guarded():
            stop = self.run.report(trial.trial_id, result)
        stop = stop or self.run.trouble is not None
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)


class _Ends(Callback):  # type: ignore[misc]
    def __init__(self, run: Run) -> None:
        self.run = run

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self.run.guarded():
            self.run.end(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self.run.guarded():
            self.run.end(trial.trial_id, trial.get_pickled_error())


def drive(run: Run) -> None:
    """Train everything that the source gives. Returns when it has nothing more, or after Ctrl-C or SIGTERM."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which Ray blocks in the processes of its jobs
    previous = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for _ in run.rounds():
            _fit(run)
    finally:
        signal.signal(signal.SIGTERM, previous)
        run.interrupted = bool(run.running)
        run.kill()
    if run.trouble is not None:
        raise run.trouble
    if not run.interrupted:
        run.give_up()


def _fit(run: Run) -> None:
    """One round, by Tune."""
    try:
        Tuner(
            tune.with_resources(run_trial, run.slots.per_trial),
            tune_config=TuneConfig(
                search_alg=_Search(run),
                scheduler=_Decision(run),
                num_samples=-1,
                max_concurrent_trials=run.places(),  # so many actors start at the same time; the search limits itself
                reuse_actors=not run.alone,  # what a process keeps of its last trial is memory too
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=RunConfig(
                name=run.study.name,
                storage_path=str(run.study.store.scratch),
                callbacks=[_Ends(run)],
                failure_config=FailureConfig(max_failures=0),  # the run itself says what is tried again
                verbose=0,
            ),
        ).fit()
    except (TuneError, OSError, RuntimeError) as error:
        if isinstance(error.__cause__, OutOfMemoryError):
            # Ray has killed a worker because its machine ran low, perhaps not the one that took the memory, and Tune
            # (ray/air/execution/_internal/actor_manager.py, _actor_task_failed) ends all trials for it.
            for trial_id in list(run.running):
                with run.guarded():
                    run.end(trial_id, error.__cause__)
        elif out_of_space(error) and run.trouble is None:
            raise _no_space(run.study) from error
        elif run.trouble is None:
            raise


def _no_space(study: StudyStore) -> StoreError:
    return StoreError(
        f"no space left in {study.store.root}; what was finished stays, and the same command goes on from it"
    )


def connect(cpus: int | None = None) -> None:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine; a no-op when connected."""
    if ray.is_initialized():
        return
    # what it says of snapshots that nothing is read from, at the end of a run and with a traceback on a full disk
    logging.getLogger("ray.tune.execution.experiment_state").setLevel(logging.CRITICAL)
    os.environ.update(
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",  # Tune's own JSON, CSV and TensorBoard files: the records replace them
        TUNE_GLOBAL_CHECKPOINT_S="86400",  # and its snapshots of the experiment
        TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S="0",
        RAY_CHDIR_TO_TRIAL_DIR="0",
        RAY_TRAIN_ENABLE_STATE_TRACKING="0",
        RAY_AIR_NEW_OUTPUT="0",
    )
    arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if "RAY_ADDRESS" not in os.environ:
        arguments |= {"num_cpus": cpus, "include_dashboard": False}
    ray.init(**arguments)
