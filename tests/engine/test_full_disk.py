"""A disk that is full, wherever it happens: a word and no traceback, and what was finished stays. On a small tmpfs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

OnASmallDisk = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """
method: joint_head_selection
corpus: {name: planted_joint, train: 32, dev: 16, test: 16}
preset: smoke
base: {encoder: {layers: 1, hidden: 16}}
"""


@pytest.mark.parametrize(
    "kilobytes", [40, 300, 600]
)  # full in the prepared corpus, a checkpoint, the second checkpoint
def test_a_full_disk_ends_a_run_with_a_word(
    kilobytes: int, disk: Path, on_a_small_disk: OnASmallDisk, tmp_path: Path
) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(SPEC)
    train = [sys.executable, "-m", "relab", "train", str(spec), "--here", "--store", str(disk / "store")]
    ended = on_a_small_disk(kilobytes, *train)
    assert ended.returncode == 1, ended.stderr
    assert "relab: no space left" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_was_finished_stays(disk: Path, on_a_small_disk: OnASmallDisk, tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(SPEC)
    again = (
        '"$@" --set seeds=[0] && head -c 2000000 /dev/zero > "$FILL" 2>/dev/null; '
        '"$@" --set seeds=[1]; echo "second $?"; "$@" --set seeds=[0] --json && ls "$STORE"/trials/*/result.json'
    )
    train = [sys.executable, "-m", "relab", "train", str(spec), "--here", "--store", str(disk / "store")]
    environment = ["env", f"FILL={disk / 'fill'}", f"STORE={disk / 'store'}"]
    ended = on_a_small_disk(1400, *environment, "sh", "-c", again, "sh", *train)
    assert ended.returncode == 0, ended.stderr
    assert "second 1" in ended.stdout
    assert "is finished already, nothing was trained" in ended.stderr
    assert ended.stdout.count("result.json") == 1
