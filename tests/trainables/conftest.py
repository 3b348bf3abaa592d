"""What the tests of every method need: one thread, and trials."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from relab.trial import Trial


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
