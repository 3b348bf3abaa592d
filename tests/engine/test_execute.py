"""One trial from its plan to its record, in this process."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
import pytest
import torch
from relab.corpus import Corpus
from relab.method import Component, Config, Method, Objective, Scores
from relab.plan import PlannedTrial
from relab.prepared import Prepared, Split
from relab.records import Store
from relab.running.execute import Order, TimeLimit, assist, execute, failure, weights_digest
from relab.trial import Checkpoint, Trial


class TinyData(Config):
    """Nothing to prepare."""


class TinyConfig(Config):
    data: TinyData = TinyData()
    epochs: int = 4
    best: int = 3
    """The epoch marked best, from 1; 0 for none."""
    wrong: Literal["nothing", "loss", "test score", "no report"] = "nothing"
    conclude: bool = False


class Tiny(Method[TinyConfig]):
    """Adds a random vector per epoch to its one weight; its loss is 1/epoch, its score the epoch's number."""

    name: ClassVar[str] = "tiny"
    title: ClassVar[str] = "for the tests of execute"
    version: ClassVar[int] = 1
    Config = TinyConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"smoke": {"epochs": 1}}
    components: ClassVar[tuple[Component, ...]] = ()
    objective: ClassVar[Objective] = Objective("dev/score")
    metrics: ClassVar[tuple[str, ...]] = ("train/loss", "dev/score")
    example: ClassVar[str] = "planted_joint"

    def prepare(self, corpus: Corpus[Any], data: TinyData) -> Prepared:
        return PREPARED

    def train(self, config: TinyConfig, data: Prepared, trial: Trial) -> None:
        if set(data.splits) != {"train", "dev"}:
            raise AssertionError(f"training sees {sorted(data.splits)}")
        weight, done, found = torch.zeros(8), 0, trial.resume()
        if found is not None:
            weight, done = found.weights()["w"], found.progress["epoch"]
        for epoch in range(done + 1, config.epochs + 1 if config.wrong != "no report" else 0):
            weight = weight + torch.rand(8, generator=trial.rng("step", epoch)) * data.splits["train"]["scale"]

            def state(weight: torch.Tensor = weight, epoch: int = epoch) -> Checkpoint:
                return Checkpoint({"model/w": weight, "optimiser/m": weight * 2}, {"epoch": epoch})

            loss = float("nan") if config.wrong == "loss" and epoch == 2 else 1 / epoch
            trial.report({"train/loss": loss, "dev/score": float(epoch)}, state, best=epoch == config.best)
        if config.conclude:
            trial.conclude(lambda: Checkpoint({"model/w": torch.full((8,), 9.0)}, {"epoch": config.epochs}))

    def evaluate(self, config: TinyConfig, split: Split, weights: Path) -> Scores:
        total = float(Checkpoint.load(weights).weights()["w"].sum())
        score = float("nan") if config.wrong == "test score" and split.name == "test" else total
        return Scores({"score": score}, {"sizes": pl.DataFrame({"split": [split.name]})})


PREPARED = Prepared({name: {"scale": torch.tensor(0.5)} for name in ("train", "dev", "test")})


class Halt(Exception):
    """Raised from a report, where a crash would end the trial."""


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def order(folder: Path, seed: int = 0, opens_test: bool = False, **config: Any) -> Order:
    trial = PlannedTrial.model_validate(
        {
            "number": 0,
            "key": f"{seed:020x}",
            "method": f"{__name__}:Tiny",
            "arm": "full",
            "seed": seed,
            "corpus": "c",
            "config": TinyConfig.model_validate(config).model_dump(mode="json"),
            "opens_test": opens_test,
        }
    )
    prepared = folder / "prepared"
    PREPARED.save(prepared)
    return Order(trial, str(folder / "store"), str(prepared), checkpoint_seconds=0)


def silent(number: int, metrics: Mapping[str, float], history: list[Mapping[str, float]]) -> None:
    pass


