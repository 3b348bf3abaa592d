"""A disk that is full, wherever it happens: a word and no traceback, and what was finished stays. On a small tmpfs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """
method: joint_head_selection
corpus: {name: planted_joint, train: 32, dev: 16, test: 16}
preset: smoke
base: {encoder: {layers: 1, hidden: 16}}
"""
MOUNT = 'mount -t tmpfs -o size="$1"k none "$2" && shift 2 && "$@"'


def on_a_small_disk(kilobytes: int, place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a mount namespace in which ``place`` is so large."""
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", str(kilobytes), str(place), *command]
    return subprocess.run(inside, capture_output=True, text=True, check=False)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("unshare") is None or on_a_small_disk(100, place, "true").returncode:
        pytest.skip("no user namespaces here: a small file system cannot be mounted")
    return place


@pytest.mark.parametrize(
    "kilobytes", [40, 300, 600]
)  # full in the prepared corpus, a checkpoint, the second checkpoint
def test_a_full_disk_ends_a_run_with_a_word(kilobytes: int, disk: Path, tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(SPEC)
    train = [sys.executable, "-m", "relab", "train", str(spec), "--here", "--store", str(disk / "store")]
    ended = on_a_small_disk(kilobytes, disk, *train)
    assert ended.returncode == 1, ended.stderr
    assert "relab: no space left" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_was_finished_stays(disk: Path, tmp_path: Path) -> None:
    spec = tmp_path / "tiny.yaml"
    spec.write_text(SPEC)
    again = (
        '"$@" --set seeds=[0] && head -c 2000000 /dev/zero > "$FILL" 2>/dev/null; '
        '"$@" --set seeds=[1]; echo "second $?"; "$@" --set seeds=[0] --json && ls "$STORE"/trials/*/result.json'
    )
    train = [sys.executable, "-m", "relab", "train", str(spec), "--here", "--store", str(disk / "store")]
    environment = ["env", f"FILL={disk / 'fill'}", f"STORE={disk / 'store'}"]
    ended = on_a_small_disk(1400, disk, *environment, "sh", "-c", again, "sh", *train)
    assert ended.returncode == 0, ended.stderr
    assert "second 1" in ended.stdout
    assert "is finished already, nothing was trained" in ended.stderr
    assert ended.stdout.count("result.json") == 1
