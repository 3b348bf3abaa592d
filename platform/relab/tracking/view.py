"""The runs of one study in MLflow, made to agree with the records."""

import fcntl
import json
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from relab.analysis import best_parameters, search_ranking
from relab.comparison import summarise_arms
from relab.designs import FULL
from relab.errors import RelabError
from relab.fields import flatten
from relab.keys import significant
from relab.method import Objective
from relab.methods import find_method
from relab.plan import SWEEP, PlannedTrial
from relab.records import Result, Store, StudyStore
from relab.tracking.server import first_line, mlflow_client, tracking_uri

FLUSH_SECONDS = 5.0
NICENESS = 19
"""Below Ray's workers, which run at 15: the view takes what they leave, and the end of a run waits for the rest."""
TRIAL, ARM, REVISION = "relab.trial", "relab.arm", "relab.revision"
"""Tags that name a run: by them one run is found again, whatever happened in between."""
FIGURES = "relab.figures"
"""The tag that says of how many results the figures are, or why there are none."""
FAILURE = "relab.failure"
"""The tag with the class and the message of a run's last failure."""
PARENT = "mlflow.parentRunId"
"""The tag by which MLflow's pages nest a run below another."""


def sync(store: Store, study: str) -> int:
    """Make MLflow say what the records say, from nothing if need be; the number of trials.

    Raises:
        RelabError: MLflow cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    found = store.study(study)
    try:
        with alone(found):
            return View(found).reconcile(driver_gone=found.holder() is None)
    except (MlflowException, OSError) as error:
        raise RelabError(f"MLflow at {tracking_uri(store)}: {first_line(error)}") from error


@dataclass
class _Run:
    """One run of MLflow's."""

    identity: str
    status: str
    reports: int = 0
    """Reports whose metrics are there."""
    opened: bool = False
    """Whether scores on test are there."""


