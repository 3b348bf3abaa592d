"""What runs in a Ray worker: one trial's loop inside Ray Train, its reports handed to Ray Tune."""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray import train, tune
from ray.train import ScalingConfig, TrainingFailedError, WorkerGroupError
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback
from relab.errors import RelabError, StoreError
from relab.exchange import ExchangeFailed
from relab.records import Failure, Result, Store
from relab.running.execute import OnReport, Order, assist, execute, failure
from relab.trial import Superseded

REPORT, HISTORY, RECORD = "relab_report", "relab_history", "relab_record"
"""Keys of what a worker sends: a report's number, all metrics so far, the record that ends the trial."""


def run_trial(config: dict[str, Any]) -> None:
    """The function that Ray Tune calls; ``config["order"]`` is an ``Order``.

    One worker trains in this process (Ray Train's local mode: a trial starts in a tenth of a second); several train in
    a worker group of their own.
    """
    order: Order = config["order"]
    if order.workers == 1 and not order.worker_group:
        outcome = _local(order)
    else:
        outcome = _worker_group(order)
    tune.report({RECORD: outcome.model_dump_json()})  # as text: Tune flattens mappings


def _local(order: Order) -> Result | Failure:
    sent = False

    def on_report(number: int, metrics: Mapping[str, float], history: list[Mapping[str, float]]) -> None:
        nonlocal sent
        tune.report(_message(number, metrics, history, first=not sent))
        sent = True

    outcome: list[Result | Failure] = []
    TorchTrainer(lambda: outcome.append(_attempt(order, on_report)), scaling_config=ScalingConfig(num_workers=0)).fit()
    return outcome[0]


def _worker_group(order: Order) -> Result | Failure:
    def loop() -> None:
        context, sent = train.get_context(), False

        def on_report(number: int, metrics: Mapping[str, float], history: list[Mapping[str, float]]) -> None:
            nonlocal sent
            train.report(_message(number, metrics, history, first=not sent))
            sent = True

        rank, began = context.get_world_rank(), time.time()
        try:
            if rank == 0:
                execute(order, on_report, world_size=order.workers)
            else:
                assist(order, on_report, rank=rank, world_size=order.workers)
        except ExchangeFailed:
            raise
        except Exception as error:
            failed = failure(order.trial, error, began, order.workers)
            raise WorkerFailed(failed.model_dump_json(), isinstance(error, Superseded)) from error

    store, key = Store(Path(order.store)), order.trial.key
    trainer = TorchTrainer(
        loop,
        scaling_config=ScalingConfig(
            num_workers=order.workers,
            use_gpu=order.gpus > 0,
            resources_per_worker={"CPU": order.threads} | ({"GPU": order.gpus} if order.gpus else {}),
        ),
        run_config=train.RunConfig(
            name=key,
            storage_path=str(store.scratch),
            callbacks=[TuneReportCallback()],
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        return _recorded(order, *failure_of(error))
    result = store.result(key)
    assert result is not None
    return result


class WorkerFailed(RelabError):
    """An error has ended the attempt in a worker of a group.

    Args:
        failure: what to record of it, as JSON.
        superseded: whether it is to stay unrecorded.
    """

    def __init__(self, failure: str, superseded: bool) -> None:
        super().__init__(failure, superseded)


def failure_of(error: TrainingFailedError) -> tuple[Failure, bool]:
    """The first failure of a group's workers, and whether it is a superseded attempt's.

    Ray tells a group's errors once, before it ends the others: only what it tells may be recorded, since a worker whose
    neighbour is being ended sees its connection closed.

    Raises:
        TrainingFailedError: ``error``, where a worker was lost. The others' failed exchanges say no more than that.
    """
    errors = list(error.worker_failures.values()) if isinstance(error, WorkerGroupError) else []
    causes = [each for each in errors if not isinstance(each, ExchangeFailed)]
    if not causes or not all(isinstance(each, WorkerFailed) for each in causes):
        raise error
    found = [(Failure.model_validate_json(text), superseded) for text, superseded in (each.args for each in causes)]
    return min(found, key=lambda each: each[0].ended)


def _attempt(order: Order, on_report: OnReport) -> Result | Failure:
    """Train; an error of the method becomes a record, so that the worker lives on for the next trial."""
    started = time.time()
    try:
        return execute(order, on_report)
    except Exception as error:  # noqa: BLE001 -- whatever a method raises is recorded, class and traceback, and shown
        return _recorded(order, failure(order.trial, error, started), isinstance(error, Superseded))


def _recorded(order: Order, failed: Failure, superseded: bool) -> Failure:
    if not superseded:  # else the records are the other attempt's
        with suppress(StoreError):  # a full disk: the driver hears of it all the same
            Store(Path(order.store)).write_failure(failed)
    return failed


def _message(
    number: int, metrics: Mapping[str, float], history: list[Mapping[str, float]], first: bool
) -> dict[str, Any]:
    """The first report of an attempt brings the history along: a resumed trial has one that the driver has not seen."""
    return {REPORT: number, HISTORY: [dict(m) for m in history] if first else [dict(metrics)]}
