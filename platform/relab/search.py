"""What to train next: lists of planned trials, and searches whose every proposal is a function of what is known."""

import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from relab.designs import Arm
from relab.method import Method, Objective
from relab.plan import SWEEP, Fold, PlannedTrial, Planner
from relab.records import Failure, Result, StudyStore
from relab.spaces import BISECTION_POINTS, known_points, log_between, products
from relab.spec import Dimension, SweepSpec

WINDOW = 200
"""So many of the latest points speak for the next one: a TPE over all of them slows down with their number."""
STARTUP = 10
"""Points drawn at random before TPE has enough to model."""
REDRAWS = 20
"""Draws of a point that is not known yet, before a search over choices takes the first one left."""
BISECTION_RATIO = 1.5
"""A bisection ends when the best point's neighbours are closer than this."""


class Source(ABC):
    """Says which trial to train next, and hears what came of each."""

    @abstractmethod
    def next(self) -> PlannedTrial | None:
        """The next trial, or None while there is none: for ever, where no trial is running that it waits for."""

    def should_stop(self, trial: PlannedTrial, report: int, metrics: Mapping[str, float]) -> bool:
        """Whether a trial is to stop after this report. Arms of an ablation never are."""
        return False

    def ended(self, trial: PlannedTrial, record: Result | Failure) -> None:
        """A trial is over, or was over before this run began."""


class ListSource(Source):
    """Trials known in advance."""

    def __init__(self, trials: Iterable[PlannedTrial]) -> None:
        self.left = deque(trials)

    def next(self) -> PlannedTrial | None:
        return self.left.popleft() if self.left else None


@dataclass
class Point:
    """One setting of the searched fields, trained once on every fold."""

    parameters: Mapping[str, Any]
    trials: Sequence[PlannedTrial]
    records: dict[str, Result | Failure] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)
    """Best value of the objective up to each report; of a single trial, for the pruner."""

    @property
    def running(self) -> bool:
        """Whether a trial of it is still to end."""
        return len(self.records) < len({trial.key for trial in self.trials})

    def value(self, objective: Objective) -> float | None:
        """The mean score over the folds, or None unless all of them finished."""
        scores = [
            r.scores[objective.metric] for r in self.records.values() if isinstance(r, Result) and r.state == "finished"
        ]
        return (
            sum(scores) / len(scores) if scores and len(scores) == len({trial.key for trial in self.trials}) else None
        )

    @property
    def pruned(self) -> bool:
        """Whether it was stopped early."""
        return any(isinstance(record, Result) and record.state == "pruned" for record in self.records.values())


class Waiting(Exception):
    """The next point depends on trials that still run."""


class Chooser(ABC):
    """Proposes the next point from all points so far; pure, so that a search goes on from its records alone."""

    @abstractmethod
    def propose(self, points: Sequence[Point]) -> Mapping[str, Any] | None:
        """Searched fields and their values; None for the end of the search.

        Raises:
            Waiting: a trial must end first.
        """


class Known(Chooser):
    """Points fixed in advance: the whole grid."""

    def __init__(self, points: Sequence[Mapping[str, Any]]) -> None:
        self.points = points

    def propose(self, points: Sequence[Point]) -> Mapping[str, Any] | None:
        known = [point.parameters for point in points]
        return next((point for point in self.points if point not in known), None)


class Bisection(Chooser):
    """The papers' search over ε: five points evenly on the log scale, then again between the best one's neighbours."""

    def __init__(self, name: str, low: float, high: float, objective: Objective) -> None:
        self.name, self.low, self.high, self.objective = name, low, high, objective

    def propose(self, points: Sequence[Point]) -> Mapping[str, Any] | None:
        known = {point.parameters[self.name]: point for point in points}
        low, high = Fraction(0), Fraction(1)
        while True:
            places = [low + (high - low) * step / (BISECTION_POINTS - 1) for step in range(BISECTION_POINTS)]
            values = [log_between(self.low, self.high, place) for place in places]
            missing = [value for value in values if value not in known]
            if missing:
                return {self.name: missing[0]}
            if any(known[value].running for value in values):
                raise Waiting
            scores = {place: known[value].value(self.objective) for place, value in enumerate(values)}
            best = self._best({place: score for place, score in scores.items() if score is not None})
            if best is None:
                return None
            left, right = max(best - 1, 0), min(best + 1, BISECTION_POINTS - 1)
            if values[right] / values[left] < BISECTION_RATIO:
                return None
            low, high = places[left], places[right]

    def _best(self, scores: Mapping[int, float]) -> int | None:
        sign = 1 if self.objective.mode == "max" else -1
        return max(scores, key=lambda place: sign * scores[place], default=None)


