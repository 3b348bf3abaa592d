"""A study from its spec to its records: what ``relab sweep``, ``relab ablate`` and ``relab train`` do."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from relab.cluster.capacity import capacity
from relab.corpus import describe
from relab.designs import FULL
from relab.errors import RelabError, RequestError
from relab.method import Method
from relab.methods import find_method
from relab.plan import PlannedTrial, plan, revision, smoke_plan
from relab.progress import Progress, standard_error
from relab.records import Description, Store, StudyStore
from relab.running.data import Data
from relab.running.driver import Listener, Run, connect, drive
from relab.running.execute import Order
from relab.running.gpus import take_gpus
from relab.running.resources import Slots, places, slots
from relab.running.retries import failed_source
from relab.search import ListSource, Source
from relab.sources import trial_source
from relab.spec import AblationSpec, SettledSpec, Spec, SweepSpec, TunedSpec
from relab.tracking import Tracker
from relab.tuning import settle, winner
from rich.console import Console

JOIN_SECONDS = 300.0
"""A worker that `ray up` has to install everything on takes minutes."""


@dataclass(frozen=True)
class Options:
    """How to run, as opposed to what: nothing here can change a result."""

    store: Path
    given: Mapping[str, Path] = field(default_factory=dict)
    """Where corpora and vectors lie, by name."""
    slots: int | None = None
    track: bool = True
    failed: bool = False
    """Train again what has failed, and nothing else."""
    gpus: tuple[str, ...] = ()
    """Of this machine, those to take; none named are those that nobody uses."""
    wait_for_gpus: bool = False
    console: Console = field(default_factory=standard_error)


@dataclass(frozen=True)
class Outcome:
    """How a run ended. The results themselves are the study's records."""

    study: StudyStore
    failed: int
    interrupted: bool


def run(spec: Spec, options: Options, data: Data | None = None) -> Outcome:
    """Run a study, or go on with it: whatever is finished is kept, whatever is missing is trained.

    Args:
        spec: what to train. A search and an ablation in one spec are two studies or more: the searches come first.
        options: how to train it.
        data: the spec's corpus, where it is read already.

    Raises:
        RequestError: the corpus is not there, a trial could never be placed, or what has failed is asked for of a
            study that was last run with another list of trials.
        StoreError: another driver holds the study, or the store cannot be written.
        RelabError: an arm of an ablation does not differ from the full model.
    """
    if isinstance(spec, TunedSpec) and not isinstance(spec, SettledSpec):
        return _around_winners(spec, options)
    began = time.time()
    method = find_method(spec.method)
    store = Store(options.store)
    study = store.study(spec.name)
    with study.lock(), Tracker(study, options.console, enabled=options.track) as tracker:
        data = data or Data.of(spec, method, store, options.given)
        options.console.print(_opening(spec, data))
        if options.failed and study.description().revision != revision(spec, method, data.fingerprints()):
            raise RequestError(
                f"{spec.name} was last run with other settings, seeds or data, and has other trials: "
                "--failed goes with the command that they failed under"
            )
        study.describe(_description(spec, data))
        tracker.begin()
        _connect(spec, options)
        job = _Job(spec, method, study, data, _placed(spec, options), tracker, options, began)
        if isinstance(spec, AblationSpec) and job.smoke():
            return Outcome(study, failed=0, interrupted=True)
        return job.train()


def _around_winners(spec: TunedSpec, options: Options) -> Outcome:
    """Search, then train the arms with what was found; a search that has its winner is not gone on with.

    The arms have their smoke runs before the first search, with the base's settings: an arm that removes nothing is not
    to be found out hours later.
    """
    method, store = find_method(spec.method), Store(options.store)
    data = Data.of(spec, method, store, options.given)
    fingerprints = data.fingerprints()
    searches = [search for search in spec.searches(method) if not winner(search, method, fingerprints, store)]
    if searches and not options.failed:
        study = store.study(spec.name)
        with study.lock(), Tracker(study, options.console, enabled=False) as tracker:
            _connect(spec, options)
            job = _Job(spec, method, study, data, _placed(spec, options), tracker, options, time.time())
            if job.smoke():
                return Outcome(study, failed=0, interrupted=True)
    for search in () if options.failed else searches:
        outcome = run(search, options, data)
        if outcome.interrupted:
            return outcome
    settled = settle(spec, method, fingerprints, store)
    if settled is None:
        raise RelabError(f"{spec.name}: a search has trials left, or none that finished; no arm was trained")
    for name, found in settled.winners.items():
        options.console.print(f"{name}: best with {', '.join(f'{field}={value!r}' for field, value in found.items())}")
    return run(settled, options, data)


