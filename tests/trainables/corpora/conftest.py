"""Where the real files are, if they are anywhere."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real corpora: RELAB_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("RELAB_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "conll04" / "train.txt").is_file():
        pytest.skip(f"no real files: set RELAB_DATA to a folder with conll04/train.txt (looked in {folder})")
    return folder
