"""What failed is tried again by its class: at once, later and alone, in the next run, or not at all."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from relab.cells import failed_cells
from relab.cluster.capacity import Capacity
from relab.environment import Environment
from relab.errors import NotFound, RequestError
from relab.methods import find_method
from relab.plan import Fold, PlannedTrial, plan
from relab.records import Description, Failure, FailureKind, Result, Store, StudyStore
from relab.running.driver import FAILURES_IN_A_ROW, Run
from relab.running.execute import Order
from relab.running.resources import slots
from relab.running.retries import ATTEMPTS_AFTER_LOST_WORKERS, failed_source
from relab.search import ListSource, Source, sweep_source
from relab.spec import AblationSpec, Resources, SweepSpec

HERE = Environment(code="c", commit="", python="3", torch="2", packages={}, device="cpu", world_size=1)
Ending = FailureKind | None
"""How an attempt ends: with a result if it is None."""
Attempts = list[tuple[int, bool, frozenset[int]]]
"""Each attempt in order: its trial, whether the run called it alone, and the trials that ran beside it at its start."""


def planned(number: int) -> PlannedTrial:
    values = {"number": number, "key": f"{number:020x}", "method": "m", "arm": "full", "seed": number, "config": {}}
    return PlannedTrial.model_validate(values | {"corpus": "c", "smoke": True})  # smoke: no list is kept of it


def failure(trial: PlannedTrial, kind: FailureKind) -> Failure:
    values = {"key": trial.key, "kind": kind, "message": "m", "traceback": "t", "seconds": 1.0, "ended": 1.0}
    return Failure.model_validate(values | {"environment": HERE})


def result(trial: PlannedTrial) -> Result:
    values: dict[str, Any] = {"key": trial.key, "state": "finished", "scores": {}, "reports": 1, "best": None}
    values |= {"weights": "w", "seconds": 1.0, "peak_memory": 0, "started": 0.0, "ended": 1.0, "environment": HERE}
    return Result.model_validate(values)


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, str]] = []

    def started(self, trial: PlannedTrial) -> None:
        pass

    def reported(self, trial: PlannedTrial, report: int, metrics: Mapping[str, float]) -> None:
        pass

    def ended(self, trial: PlannedTrial, outcome: Result | Failure | None) -> None:
        self.ends.append((trial.number, "" if outcome is None else getattr(outcome, "kind", "finished")))


class Slots:
    """Trains trials that end as they are told, so many beside each other, where Ray Tune would train them."""

    def __init__(self, folder: Path, count: int = 2) -> None:
        self.store, self.count, self.heard = Store(folder / "store"), count, Heard()

    def run(self, source: Source, ending: Callable[[int, int, bool], Ending]) -> tuple[Run, Attempts]:
        """``ending`` of a trial's number, its attempt in this run (from 1), and whether nothing ran beside it."""
        placed = slots(Resources(), Capacity(there=({"CPU": float(self.count)},)))
        run = Run(self.store.study("s"), source, lambda trial: Order(trial, "", ""), placed, (self.heard,))
        attempts: Attempts = []
        names = itertools.count()
        for _ in run.rounds():
            while True:
                while len(run.running) < (1 if run.alone else self.count):
                    beside = frozenset(at.planned.number for at in run.running.values())
                    trial = run.start(str(next(names)))
                    if trial is None:
                        break
                    attempts.append((trial.number, run.alone, beside))
                    assert len(attempts) < 1000, "the run does not end"
                if not run.running:
                    break
                self._end(run, attempts, ending)
        run.give_up()
        return run, attempts

    def _end(self, run: Run, attempts: Attempts, ending: Callable[[int, int, bool], Ending]) -> None:
        name, at = next(iter(run.running.items()))
        attempt = sum(number == at.planned.number for number, *_ in attempts)
        kind = ending(at.planned.number, attempt, run.alone)
        if kind == "preempted":
            run.end(name, RuntimeError("the worker died"))
            return
        record = result(at.planned) if kind is None else failure(at.planned, kind)
        if isinstance(record, Result):
            self.store.write_result(record)
        else:
            self.store.write_failure(record)
        at.record = record
        run.end(name)


def trials(count: int) -> ListSource:
    return ListSource([planned(number) for number in range(count)])


@pytest.fixture
def two(tmp_path: Path) -> Slots:
    return Slots(tmp_path)