@dataclass
class View:
    """The runs of one study in MLflow: the experiment, a parent for each arm, a child for each trial."""

    study: StudyStore
    children: dict[int, _Run] = field(default_factory=dict)
    parents: dict[str, _Run] = field(default_factory=dict)
    pending: dict[int, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = mlflow_client(self.study.store)
        self.description = self.study.description()
        self.method = find_method(self.description.method)
        self.experiment = self._experiment()
        self._find_runs()

    def follow(self, lines: Iterator[str]) -> None:
        """Take in a driver's messages a few seconds' worth at a time, and the records once they end.

        In batches by time, so that what is queued is written within seconds also when no further message comes.
        """
        self.reconcile(driver_gone=False)
        os.nice(NICENESS)
        waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_pass_on, args=(lines, waiting), daemon=True).start()
        trials: dict[int, PlannedTrial] = {}
        going = True
        while going:
            messages, going = _collected(waiting, FLUSH_SECONDS)
            for message in messages:
                number = message["number"]
                if number not in trials:
                    trials[number] = self.study.trial(number)
                match message["event"]:
                    case "started":
                        self._running(trials[number])
                    case "reported":
                        self._queue(trials[number], message["report"], message["metrics"], message["time"])
                    case "ended":
                        self._settle(trials[number], gone=True)
            self._flush()
        self.reconcile(driver_gone=True)

    def reconcile(self, *, driver_gone: bool) -> int:
        """Make every run agree with its record; the number of trials asked for."""
        self._flush()
        asked = self.study.asked()
        for trial in asked:
            self._settle(trial, gone=driver_gone)
        if asked:
            self._open(asked)
            self._summarise(driver_gone)
        if driver_gone and FULL in self.parents:
            self._draw(self.parents[FULL].identity)
        return len(asked)

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.study.name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        local = tracking_uri(self.study.store).startswith("sqlite")
        folder = (self.study.store.root / "mlartifacts" / self.study.name).as_uri() if local else None
        tags = {"relab.method": self.description.method, "relab.kind": self.description.kind}
        return str(self.client.create_experiment(self.study.name, artifact_location=folder, tags=tags))

    def _find_runs(self) -> None:
        token = None
        while True:
            wanted = f"tags.`{REVISION}` = '{self.description.revision}'"
            page = self.client.search_runs([self.experiment], wanted, max_results=1000, page_token=token)
            for run in page:
                tags, found = run.data.tags, _Run(run.info.run_id, run.info.status)
                if TRIAL in tags:
                    if found.status != "FINISHED" and self.description.objective in run.data.metrics:
                        history = self.client.get_metric_history(found.identity, self.description.objective)
                        found.reports = max(metric.step for metric in history)
                    found.opened = any(name.startswith("best/test/") for name in run.data.metrics)
                    self.children[int(tags[TRIAL])] = found
                else:
                    self.parents[tags[ARM]] = found
            token = page.token
            if not token:
                return

    def _parent(self, arm: str) -> _Run:
        if arm not in self.parents:
            changes = self._settings(arm)
            tags = {ARM: arm, REVISION: self.description.revision, "relab.kind": self.description.kind}
            run = self.client.create_run(self.experiment, tags=tags, run_name=arm)
            self.client.log_batch(run.info.run_id, params=_params(changes | {"arm": arm}))
            self.client.log_dict(run.info.run_id, self.description.spec, "spec.json")
            self.parents[arm] = _Run(run.info.run_id, "RUNNING")
        return self.parents[arm]

    def _settings(self, arm: str) -> dict[str, Any]:
        """An arm's values of every field that some arm changes: a page that compares arms then has no gaps."""
        described = self.description
        changed = {name for changes in described.arms.values() for name in changes}
        config = next((trial.config for trial in self.study.asked() if trial.arm == arm), {})
        whole = dict(flatten(config))
        return {name: whole[name] for name in sorted(changed) if name in whole} | described.arms.get(arm, {})

    def _child(self, trial: PlannedTrial) -> _Run:
        if trial.number in self.children:
            return self.children[trial.number]
        from mlflow.entities import Dataset, DatasetInput

        components = {component.name for component in self.method.components}
        tags = {
            TRIAL: str(trial.number),
            ARM: trial.arm,
            REVISION: self.description.revision,
            PARENT: self._parent(trial.arm).identity,
            "relab.key": trial.key,
            "relab.seed": str(trial.seed),
            "relab.method": trial.method,
            "relab.off": ", ".join(trial.off),
            "relab.on": ", ".join(sorted(components - set(trial.off))),
        }
        name = f"{self.study.name} {trial.number}" if trial.arm == SWEEP else f"{trial.arm}, seed {trial.seed}"
        fold = "" if trial.fold is None else f", fold {trial.fold.index}"
        run = self.client.create_run(self.experiment, tags=tags, run_name=name + fold)
        identity = str(run.info.run_id)
        set_fields = dict(flatten(significant(self.method.Config.model_validate(trial.config)))) | trial.parameters
        self.client.log_batch(identity, params=_params(set_fields | {"seed": trial.seed}))
        corpus = Dataset(
            self.description.corpus.partition(":")[0],
            trial.corpus[:36],
            "relab",
            json.dumps({"fingerprint": trial.corpus}),
        )
        self.client.log_inputs(identity, [DatasetInput(corpus, [])])
        self.client.log_dict(identity, trial.config, "config.json")
        self.children[trial.number] = _Run(identity, "RUNNING")
        return self.children[trial.number]

    def _running(self, trial: PlannedTrial) -> None:
        run = self._child(trial)
        if run.status != "RUNNING":
            self.client.update_run(run.identity, status="RUNNING")
            run.status = "RUNNING"

    def _queue(self, trial: PlannedTrial, report: int, metrics: Mapping[str, float], at: float) -> None:
        from mlflow.entities import Metric

        run = self._child(trial)
        if report > run.reports:
            moment = int(at * 1000)
            self.pending.setdefault(trial.number, []).extend(
                Metric(name, value, moment, report) for name, value in metrics.items()
            )
            run.reports = report

    def _flush(self, number: int | None = None, tags: Sequence[Any] = ()) -> None:
        for each in [number] if number is not None else list(self.pending):
            metrics = self.pending.pop(each, [])
            for at in range(0, len(metrics), 1000):  # the most that one call takes
                self.client.log_batch(self.children[each].identity, metrics=metrics[at : at + 1000], tags=tags)

    def _settle(self, trial: PlannedTrial, *, gone: bool) -> None:
        """Bring one run to what its record says; without a record it was left behind, if its driver is gone."""
        result = self.study.store.result(trial.key)
        known = self.children.get(trial.number)
        if result is not None:
            status = "FINISHED" if result.state == "finished" else "KILLED"
            if known is None or known.status != status:
                self._finish(trial, result, status)
        elif known is not None and known.status == "RUNNING" and gone:
            failures = self.study.store.failures(trial.key)
            self._flush(trial.number)
            if failures:
                self.client.set_tag(known.identity, FAILURE, f"{failures[-1].kind}: {failures[-1].message}"[:500])
            known.status = "FAILED" if failures else "KILLED"
            self.client.set_terminated(known.identity, known.status)

    def _finish(self, trial: PlannedTrial, result: Result, status: str) -> None:
        from mlflow.entities import Metric, RunTag

        run, ended = self._child(trial), int(result.ended * 1000)
        if run.status == "FAILED":  # and was tried again since
            self.client.delete_tag(run.identity, FAILURE)
        reported = None if run.reports >= result.reports else self.study.store.metrics(trial.key)
        if reported is not None:
            for row in reported.iter_rows(named=True):
                self._queue(trial, row["report"], {k: v for k, v in row.items() if k != "report"}, result.ended)
        last = self.pending.setdefault(trial.number, [])
        last += [Metric(f"best/{name}", value, ended, 0) for name, value in result.scores.items()]
        last += [Metric("seconds", result.seconds, ended, 0), Metric("peak_memory", result.peak_memory, ended, 0)]
        tags = {
            "relab.state": result.state,
            "relab.commit": result.environment.commit,
            "relab.code": result.environment.code,
            "relab.torch": result.environment.torch,
            "relab.device": result.environment.device,
        }
        self._flush(trial.number, [RunTag(name, value) for name, value in tags.items()])
        self._artifacts(trial, run)
        self.client.set_terminated(run.identity, status, ended)
        run.status = status

    def _artifacts(self, trial: PlannedTrial, run: _Run) -> None:
        tables = sorted((self.study.store.trial(trial.key) / "artifacts").glob("*.parquet"))
        if not tables:
            return
        with tempfile.TemporaryDirectory() as folder:
            for table in tables:  # as text, which MLflow's pages show
                flat(pl.read_parquet(table, use_pyarrow=True)).write_csv(Path(folder) / f"{table.stem}.csv")
            self.client.log_artifacts(run.identity, folder)

    def _open(self, asked: Sequence[PlannedTrial]) -> None:
        """Scores on the test split, once it is open."""
        from mlflow.entities import Metric

        confirmed, now = self.study.confirmed(), int(time.time() * 1000)
        for trial in asked:
            known = self.children.get(trial.number)
            if trial.key in confirmed and known is not None and not known.opened:
                metrics = [Metric(f"best/{name}", value, now, 0) for name, value in confirmed[trial.key].items()]
                self.client.log_batch(known.identity, metrics=metrics)
                known.opened = True

    def _summarise(self, gone: bool) -> None:
        """Means, spreads, differences and intervals as metrics of the parents, where MLflow's pages compare them."""
        frame = self.study.frame()
        objective = Objective(self.description.objective, self.description.mode)
        for arm in frame["arm"].unique():
            values: dict[str, float] = {}
            if arm == SWEEP:
                ranking = search_ranking(frame, objective)
                if len(ranking):
                    values = {f"best/{objective.metric}": ranking["value"][0], "points": len(ranking)}
                    self._tag(arm, {f"best.{name}": _text(value) for name, value in best_parameters(ranking).items()})
            else:
                values = self._arm_metrics(frame, arm)
            self._metrics(self._parent(arm), values)
            self._end_parent(self._parent(arm), set(frame.filter(pl.col("arm") == arm)["state"]), gone)

    def _draw(self, full: str) -> None:
        """Put the figures that the records have into the full model's run, anew once there are more results."""
        from relab.figures import pictures

        opened = ", test opened" if self.study.confirmed() else ""
        results = f"{(self.study.frame()['state'] == 'finished').sum()}{opened}"
        if self.client.get_run(full).data.tags.get(FIGURES) == results:
            return
        try:
            with tempfile.TemporaryDirectory() as folder:
                for picture in pictures(self.study):
                    picture.draw(Path(folder) / f"{picture.name}.png")
                self.client.log_artifacts(full, folder, "figures")
            self.client.set_tag(full, FIGURES, results)
        except RelabError as error:
            self.client.set_tag(full, FIGURES, f"none: {first_line(error)}")

    def _end_parent(self, run: _Run, states: set[str], gone: bool) -> None:
        if not gone:
            if run.status != "RUNNING":
                self.client.update_run(run.identity, status="RUNNING")
                run.status = "RUNNING"
            return
        run.status = "FAILED" if "failed" in states else "KILLED" if states & {"waiting", "running"} else "FINISHED"
        self.client.set_terminated(run.identity, run.status)

    def _arm_metrics(self, frame: pl.DataFrame, arm: str) -> dict[str, float]:
        values: dict[str, float] = {}
        reported = [name.removeprefix("score/") for name in frame.columns if name.startswith("score/")]
        for metric in sorted(reported, key=lambda name: name != self.description.objective):  # MLflow shows the first
            summaries = summarise_arms(frame, metric, self.description.against, self.description.looks)
            found = next((summary for summary in summaries if summary.arm == arm), None)
            if found is None:
                continue
            values |= {f"mean/{metric}": found.mean, "seeds": found.seeds}
            if found.deviation is not None:
                values[f"deviation/{metric}"] = found.deviation
            if found.difference is not None:
                values[f"difference/{metric}"] = found.difference.mean
                if found.difference.low is not None and found.difference.high is not None:
                    values |= {
                        f"difference_low/{metric}": found.difference.low,
                        f"difference_high/{metric}": found.difference.high,
                    }
        return values

    def _metrics(self, run: _Run, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        if values:
            now = int(time.time() * 1000)
            self.client.log_batch(run.identity, metrics=[Metric(name, value, now, 0) for name, value in values.items()])

    def _tag(self, arm: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self.client.log_batch(self._parent(arm).identity, tags=[RunTag(name, value) for name, value in tags.items()])


def flat(table: pl.DataFrame) -> pl.DataFrame:
    """A table as CSV can hold it: lists, which vectors are, as text with spaces."""
    return table.with_columns(cs.list().list.eval(pl.element().cast(pl.String)).list.join(" "))


def _pass_on(lines: Iterator[str], waiting: queue.SimpleQueue[str | None]) -> None:
    for line in lines:
        waiting.put(line)
    waiting.put(None)


def _collected(waiting: queue.SimpleQueue[str | None], seconds: float) -> tuple[list[dict[str, Any]], bool]:
    """The messages that come in so many seconds, fewer if they end; whether more may come."""
    messages: list[dict[str, Any]] = []
    until = time.monotonic() + seconds
    while True:
        try:
            line = waiting.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return messages, True
        if line is None:
            return messages, False
        messages.append(json.loads(line))


def _params(values: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, _text(value)) for name, value in values.items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@contextmanager
def alone(study: StudyStore) -> Iterator[None]:
    """Write to a study's runs alone: a view that has yet to note how an interrupted run ended goes first."""
    study.folder.mkdir(parents=True, exist_ok=True)
    with (study.folder / "mlflow.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