class Drawn(Chooser):
    """``tpe`` or ``random`` by Optuna, after the start points. Each proposal has a sampler seeded by its number."""

    def __init__(self, spec: SweepSpec, objective: Objective, starts: Sequence[Mapping[str, Any]]) -> None:
        self.spec, self.objective, self.starts = spec, objective, starts
        self.dimensions = {name: distribution(dimension) for name, dimension in spec.space.items()}
        self.choices = {name: dimension.choice for name, dimension in spec.space.items()}
        self.frozen: dict[int, FrozenTrial] = {}

    def propose(self, points: Sequence[Point]) -> Mapping[str, Any] | None:
        known = [point.parameters for point in points]
        for start in self.starts:
            if start not in known:
                return start
        study = self._study(points)
        for again in range(REDRAWS):
            study.sampler = self._sampler(len(points), again)
            trial = study.ask(self.dimensions)
            drawn = self._outside(trial.params)
            if drawn not in known:
                return drawn
            study.tell(trial, state=TrialState.FAIL)
        return next((point for point in products(self.spec.space) if point not in known), None)

    def _sampler(self, number: int, again: int) -> optuna.samplers.BaseSampler:
        seed = (self.spec.search.seed * 1_000_003 + number) * REDRAWS + again
        if self.spec.search.algorithm == "random":
            return optuna.samplers.RandomSampler(seed=seed % 2**32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(n_startup_trials=STARTUP, constant_liar=True, seed=seed % 2**32)

    def _study(self, points: Sequence[Point]) -> optuna.Study:
        """What the sampler is to know: the window's ended points, and those that run, as bad as the worst (TPE)."""
        study = optuna.create_study(direction="maximize" if self.objective.mode == "max" else "minimize")
        if self.spec.search.algorithm == "tpe":
            study.add_trials([self._known(number, point) for number, point in enumerate(points)][-WINDOW:])
        return study

    def _known(self, number: int, point: Point) -> FrozenTrial:
        if number in self.frozen:
            return self.frozen[number]
        value = point.value(self.objective)
        state = TrialState.FAIL
        if value is not None:
            state = TrialState.COMPLETE
        elif point.running:
            state = TrialState.RUNNING
        elif point.pruned:
            state = TrialState.PRUNED
        trial = optuna.create_trial(
            state=state,
            value=value,
            params=self._inside(point.parameters),
            distributions=dict(self.dimensions),
            intermediate_values=dict(point.reports) if state is TrialState.PRUNED else {},
        )
        if state is not TrialState.RUNNING:
            self.frozen[number] = trial
        return trial

    def _outside(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value if (choice := self.choices[name]) is None else choice[value] for name, value in values.items()
        }

    def _inside(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value if (choice := self.choices[name]) is None else choice.index(value)
            for name, value in values.items()
        }


def distribution(dimension: Dimension) -> BaseDistribution:
    """Optuna's word for a dimension. Choices go by their place, since Optuna knows numbers and strings alone."""
    if dimension.choice is not None:
        return CategoricalDistribution(tuple(range(len(dimension.choice))))
    low, high = dimension.probes
    if dimension.form in {"int", "logint"}:
        return IntDistribution(low, high, log=dimension.form == "logint")
    return FloatDistribution(low, high, log=dimension.form == "loguniform")


class Pruner:
    """Successive halving, by Optuna: is a trial's best value so far among the best of those that came as far?"""

    def __init__(self, spec: SweepSpec, objective: Objective) -> None:
        self.objective = objective
        self.study = optuna.create_study(
            direction="maximize" if objective.mode == "max" else "minimize",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=optuna.pruners.SuccessiveHalvingPruner(
                min_resource=spec.stop.grace, reduction_factor=spec.stop.reduction, min_early_stopping_rate=0
            ),
        )
        self.trials: dict[str, optuna.Trial] = {}

    def should_stop(self, key: str, report: int, value: float) -> bool:
        """Whether to stop after this report; a report that was heard before (a trial gone on with) changes nothing."""
        if key not in self.trials:
            self.trials[key] = self.study.ask()
        self.trials[key].report(value, report)
        return bool(self.trials[key].should_prune())

    def ended(self, key: str, value: float | None, *, pruned: bool) -> None:
        """Close a trial's account."""
        trial = self.trials.pop(key, None)
        if trial is None:
            return
        if pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, value, state=TrialState.FAIL if value is None else TrialState.COMPLETE)