def test_out_of_memory_is_tried_again_after_everything_else_and_alone(two: Slots) -> None:
    run, attempts = two.run(trials(6), lambda n, attempt, alone: "out of memory" if n in {1, 3} and not alone else None)
    assert not run.failed and len(two.store.finished()) == 6
    assert [(number, alone) for number, alone, _ in attempts[6:]] == [(1, True), (3, True)]
    assert all(not beside for _, alone, beside in attempts if alone) and not any(alone for _, alone, _ in attempts[:6])
    assert [end for end in two.heard.ends if end[0] == 1] == [(1, "out of memory"), (1, "finished")]


def test_out_of_memory_alone_is_the_end_of_it(two: Slots) -> None:
    run, attempts = two.run(trials(3), lambda n, attempt, alone: "out of memory" if n == 0 else None)
    assert [record.key for record in run.failed] == [planned(0).key]
    assert [number for number, *_ in attempts].count(0) == 2 == len(two.store.failures(planned(0).key))


def test_where_nothing_fits_beside_another_all_are_trained_alone(tmp_path: Path) -> None:
    """As after Ray has killed a worker for the memory of its machine: what is in flight then has run out of it."""
    run, attempts = Slots(tmp_path, 4).run(trials(20), lambda n, attempt, alone: None if alone else "out of memory")
    assert not run.failed and sum(alone for _, alone, _ in attempts) == 20
    assert len(attempts) == 40


def test_where_nothing_fits_at_all_the_run_ends_soon(two: Slots) -> None:
    run, attempts = two.run(trials(100), lambda n, attempt, alone: "out of memory")
    assert len(run.failed) <= FAILURES_IN_A_ROW + 1 and len(attempts) <= 2 * (FAILURES_IN_A_ROW + 1)


def test_a_lost_worker_is_replaced_at_once(two: Slots) -> None:
    run, attempts = two.run(trials(5), lambda n, attempt, alone: "preempted" if n == 0 and attempt <= 2 else None)
    assert not run.failed and [number for number, *_ in attempts] == [0, 1, 0, 2, 0, 3, 4]
    assert [record.kind for record in two.store.failures(planned(0).key)] == ["preempted", "preempted"]


def test_a_trial_whose_workers_all_die_has_failed(two: Slots) -> None:
    run, attempts = two.run(trials(5), lambda n, attempt, alone: "preempted" if n == 0 else None)
    assert [record.kind for record in run.failed] == ["preempted"] and len(two.store.finished()) == 4
    assert [number for number, *_ in attempts].count(0) == 1 + ATTEMPTS_AFTER_LOST_WORKERS


def test_many_workers_lost_at_once_do_not_end_a_run(tmp_path: Path) -> None:
    run, _ = Slots(tmp_path, 8).run(trials(20), lambda n, attempt, alone: "preempted" if attempt <= 2 else None)
    assert not run.failed and len(run.study.store.finished()) == 20


@pytest.mark.parametrize("kind", ["not a number", "error", "timeout"])
def test_what_would_fail_again_is_left_to_the_next_run(two: Slots, kind: FailureKind) -> None:
    run, attempts = two.run(trials(3), lambda n, attempt, alone: kind if n == 0 else None)
    assert [number for number, *_ in attempts] == [0, 1, 2] and [record.kind for record in run.failed] == [kind]


@pytest.mark.parametrize("failing", range(1, 8))
def test_what_failed_before_comes_after_everything_new_and_never_ends_a_run(two: Slots, failing: int) -> None:
    for number in range(failing):
        two.store.write_failure(failure(planned(number), "error"))
    run, attempts = two.run(trials(10), lambda n, attempt, alone: "error" if n < failing else None)
    assert [number for number, *_ in attempts] == [*range(failing, 10), *range(failing)]
    assert len(run.failed) == failing and len(two.store.finished()) == 10 - failing


def test_four_new_failures_in_a_row_end_a_run_and_those_put_off_count_as_failed(two: Slots) -> None:
    two.store.write_failure(failure(planned(0), "timeout"))
    run, attempts = two.run(trials(50), lambda n, attempt, alone: "error")
    assert len(attempts) <= FAILURES_IN_A_ROW + two.count - 1
    assert planned(0).key in {record.key for record in run.failed} and 0 not in {number for number, *_ in attempts}