def test_a_finished_trial_leaves_its_record(tmp_path: Path) -> None:
    heard: list[tuple[int, float, int]] = []
    wanted = order(tmp_path)
    found = execute(wanted, lambda n, metrics, history: heard.append((n, metrics["dev/score"], len(history))))
    store = Store(tmp_path / "store")
    assert heard == [(1, 1.0, 1), (2, 2.0, 2), (3, 3.0, 3), (4, 4.0, 4)]
    assert store.result(wanted.trial.key) == found and found.key == wanted.trial.key
    assert (found.state, found.reports, found.best) == ("finished", 4, 2)
    assert found.scores == {"train/loss": 1 / 3, "dev/score": 3.0}
    assert 0 <= found.seconds <= found.ended - found.started + 1 and found.peak_memory > 1_000_000
    assert (
        found.environment.torch == torch.__version__
        and found.environment.device == "cpu"
        and found.environment.world_size == 1
    )
    metrics = store.metrics(wanted.trial.key)
    assert (
        metrics is not None
        and metrics["report"].to_list() == [1, 2, 3, 4]
        and metrics["dev/score"].to_list() == [1.0, 2.0, 3.0, 4.0]
    )
    artifacts = store.trial(wanted.trial.key) / "artifacts"
    assert [p.name for p in artifacts.iterdir()] == ["dev_sizes.parquet"]


def test_the_weights_are_those_of_the_best_report(tmp_path: Path) -> None:
    found = execute(order(tmp_path), silent)
    folder = Store(tmp_path / "store").trial(found.key) / "checkpoint"
    assert found.weights == weights_digest(folder / "best") != weights_digest(folder / "last")
    assert Checkpoint.load(folder / "best").progress == {"epoch": 3} and Checkpoint.load(folder / "last").progress == {
        "epoch": 4
    }


def test_without_a_best_report_the_last_one_counts(tmp_path: Path) -> None:
    found = execute(order(tmp_path, best=0), silent)
    assert found.best is None and found.scores["dev/score"] == 4.0
    assert found.weights == weights_digest(Store(tmp_path / "store").trial(found.key) / "checkpoint" / "last")


def test_the_test_split_is_scored_only_when_it_is_opened(tmp_path: Path) -> None:
    closed, opened = execute(order(tmp_path / "a"), silent), execute(order(tmp_path / "b", opens_test=True), silent)
    assert set(closed.scores) == {"train/loss", "dev/score"} and set(opened.scores) == {*closed.scores, "test/score"}
    best = Store(tmp_path / "b" / "store").trial(opened.key) / "checkpoint" / "best"
    assert opened.scores["test/score"] == float(Checkpoint.load(best).weights()["w"].sum())
    kept = {p.name for p in (best.parents[1] / "artifacts").iterdir()}
    assert kept == {"dev_sizes.parquet", "test_sizes.parquet"}