def _connect(spec: Spec, options: Options) -> None:
    """Join a cluster, whose GPUs are Ray's to share out, or start Ray here with the GPUs that the study is to take."""
    if "RAY_ADDRESS" in os.environ and options.gpus:
        raise RequestError("--gpus names GPUs of this machine; RAY_ADDRESS names a cluster, which shares out its own")
    if "RAY_ADDRESS" not in os.environ and not ray.is_initialized():
        wanted = spec.resources.gpus * spec.resources.workers
        take_gpus(wanted, options.gpus, wait=options.wait_for_gpus, tell=options.console.print)
    connect()


def _placed(spec: Spec, options: Options) -> Slots:
    """How many trials fit; right after `ray up` the first worker of one's own machines is waited for."""
    until, told = time.monotonic() + JOIN_SECONDS, False
    while True:
        there = capacity()
        try:
            return slots(spec.resources, there, options.slots)
        except RequestError:
            if not there.awaited or time.monotonic() > until:
                raise
        if not told:
            options.console.print(f"no worker with a place is there yet; waiting, {JOIN_SECONDS:.0f} s at most")
            told = True
        time.sleep(1.0)


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

    def smoke(self) -> bool:
        """Train every arm for a moment; an arm that equals the full model removes nothing, and is refused.

        Returns whether it was interrupted.
        """
        planned = smoke_plan(self.spec, self.method, self.data.variant(None, smoke=True).fingerprint).trials
        run = self._drive(ListSource(planned), "smoke runs", len(planned), listeners=())
        if run.interrupted:
            return True
        if run.failed:
            worst = run.failed[0]
            raise RelabError(f"a smoke run failed, nothing was trained: {worst.message}\n{worst.traceback}")
        against = {arm.name: arm.against for arm in self.spec.designed(self.method).arms}
        same = equal_arms(planned, self.study.store, against)
        if same:
            equal = ", ".join(f"{arm} equals {other}" for arm, other in same.items())
            raise RelabError(
                f"{equal} in weights, scores and every report after a smoke run. "
                "What such an arm changes was not there; nothing was trained."
            )
        return False

    def train(self) -> Outcome:
        """Train what the plan or the search asks for."""
        source, total = self._source()
        run = self._drive(source, self.spec.name, total, listeners=(self.tracker,))
        return Outcome(self.study, len(run.failed), run.interrupted)

    def _source(self) -> tuple[Source, int | None]:
        fingerprints = self.data.fingerprints()
        if self.options.failed:
            return failed_source(self.spec, self.method, fingerprints, self.study)
        planned = plan(self.spec, self.method, fingerprints)
        total = len(planned.trials) + planned.to_draw
        return trial_source(self.spec, self.method, fingerprints, self.study), total

    def _drive(self, source: Source, title: str, total: int | None, listeners: Sequence[Listener]) -> Run:
        with Progress(title, total, self.spec.aim(self.method), self.options.console) as progress:
            hours = self.spec.budget.hours if isinstance(self.spec, SweepSpec) else None
            run = Run(
                self.study,
                source,
                self._order,
                self.slots,
                (*listeners, progress),
                deadline=None if hours is None else self.began + 3600 * hours,
                recount=lambda: places(self.spec.resources, capacity(), self.options.slots),
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
            hours=wanted.hours,
        )


def equal_arms(trials: Sequence[PlannedTrial], store: Store, against: Mapping[str, str]) -> dict[str, str]:
    """The arms whose weights, scores and reports all equal those of the arm that they are compared with.

    Weights are of the best epoch alone: what an arm changes may have passed by then, and shows in the reports.
    """
    keys = {trial.arm: trial.key for trial in trials}
    same: dict[str, str] = {}
    for arm, key in keys.items():
        other = keys[against.get(arm, FULL)]
        results, reports = [store.result(each) for each in (key, other)], [store.metrics(each) for each in (key, other)]
        one, two = ((result.weights, result.scores) if result else None for result in results)
        if arm == FULL or one is None or one != two or reports[0] is None or reports[1] is None:
            continue
        if reports[0].equals(reports[1]):
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