def test_out_of_memory_in_an_earlier_run_is_alone_in_this_one(two: Slots) -> None:
    two.store.write_failure(failure(planned(0), "error"))
    two.store.write_failure(failure(planned(0), "out of memory"))
    two.store.write_failure(failure(planned(1), "out of memory"))
    two.store.write_failure(failure(planned(1), "error"))
    run, attempts = two.run(trials(4), lambda n, attempt, alone: None)
    assert [(number, alone) for number, alone, _ in attempts] == [(2, False), (3, False), (1, False), (0, True)]
    assert not run.failed


class Pairwise(ListSource):
    """Gives a trial only when the one before has ended for good, as a look of adaptive seeds waits for its seeds."""

    waits = False
    seen: tuple[str, ...] = ()

    def next(self) -> PlannedTrial | None:
        if self.waits:
            return None
        trial = super().next()
        self.waits = trial is not None
        return trial

    def ended(self, trial: PlannedTrial, record: Result | Failure) -> None:
        self.waits = False
        self.seen = (*self.seen, getattr(record, "kind", "finished"))


def test_a_source_that_waits_for_a_trial_hears_of_its_last_attempt_alone(two: Slots) -> None:
    two.store.write_failure(failure(planned(2), "timeout"))
    source = Pairwise([planned(number) for number in range(4)])
    endings: dict[tuple[int, int], Ending] = {(0, 1): "out of memory", (1, 1): "preempted", (3, 1): "error"}
    run, attempts = two.run(source, lambda n, attempt, alone: endings.get((n, attempt)))
    assert [number for number, *_ in attempts] == [0, 0, 1, 1, 2, 3]
    assert source.seen == ("finished", "finished", "finished", "error") and len(run.failed) == 1


@settings(max_examples=60, deadline=None)
@for_all(
    st.lists(st.sampled_from(["out of memory", "preempted", "timeout", "error", None]), min_size=0, max_size=40),
    st.integers(1, 4),
    st.integers(1, 9),
    st.lists(st.sampled_from(["out of memory", "error", None]), max_size=9),
)
def test_every_run_ends_with_each_trial_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, endings: list[Ending], count: int, wanted: int, before: list[Ending]
) -> None:
    machine = Slots(tmp_path_factory.mktemp("run"), count)
    for number, kind in enumerate(before):
        if kind is not None:
            machine.store.write_failure(failure(planned(number), kind))
    left = iter(endings)
    run, attempts = machine.run(trials(wanted), lambda n, attempt, alone: next(left, None))
    failed, finished = [record.key for record in run.failed], machine.store.finished()
    assert not run.running and not run.retries.take_all()
    assert len(set(failed)) == len(failed) and not finished & set(failed)
    everything = {planned(number).key for number in range(wanted)}
    assert finished | set(failed) <= everything
    if run.failures_in_a_row < FAILURES_IN_A_ROW:
        assert finished | set(failed) == everything
    for number in range(wanted):
        assert sum(at == number for at, *_ in attempts) <= 2 + ATTEMPTS_AFTER_LOST_WORKERS
    assert all(not beside for _, alone, beside in attempts if alone)


JOINT = find_method("joint_head_selection")
WHOLE: dict[Fold | None, str] = {None: "corpus"}
FOLDS: dict[Fold | None, str] = {Fold(index=k, count=3): f"fold {k}" for k in range(3)}


def described(folder: Path, kind: str) -> StudyStore:
    study = Store(folder).study("s")
    about = {"spec": {}, "kind": kind, "method": JOINT.name, "objective": "dev/overall_f1", "mode": "max"}
    study.describe(Description.model_validate(about | {"corpus": "c", "protocol": "clean", "revision": "r"}))
    return study


def given(source: Source) -> list[tuple[int, str]]:
    found = []
    while (trial := source.next()) is not None:
        found.append((trial.number, trial.key))
    return found


