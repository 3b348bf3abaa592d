"""What the tests of methods and corpora need: real files where there are any, one thread, trials, groups of workers."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from relab.exchange import Exchange
from relab.method import Config
from relab.methods import find_method
from relab.prepared import Prepared
from relab.trial import Checkpoint, Trial
from torch import Tensor

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real corpora: RELAB_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("RELAB_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "conll04" / "train.txt").is_file():
        pytest.skip(f"no real files: set RELAB_DATA to a folder with conll04/train.txt (looked in {folder})")
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """These networks are too small to share between cores."""
    torch.set_num_threads(1)


def _hear(number: int, metrics: Mapping[str, float]) -> None:
    """Reports go nowhere."""


@pytest.fixture
def make_trial(tmp_path: Path) -> Callable[..., Trial]:
    """A trial in a folder of this test, which checkpoints after each epoch."""

    def make(name: str = "trial", seed: int = 0, on_report: Callable[..., None] = _hear) -> Trial:
        return Trial(tmp_path / name, seed, torch.device("cpu"), on_report, checkpoint_seconds=0)

    return make


@dataclass(frozen=True)
class Trained:
    """What one worker knows when training has ended."""

    weights: Mapping[str, Tensor]
    history: Sequence[Mapping[str, float]]


class Watched(Trial):
    """A trial that remembers its last state, also where it is not the first worker's."""

    state: Callable[[], Checkpoint]

    def report(self, metrics: Mapping[str, float], checkpoint: Callable[[], Checkpoint], *, best: bool = False) -> None:
        self.state = checkpoint
        super().report(metrics, checkpoint, best=best)

    def save(self, checkpoint: Callable[[], Checkpoint]) -> None:
        self.state = checkpoint
        super().save(checkpoint)

    def conclude(self, checkpoint: Callable[[], Checkpoint]) -> None:
        self.state = checkpoint
        super().conclude(checkpoint)


def _double(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


@contextmanager
def _group(rank: int, world_size: int, folder: Path) -> Iterator[None]:
    meeting = f"file://{folder}/{world_size}.meeting"
    torch.distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=world_size, timeout=timedelta(seconds=60)
    )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def _train(rank: int, world_size: int, folder: Path, method: str, config: Config) -> Trained:
    """One worker's training, in double precision."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    found = Prepared.load(folder / "prepared")
    data = Prepared(
        {name: _double(split) for name, split in found.splits.items()}, _double(found.shared), found.vocabulary
    )
    with _group(rank, world_size, folder):
        own = folder / f"{rank} of {world_size}"
        trial = Watched(own, 0, torch.device("cpu"), _hear, rank=rank, world_size=world_size, checkpoint_seconds=0)
        find_method(method).train(config, data.without("test"), trial)
        weights = {name: tensor.clone() for name, tensor in trial.state().weights().items()}
        return Trained(weights, trial.history)


def _call(rank: int, folder: Path, function: Callable[[Exchange], T]) -> T:
    with _group(rank, 2, folder):
        return function(Exchange(rank, 2))


@pytest.fixture(scope="session")
def two_processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def both_workers(two_processes: ProcessPoolExecutor, tmp_path: Path) -> Callable[[Callable[[Exchange], T]], list[T]]:
    """Call a function of a test's module as the first of two workers and as the second."""

    def call(function: Callable[[Exchange], T]) -> list[T]:
        futures = [two_processes.submit(_call, rank, tmp_path, function) for rank in (0, 1)]
        return [future.result(timeout=60) for future in futures]

    return call


@pytest.fixture
def assert_two_equal_one(two_processes: ProcessPoolExecutor, tmp_path: Path) -> Callable[..., Trained]:
    """Train with one worker and with two: in all weights and in all that is reported they agree to 1e-5."""

    def check(method: str, config: Config, prepared: Prepared) -> Trained:
        prepared.save(tmp_path / "prepared")
        (one,), two = (
            [future.result(timeout=60) for future in futures]
            for futures in (
                [two_processes.submit(_train, rank, size, tmp_path, method, config) for rank in range(size)]
                for size in (1, 2)
            )
        )
        for worker in two:
            assert worker.weights.keys() == one.weights.keys()
            for name, weight in one.weights.items():
                assert weight.dtype == torch.float64 or not weight.is_floating_point(), name
                torch.testing.assert_close(
                    worker.weights[name], weight, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
                )
            assert len(worker.history) == len(one.history)
            for report, expected in zip(worker.history, one.history, strict=True):
                assert report == pytest.approx(expected, rel=0, abs=1e-5)
        assert all(torch.equal(two[0].weights[name], two[1].weights[name]) for name in one.weights)
        return one  # type: ignore[no-any-return]

    return check
