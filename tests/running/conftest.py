"""One local Ray for all tests of this folder, and small studies to run on it."""

import io
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from relab.records import StudyStore
from relab.running.study import Options, Outcome, run
from relab.spec import load
from rich.console import Console

WORKLOAD = """
    method: benchmarks.workload:Workload
    corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
"""


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    import ray
    from relab.running.driver import connect

    connect(cpus=2)
    yield
    ray.shutdown()


class Lab:
    """Runs specs given as text on a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"
        self.said = io.StringIO()

    def spec(self, text: str, name: str = "study") -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(dedent(text))
        return path

    def run(
        self, text: str, name: str = "study", *, track: bool = False, failed: bool = False, **direct: Any
    ) -> Outcome:
        options = Options(self.store, track=track, failed=failed, console=Console(file=self.said, width=200))
        return run(load(str(self.spec(text, name)), **direct), options)

    def results(self, study: StudyStore) -> dict[str, bytes]:
        """The bytes of every result: unchanged bytes mean that nothing was trained again."""
        return {trial.key: (study.store.trial(trial.key) / "result.json").read_bytes() for trial in study.asked()}


@pytest.fixture
def lab(tmp_path: Path, local_ray: None) -> Lab:
    return Lab(tmp_path)