def test_failed_are_those_of_an_ablation_without_a_result_whose_last_attempt_failed(tmp_path: Path) -> None:
    spec = AblationSpec.model_validate(
        {"method": JOINT.name, "corpus": "c", "design": "leave_one_out", "components": ["crf"]}
        | {"seeds": {"looks": [4, 6]}}
    )
    study, trials = described(tmp_path, "ablation"), plan(spec, JOINT, WHOLE).trials
    for trial in trials[:7]:
        study.ask(trial)
    for trial in (trials[1], trials[2], trials[4], trials[9]):  # the last was asked for by another study
        study.store.write_failure(failure(trial, "error"))
    study.store.write_result(result(trials[0]))
    study.store.write_result(result(trials[2]))
    source, total = failed_source(spec, JOINT, WHOLE, study)
    assert given(source) == [(1, trials[1].key), (4, trials[4].key)] and total == 2
    assert given(failed_source(spec, JOINT, WHOLE, described(tmp_path / "empty", "ablation"))[0]) == []


@pytest.mark.parametrize("corpora", [WHOLE, FOLDS], ids=["whole", "folds"])
def test_failed_of_a_sweep_are_no_new_points_and_are_stopped_as_their_like(
    tmp_path: Path, corpora: dict[Fold | None, str]
) -> None:
    spec = SweepSpec.model_validate(
        {"method": JOINT.name, "corpus": "c", "space": {"optimizer.lr": {"loguniform": [1e-4, 1e-1]}}}
        | {"budget": {"trials": 40}, "stop": {"rule": "asha" if corpora is WHOLE else "none"}}
    )
    study, folds = described(tmp_path, "sweep"), len(corpora)
    first = sweep_source(spec, JOINT, corpora, study)
    asked = [first.next() for _ in range(5 * folds - folds + 1)]  # of the last point one fold was asked for
    trials = [trial for trial in asked if trial is not None]
    for trial in trials:
        study.ask(trial)
    for trial in trials[: 3 * folds]:
        study.store.write_metrics(trial.key, [{"dev/overall_f1": 0.9}])
        study.store.write_result(result(trial).model_copy(update={"scores": {"dev/overall_f1": 0.9}}))
    broken = trials[3 * folds]
    study.store.write_failure(failure(broken, "timeout"))
    source, total = failed_source(spec, JOINT, corpora, study)
    found = []
    while (trial := source.next()) is not None:
        found.append(trial.key)
        if (known := study.store.result(trial.key)) is not None:
            source.ended(trial, known)
    assert found == [trial.key for trial in trials[: 3 * folds + 1]] and len(found) == total
    assert source.should_stop(broken, 1, {"dev/overall_f1": 0.1}) == (corpora is WHOLE)


SWEEP = """
    method: benchmarks.known_failures:KnownFailures
    corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
    space: {fails: {choice: [memory, slow, worker, diverge, error, nothing]}}
    search: {algorithm: grid}
"""
SHORT = "    resources: {hours: 0.001}\n"


@pytest.mark.ray
def test_real_failures_have_their_class_and_failed_trains_them_alone(lab: Any) -> None:
    with pytest.raises(NotFound, match="has not been run yet"):
        lab.run(SWEEP + SHORT, failed=True)
    outcome = lab.run(SWEEP + SHORT, trials=5)
    study = outcome.study
    trials = {trial.parameters["fails"]: trial for trial in study.asked()}
    kinds = {fails: [record.kind for record in study.store.failures(trial.key)] for fails, trial in trials.items()}
    assert kinds == {
        "memory": ["out of memory"], "slow": ["timeout"], "worker": ["preempted"], "diverge": ["not a number"],
        "error": ["error"],
    }  # fmt: skip
    assert outcome.failed == 3
    assert str(failed_cells(study.frame())["sweep"]) == "2/5, 1 error, 1 not a number, 1 timeout"
    results = {fails: study.store.result(trial.key) for fails, trial in trials.items()}
    others = [study.store.failures(trials[fails].key)[-1].ended for fails in ("slow", "diverge", "error")]
    assert results["memory"].started > max(results["worker"].ended, *others)

    with pytest.raises(RequestError, match="--failed goes with the command"):
        lab.run(SWEEP.replace("memory, ", "") + SHORT, failed=True)
    outcome = lab.run(SWEEP, failed=True)
    assert [trial.parameters["fails"] for trial in study.asked()] == list(trials) and outcome.failed == 2
    assert [record.kind for record in study.store.failures(trials["diverge"].key)] == ["not a number"] * 2
    slow = study.store.result(trials["slow"].key)
    assert slow.reports == 4 and slow.ended - slow.started < slow.seconds  # gone on with from its first report