class SweepSource(Source):
    """A search that goes on from a study's records: what was asked for comes first, what ended is known."""

    def __init__(
        self, spec: SweepSpec, planner: Planner, study: StudyStore, chooser: Chooser, objective: Objective
    ) -> None:
        self.spec, self.planner, self.study, self.chooser, self.objective = spec, planner, study, chooser, objective
        self.pruner = Pruner(spec, objective) if spec.stop.rule == "asha" else None
        self.points: list[Point] = []
        self.of: dict[int, Point] = {}
        self.queue: deque[PlannedTrial] = deque()
        self.done = False
        self._recall()

    def next(self) -> PlannedTrial | None:
        if not self.queue and not self.done and len(self.points) < self.total:
            try:
                parameters = self.chooser.propose(self.points)
            except Waiting:
                return None
            if parameters is None:
                self.done = True
            else:
                self._add(parameters)
        return self.queue.popleft() if self.queue else None

    @property
    def total(self) -> int:
        """Points that the budget allows."""
        return self.spec.points

    def should_stop(self, trial: PlannedTrial, report: int, metrics: Mapping[str, float]) -> bool:
        point, value = self.of[trial.number], metrics[self.objective.metric]
        before = point.reports.get(report - 1)
        point.reports[report] = value if before is None or self.objective.better(value, before) else before
        return self.pruner is not None and self.pruner.should_stop(trial.key, report, point.reports[report])

    def ended(self, trial: PlannedTrial, record: Result | Failure) -> None:
        point = self.of[trial.number]
        if (
            trial.key not in point.records
            and self.pruner is not None
            and not point.reports
            and isinstance(record, Result)
        ):
            self._replay(trial)
        point.records[trial.key] = record
        if self.pruner is not None:
            self.pruner.ended(trial.key, point.value(self.objective), pruned=point.pruned)

    def _add(self, parameters: Mapping[str, Any]) -> None:
        first = len(self.points) * len(self.planner.corpora)
        trials = self.planner.trials(first, self.planner.variant(Arm(SWEEP), parameters), self.spec.seed)
        point = Point(dict(parameters), trials)
        self.points.append(point)
        self.of.update({trial.number: point for trial in trials})
        self.queue.extend(trials)

    def _recall(self) -> None:
        """Take up the points that earlier runs asked for, in their order; where a record was removed, draw again."""
        folds = len(self.planner.corpora)
        for trial in self.study.asked():
            while len(self.points) < min(trial.number // folds, self.total):
                try:
                    parameters = self.chooser.propose(self.points)
                except Waiting:  # a bisection comes to the same points again, by their results
                    return
                if parameters is None:
                    return
                self._add(parameters)
            if trial.number not in self.of and len(self.points) < self.total:
                self._add(trial.parameters)

    def _replay(self, trial: PlannedTrial) -> None:
        """Tell the pruner what a trial of an earlier run reported."""
        metrics = self.study.store.metrics(trial.key)
        if metrics is not None:
            for row in metrics.iter_rows(named=True):
                self.should_stop(trial, row["report"], row)


def sweep_source(
    spec: SweepSpec, method: Method[Any], corpora: Mapping[Fold | None, str], study: StudyStore
) -> SweepSource:
    """The source of a sweep's trials, gone on with where the study's records end."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    objective = spec.aim(method)
    return SweepSource(spec, Planner(spec, method, corpora), study, chooser(spec, method, objective), objective)


def chooser(spec: SweepSpec, method: Method[Any], objective: Objective) -> Chooser:
    """The strategy that a spec names."""
    match spec.search.algorithm:
        case "grid":
            return Known(known_points(spec, method))
        case "bisect":
            ((name, dimension),) = spec.space.items()
            low, high = dimension.probes
            return Bisection(name, low, high, objective)
        case _:
            return Drawn(spec, objective, known_points(spec, method))
