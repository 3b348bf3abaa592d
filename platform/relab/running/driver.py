"""Many trials at once: a source says what to train next, Ray Tune trains it, records and listeners hear of it."""

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.error import TuneError
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from relab.errors import RelabError, StoreError, out_of_space
from relab.plan import PlannedTrial
from relab.records import Failure, Result, StudyStore
from relab.running.execute import Order, failure
from relab.running.resources import Slots
from relab.running.worker import HISTORY, RECORD, REPORT, run_trial
from relab.search import Source

ATTEMPTS_AFTER_LOST_WORKERS = 2
"""How often a trial whose worker died is tried again from its last checkpoint before it counts as failed."""

FAILURES_IN_A_ROW = 4
"""So many failures with nothing finished in between end a run: the next trial would fail as well."""


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
    running: dict[str, _Running] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    failures_in_a_row: int = 0
    interrupted: bool = False
    trouble: Exception | None = None
    """Why nothing further can be recorded; it ends the run."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its parts for a restore, and here the records are what a run goes on from."""
        return {}

    def start(self, trial_id: str) -> PlannedTrial | None:
        """The next trial to train, or None while there is none; what is finished already is told to the source."""
        if self.over:
            return None
        while (planned := self.source.next()) is not None:
            if not planned.smoke:
                self.study.ask(planned)
            known = self.study.store.result(planned.key)
            if known is None:
                self.running[trial_id] = _Running(planned, time.time())
                for listener in self.listeners:
                    listener.started(planned)
                return planned
            self._end(planned, known)
        return None

    @property
    def over(self) -> bool:
        """Whether no further trial will be started."""
        late = self.deadline is not None and time.time() > self.deadline
        full = self.trouble is not None
        return full or late or self.source.exhausted or self.failures_in_a_row >= FAILURES_IN_A_ROW

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
            at.record = at.record.model_copy(update={"kind": "preempted"})
            self.study.store.write_failure(at.record)
        self._end(at.planned, at.record)

    def kill(self) -> None:
        """Leave the trials in flight to the next run of this study."""
        for at in self.running.values():
            for listener in self.listeners:
                listener.ended(at.planned, None)
        self.running.clear()

    def _end(self, planned: PlannedTrial, record: Result | Failure) -> None:
        if isinstance(record, Failure):
            if record.kind == "no space left":
                raise _no_space(self.study)
            self.failed.append(record)
            self.failures_in_a_row += 1
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
            planned = self.run.start(trial_id)
            if planned is not None:
                return {"order": self.run.order(planned)}
        return Searcher.FINISHED if self.run.over else None

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
    trainable = tune.with_resources(run_trial, run.slots.per_trial)
    previous = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        Tuner(
            trainable,
            tune_config=TuneConfig(
                search_alg=_Search(run),
                scheduler=_Decision(run),
                num_samples=-1,
                max_concurrent_trials=run.slots.count,  # also how many actors Tune starts at the same time
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=RunConfig(
                name=run.study.name,
                storage_path=str(run.study.store.scratch),
                callbacks=[_Ends(run)],
                failure_config=FailureConfig(max_failures=ATTEMPTS_AFTER_LOST_WORKERS),
                verbose=0,
            ),
        ).fit()
    except (TuneError, OSError) as error:
        if out_of_space(error) and run.trouble is None:
            raise _no_space(run.study) from error
        if run.trouble is None:
            raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        run.interrupted = bool(run.running)
        run.kill()
    if run.trouble is not None:
        raise run.trouble


def _no_space(study: StudyStore) -> StoreError:
    return StoreError(
        f"no space left in {study.store.root}; what was finished stays, and the same command goes on from it"
    )


def connect(cpus: int | None = None) -> None:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine; a no-op when connected."""
    if ray.is_initialized():
        return
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