def test_weights_that_have_seen_dev_are_not_scored_on_it(tmp_path: Path) -> None:
    found = execute(order(tmp_path, opens_test=True, conclude=True), silent)
    assert found.scores == {"train/loss": 1 / 3, "dev/score": 3.0, "test/score": 72.0}
    assert {p.name for p in (Store(tmp_path / "store").trial(found.key) / "artifacts").iterdir()} == {
        "test_sizes.parquet"
    }


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    one, again, other = (execute(order(tmp_path / name, seed), silent) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert one.weights == again.weights != other.weights


@pytest.mark.parametrize("crash", [1, 2, 3, 4])
def test_gone_on_with_after_an_error_it_ends_the_same(tmp_path: Path, crash: int) -> None:
    whole = execute(order(tmp_path / "whole"), silent)
    wanted, store = order(tmp_path / "halted"), Store(tmp_path / "halted" / "store")

    def halting(number: int, metrics: Mapping[str, float], history: list[Mapping[str, float]]) -> None:
        if number == crash:
            raise Halt

    with pytest.raises(Halt):
        execute(wanted, halting)
    assert store.result(wanted.trial.key) is None and store.metrics(wanted.trial.key) is None
    heard: list[tuple[int, int]] = []
    resumed = execute(wanted, lambda n, _, history: heard.append((n, len(history))))
    assert heard == [(n, n) for n in range(crash + 1, 5)]
    assert (resumed.weights, resumed.scores, resumed.best, resumed.reports) == (
        whole.weights,
        whole.scores,
        whole.best,
        whole.reports,
    )
    metrics, before = store.metrics(wanted.trial.key), Store(tmp_path / "whole" / "store").metrics(whole.key)
    assert metrics is not None and before is not None and metrics.equals(before)


def test_a_loss_that_is_no_number_ends_the_trial_without_a_record(tmp_path: Path) -> None:
    wanted = order(tmp_path, wrong="loss")
    with pytest.raises(FloatingPointError, match="train/loss is nan in report 2") as raised:
        execute(wanted, silent)
    recorded = failure(wanted.trial, raised.value, 0.0)
    assert recorded.kind == "not a number" and recorded.message == "FloatingPointError: train/loss is nan in report 2"
    assert recorded.key == wanted.trial.key and "execute" in recorded.traceback
    assert Store(tmp_path / "store").result(wanted.trial.key) is None


def test_a_test_score_that_is_no_number_is_a_failure_too(tmp_path: Path) -> None:
    wanted = order(tmp_path, wrong="test score", opens_test=True)
    with pytest.raises(FloatingPointError, match="test/score"):
        execute(wanted, silent)


def test_a_trial_past_its_hours_ends_after_its_report_and_goes_on_from_there_with_more(tmp_path: Path) -> None:
    whole = execute(replace(order(tmp_path / "whole"), hours=1.0), silent)
    wanted, heard = order(tmp_path / "short"), list[int]()
    wanted = replace(wanted, checkpoint_seconds=1e9)  # so that nothing but the limit keeps the state
    for attempt in (1, 2):
        with pytest.raises(TimeLimit, match="resources.hours is 1e-12") as raised:
            execute(replace(wanted, hours=1e-12), lambda number, *_: heard.append(number))
        assert heard == [*range(1, attempt + 1)]
    recorded = failure(wanted.trial, raised.value, 0.0)
    assert recorded.kind == "timeout" and recorded.message.startswith("TimeLimit: ")
    found = execute(wanted, lambda number, *_: heard.append(number))
    assert heard == [1, 2, 3, 4] and (found.weights, found.scores) == (whole.weights, whole.scores)


def test_a_time_out_of_the_methods_own_is_an_error(tmp_path: Path) -> None:
    assert failure(PLANNED, TimeoutError("no answer"), 0.0).kind == "error"


def test_all_workers_go_by_the_first_ones_clock(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        wanted = replace(order(tmp_path), hours=1e-12)
        with pytest.raises(TimeLimit):
            execute(wanted, silent, world_size=2)
    finally:
        torch.distributed.destroy_process_group()
    with pytest.raises(ValueError, match="process group"):  # one worker that decides by itself would hang the others
        execute(replace(order(tmp_path / "alone"), hours=1.0), silent, world_size=2)


def test_a_method_that_reports_nothing_has_failed(tmp_path: Path) -> None:
    wanted = order(tmp_path, wrong="no report")
    with pytest.raises(ValueError, match="Tiny ended without a report"):
        execute(wanted, silent)
    assert Store(tmp_path / "store").result(wanted.trial.key) is None


def test_the_first_record_stays_when_a_trial_is_trained_twice(tmp_path: Path) -> None:
    wanted = order(tmp_path)
    first = execute(wanted, silent)
    execute(wanted, silent)
    assert Store(tmp_path / "store").result(wanted.trial.key) == first


def test_a_worker_that_is_not_the_first_writes_no_record(tmp_path: Path) -> None:
    wanted = order(tmp_path)
    execute(wanted, silent)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*")}
    assist(wanted, silent, rank=1, world_size=2)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*")} == before


@pytest.mark.parametrize("threads", [1, 2])
def test_torch_gets_the_trials_threads(tmp_path: Path, threads: int) -> None:
    given = order(tmp_path)
    seen: list[int] = []
    execute(
        Order(given.trial, given.store, given.prepared, threads=threads),
        lambda *_: seen.append(torch.get_num_threads()),
    )
    assert set(seen) == {threads}


# weights


def saved(folder: Path, tensors: Mapping[str, torch.Tensor]) -> str:
    Checkpoint(tensors).save(folder, {})
    return weights_digest(folder)


def test_a_digest_of_weights_covers_names_shapes_and_bytes_and_the_weights_alone(tmp_path: Path) -> None:
    w = torch.arange(6, dtype=torch.float32)
    one = saved(tmp_path / "1", {"model/w": w, "model/b": torch.zeros(())})
    assert one == saved(tmp_path / "2", {"model/b": torch.zeros(()), "model/w": w.clone(), "optimiser/m": w})
    others = [
        {"model/v": w, "model/b": torch.zeros(())},
        {"model/w": w.view(2, 3), "model/b": torch.zeros(())},
        {"model/w": w + 1e-6, "model/b": torch.zeros(())},
        {"model/w": w},
        {"model/w": w.double(), "model/b": torch.zeros(())},
    ]
    assert len({one, *(saved(tmp_path / f"other{k}", tensors) for k, tensors in enumerate(others))}) == 6


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16, torch.float16])
def test_weights_of_any_kind_have_a_digest(tmp_path: Path, dtype: torch.dtype) -> None:
    assert saved(tmp_path / "1", {"model/w": torch.zeros(2, 3).to(dtype)}) != saved(
        tmp_path / "2", {"model/w": torch.ones(2, 3).to(dtype)}
    )


