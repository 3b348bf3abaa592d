"""One study in six trials, undisturbed once and disturbed in each test, on the one local Ray."""

from pathlib import Path

import pytest

from tests.faults.study import Study, Undisturbed
from tests.running.conftest import local_ray

__all__ = ["local_ray"]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Undisturbed:
    return Undisturbed(Study(tmp_path_factory.mktemp("undisturbed")))


@pytest.fixture
def study(tmp_path: Path, local_ray: None) -> Study:
    return Study(tmp_path / "study")
