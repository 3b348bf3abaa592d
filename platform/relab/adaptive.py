"""An ablation with as many seeds as its verdicts need: the arms that a look has settled are not trained further."""

import statistics
from collections import deque
from collections.abc import Mapping, Sequence

from relab.designs import FULL
from relab.plan import PlannedTrial
from relab.records import Failure, Result
from relab.search import Source
from relab.sequential import Standing, arm_standings


class AdaptiveSource(Source):
    """Trains a look's seeds of every arm that goes on, with those of the arms that they are compared with.

    A decision is a function of the records up to its look, so that an interrupted study takes the same ones again. A
    trial that failed leaves its arm a pair short, and with it at the look before.
    """

    def __init__(
        self, trials: Sequence[PlannedTrial], looks: tuple[int, ...], metric: str, against: Mapping[str, str]
    ) -> None:
        """``trials`` of all looks, in the order of the plan; ``against`` as in a study's description."""
        self.looks, self.metric, self.against = looks, metric, against
        self.cells: dict[tuple[str, int], list[PlannedTrial]] = {}
        for trial in trials:
            self.cells.setdefault((trial.arm, trial.seed), []).append(trial)
        self.arms = tuple(dict.fromkeys(arm for arm, _ in self.cells))
        self.seeds = tuple(dict.fromkeys(seed for _, seed in self.cells))
        self.queue: deque[PlannedTrial] = deque()
        self.in_flight: set[int] = set()
        self.asked: set[tuple[str, int]] = set()
        self.scores: dict[tuple[str, int], list[float]] = {cell: [] for cell in self.cells}
        self.round = 0
        self._next_round()

    def next(self) -> PlannedTrial | None:
        if not self.queue and not self.in_flight:
            self._next_round()
        if not self.queue:
            return None
        trial = self.queue.popleft()
        self.in_flight.add(trial.number)
        return trial

    def ended(self, trial: PlannedTrial, record: Result | Failure) -> None:
        self.in_flight.discard(trial.number)
        if isinstance(record, Result) and record.state == "finished":
            self.scores[trial.arm, trial.seed].append(record.scores[self.metric])

    def standings(self) -> dict[str, Standing]:
        """Every arm but the full model after the looks so far."""
        return arm_standings({arm: self._by_seed(arm) for arm in self.arms}, self.arms, self.against, self.looks)

    def _going_on(self) -> list[str]:
        if self.round >= len(self.looks):
            return []
        return [arm for arm, standing in self.standings().items() if standing.outcome == "goes on"]

    def _next_round(self) -> None:
        """Queue what the next look needs, seed by seed."""
        wanted = set(self._going_on())
        while more := {self.against.get(arm, FULL) for arm in wanted if arm != FULL} - wanted:
            wanted |= more
        if not wanted:
            return
        for seed in self.seeds[: self.looks[self.round]]:
            for arm in self.arms:
                if arm in wanted and (arm, seed) not in self.asked:
                    self.asked.add((arm, seed))
                    self.queue.extend(self.cells[arm, seed])
        self.round += 1

    def _by_seed(self, arm: str) -> dict[int, float]:
        """The mean over the folds of each seed that has all of them."""
        return {
            seed: statistics.fmean(self.scores[arm, seed])
            for seed in self.seeds
            if len(self.scores[arm, seed]) == len(self.cells[arm, seed])
        }