# failures


def raised(action: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as found:
        action()
    return found.value


PLANNED = PlannedTrial.model_validate(
    {"number": 0, "key": "a" * 20, "method": "tiny", "arm": "full", "seed": 0, "config": {}, "corpus": "c"}
)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (MemoryError(), "out of memory", "MemoryError"),
        (
            torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"),
            "out of memory",
            "OutOfMemoryError: CUDA out of memory.",
        ),
        (
            FloatingPointError("train/loss is nan in report 2"),
            "not a number",
            "FloatingPointError: train/loss is nan in report 2",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "no space left",
            "OSError: [Errno 28] No space left on device",
        ),
        (PermissionError(errno.EACCES, "Permission denied"), "error", "PermissionError: [Errno 13] Permission denied"),
        (ValueError("  first line\nsecond line"), "error", "ValueError: first line"),
        (KeyError("name"), "error", "KeyError: 'name'"),
        (RuntimeError(), "error", "RuntimeError"),
    ],
)
def test_what_is_recorded_of_an_error(error: Exception, kind: str, message: str) -> None:
    found = failure(PLANNED, error, 0.0, world_size=2)
    assert (found.kind, found.message, found.key, found.environment.world_size) == (kind, message, "a" * 20, 2)
    assert (
        type(error).__name__ in found.traceback
        and found.seconds > 0
        and type(found).model_validate_json(found.model_dump_json()) == found
    )


def test_memory_that_the_cpu_does_not_have_is_out_of_memory() -> None:
    assert failure(PLANNED, raised(lambda: torch.empty(1 << 50)), 0.0).kind == "out of memory"


def _record(disk: Path) -> None:
    from relab.records import write_once

    write_once(disk / "result.json", bytes(200_000))


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(
            lambda disk: Checkpoint({"model/w": torch.zeros(100_000)}).save(disk / "last", {}), id="a checkpoint"
        ),
        pytest.param(
            lambda disk: pl.DataFrame({"a": torch.rand(100_000).numpy()}).write_parquet(disk / "a.parquet"),
            id="a table",
        ),
        pytest.param(_record, id="a record"),
    ],
)
def test_a_full_disk_is_no_space_left_whoever_writes(small_disk: Path, write: Callable[[Path], None]) -> None:
    error = raised(lambda: write(small_disk))
    assert failure(PLANNED, error, 0.0).kind == "no space left"
