"""A study from its spec to its records: what ``relab sweep``, ``relab ablate`` and ``relab train`` do."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from relab.adaptive import AdaptiveSource
from relab.corpus import describe
from relab.designs import FULL
from relab.errors import RelabError
from relab.method import Method
from relab.methods import find_method
from relab.plan import PlannedTrial, plan, revision, smoke_plan
from relab.progress import Progress, standard_error
from relab.records import Description, Result, Store, StudyStore
from relab.running.data import Data
from relab.running.driver import Listener, Run, connect, drive
from relab.running.execute import Order
from relab.running.resources import Slots, slots
from relab.search import ListSource, Source, sweep_source
from relab.spec import AblationSpec, Spec, SweepSpec
from relab.tracking import Tracker
from rich.console import Console


@dataclass(frozen=True)
class Options:
    """How to run, as opposed to what: nothing here can change a result."""

    store: Path
    given: Mapping[str, Path] = field(default_factory=dict)
    """Where corpora and vectors lie, by name."""
    slots: int | None = None
    track: bool = True
    console: Console = field(default_factory=standard_error)


@dataclass(frozen=True)
class Outcome:
    """How a run ended. The results themselves are the study's records."""

    study: StudyStore
    failed: int
    interrupted: bool


def run(spec: Spec, options: Options) -> Outcome:
    """Run a study, or go on with it: whatever is finished is kept, whatever is missing is trained.

    Raises:
        RequestError: the corpus is not there, or a trial could never be placed.
        StoreError: another driver holds the study, or the store cannot be written.
        RelabError: an arm of an ablation does not differ from the full model.
    """
    began = time.time()
    method = find_method(spec.method)
    store = Store(options.store)
    study = store.study(spec.name)
    with study.lock(), Tracker(study, options.console, enabled=options.track) as tracker:
        data = Data.of(spec, method, store, options.given)
        options.console.print(_opening(spec, data))
        study.describe(_description(spec, data))
        tracker.begin()
        connect()
        placed = slots(spec.resources, ray.cluster_resources(), options.slots)
        job = _Job(spec, method, study, data, placed, tracker, options, began)
        if isinstance(spec, AblationSpec):
            job.smoke()
        return job.train()


@dataclass(frozen=True)
class _Job:
    spec: Spec
    method: Method[Any]
    study: StudyStore
    data: Data
    slots: Slots
    tracker: Tracker
    options: Options
    began: float

    def smoke(self) -> None:
        """Train every arm for a moment; an arm that equals the full model removes nothing, and is refused."""
        planned = smoke_plan(self.spec, self.method, self.data.variant(None, smoke=True).fingerprint).trials
        run = self._drive(ListSource(planned), "smoke runs", len(planned), listeners=())
        if run.interrupted:
            return
        if run.failed:
            worst = run.failed[0]
            raise RelabError(f"a smoke run failed, nothing was trained: {worst.message}\n{worst.traceback}")
        against = self.study.description().against
        same = equal_arms(planned, {trial.key: self.study.store.result(trial.key) for trial in planned}, against)
        if same:
            equal = ", ".join(f"{arm} equals {other}" for arm, other in same.items())
            raise RelabError(
                f"{equal} in weights, scores and reports after a smoke run. "
                "What such an arm changes was not there; nothing was trained."
            )

    def train(self) -> Outcome:
        """Train what the plan or the search asks for."""
        source, total = self._source()
        run = self._drive(source, self.spec.name, total, listeners=(self.tracker,))
        return Outcome(self.study, len(run.failed), run.interrupted)

    def _source(self) -> tuple[Source, int | None]:
        if isinstance(self.spec, SweepSpec):
            fingerprints = self.data.fingerprints()
            return sweep_source(self.spec, self.method, fingerprints, self.study), self.spec.points * len(fingerprints)
        trials = plan(self.spec, self.method, self.data.fingerprints(), ()).trials
        if isinstance(self.spec, AblationSpec) and self.spec.looks:
            metric, against = self.spec.aim(self.method).metric, self.study.description().against
            return AdaptiveSource(trials, self.spec.looks, metric, against), len(trials)
        return ListSource(trials), len(trials)

    def _drive(self, source: Source, title: str, total: int | None, listeners: Sequence[Listener]) -> Run:
        with Progress(title, total, self.spec.aim(self.method), self.slots.count, self.options.console) as progress:
            hours = self.spec.budget.hours if isinstance(self.spec, SweepSpec) else None
            run = Run(
                self.study,
                source,
                self._order,
                self.slots,
                (*listeners, progress),
                deadline=None if hours is None else self.began + 3600 * hours,
            )
            drive(run)
        return run

    def _order(self, trial: PlannedTrial) -> Order:
        wanted = self.spec.resources
        return Order(
            trial,
            str(self.study.store.root),
            self.data.prepared(trial),
            threads=max(1, int(wanted.cpus)),
            gpus=wanted.gpus,
            workers=wanted.workers,
        )


def equal_arms(
    trials: Sequence[PlannedTrial], results: Mapping[str, Result | None], against: Mapping[str, str]
) -> dict[str, str]:
    """The arms whose weights, scores and number of reports equal those of the arm that they are compared with."""
    found = {trial.arm: results[trial.key] for trial in trials}
    same: dict[str, str] = {}
    for arm, result in found.items():
        other = found[against.get(arm, FULL)]
        if arm == FULL or result is None or other is None:
            continue
        if (other.weights, other.scores, other.reports) == (result.weights, result.scores, result.reports):
            same[arm] = against.get(arm, FULL)
    return same


def _description(spec: Spec, data: Data) -> Description:
    aim, arms = spec.aim(data.method), spec.designed(data.method).arms
    return Description(
        spec=spec.model_dump(mode="json", by_alias=True),
        kind=spec.kind,
        method=spec.method,
        objective=aim.metric,
        mode=aim.mode,
        corpus=describe(data.corpus),
        protocol=spec.protocol,
        arms={arm.name: dict(arm.changes) for arm in arms},
        off={arm.name: arm.off for arm in arms},
        against={arm.name: arm.against for arm in arms if arm.against != FULL},
        looks=spec.looks if isinstance(spec, AblationSpec) else (),
        claims=spec.claims if isinstance(spec, AblationSpec) else (),
        published=spec.published if isinstance(spec, AblationSpec) else None,
        revision=revision(spec, data.method, data.fingerprints()),
    )


def _opening(spec: Spec, data: Data) -> str:
    left_out = spec.designed(data.method).impossible
    reasons = "".join(f"\nno arm {name!r}: {reason}" for name, reason in left_out.items())
    return f"{spec.name}: {data.method.title}\n{describe(data.corpus)}{reasons}"
