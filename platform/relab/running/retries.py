"""Which trials that failed are tried again: in the same run, in the next one, by ``--failed`` alone."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relab.method import Method
from relab.plan import Fold, PlannedTrial
from relab.records import Failure, StudyStore
from relab.search import ListSource, Source, sweep_source
from relab.spec import Budget, Spec, SweepSpec

ATTEMPTS_AFTER_LOST_WORKERS = 2
"""How often a trial whose worker died is tried again before it counts as failed."""


@dataclass
class Retries:
    """The trials of a run that wait for another attempt. Each goes on from its last checkpoint.

    * ``preempted``: at once, twice. What ends a worker is seldom the trial that it trains.
    * ``out of memory``: once, after everything else and alone. What it lacked, the others may have had; where it is
      alone already, it does not fit.
    * ``not a number``, ``error``: not in this run. The same seed takes the same steps to the same end.
    * ``timeout``: not in this run. The limit holds for all attempts together.

    What failed in an earlier run is tried once more, since code or machine may be others now, but after everything
    new: a few trials that always fail would else end each run before it has trained anything.
    """

    at_once: deque[PlannedTrial] = field(default_factory=deque)
    last: deque[PlannedTrial] = field(default_factory=deque)
    """From earlier runs: after everything new."""
    alone: deque[PlannedTrial] = field(default_factory=deque)
    """After everything else, and nothing beside them."""
    failed_before: set[str] = field(default_factory=set)
    """Keys of those from earlier runs: that they fail again says nothing of the next trial."""
    lost: Counter[str] = field(default_factory=Counter)
    """By key, workers that died in this run."""

    def put_off(self, trial: PlannedTrial, failures: Sequence[Failure]) -> bool:
        """Whether a trial that is next in the plan has failed before and waits: ``failures``, oldest first."""
        if not failures:
            return False
        self.failed_before.add(trial.key)
        (self.alone if failures[-1].kind == "out of memory" else self.last).append(trial)
        return True

    def again(self, trial: PlannedTrial, failure: Failure, *, alone: bool) -> bool:
        """Whether a trial that has just failed, alone or not, gets another attempt; it then waits for its turn."""
        if failure.kind == "out of memory" and not alone:
            self.alone.append(trial)
            return True
        if failure.kind == "preempted":
            self.lost[trial.key] += 1
            if self.lost[trial.key] <= ATTEMPTS_AFTER_LOST_WORKERS:
                (self.alone if alone else self.at_once).appendleft(trial)
                return True
        return False

    def take_all(self) -> list[PlannedTrial]:
        """Those whose turn has not come, once no further trial is started."""
        waiting = [*self.at_once, *self.last, *self.alone]
        for queue in (self.at_once, self.last, self.alone):
            queue.clear()
        return waiting


def failed_source(
    spec: Spec, method: Method[Any], corpora: Mapping[Fold | None, str], study: StudyStore
) -> tuple[Source, int]:
    """What a study has asked for and has failed, and nothing else; with the number of trials that the source gives.

    Of a sweep the source gives the finished trials too: early stopping compares with what they reported.
    """
    store, asked = study.store, study.asked()
    finished = {trial.key for trial in asked if store.result(trial.key) is not None}
    failed = [trial for trial in asked if trial.key not in finished and store.failures(trial.key)]
    if not failed or not isinstance(spec, SweepSpec):
        return ListSource(failed), len(failed)
    points = len({trial.number // len(corpora) for trial in asked})
    as_asked = spec.model_copy(update={"budget": Budget(trials=points)})
    source = sweep_source(as_asked, method, corpora, study)
    wanted = finished | {trial.key for trial in failed}
    source.queue = deque(trial for trial in source.queue if trial.key in wanted)
    return source, len(source.queue)
