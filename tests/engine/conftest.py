"""File systems that are soon full: mounted for this process where it may, else for a command in a namespace."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MOUNT = 'mount -t tmpfs -o size="$1"k none "$2" && shift 2 && "$@"'

OnASmallDisk = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def small_disk(disk: Path) -> Iterator[Path]:
    """A file system of 64 KiB that this process sees too."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The folder that a small file system is mounted on."""
    place = tmp_path / "disk"
    place.mkdir()
    return place


@pytest.fixture
def on_a_small_disk(disk: Path) -> OnASmallDisk:
    """Runs a command while ``disk`` has so many kilobytes, in a mount namespace that needs no privilege."""

    def run(kilobytes: int, *command: str) -> subprocess.CompletedProcess[str]:
        inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", str(kilobytes), str(disk), *command]
        return subprocess.run(inside, capture_output=True, text=True, check=False)

    if shutil.which("unshare") is None or run(100, "true").returncode:
        pytest.skip("no user namespaces here: a small file system cannot be mounted")
    return run
