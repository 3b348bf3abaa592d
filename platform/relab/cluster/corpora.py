"""Corpora that travel: sent once, kept in the cluster's store under a digest of what is in them."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from relab.errors import RequestError, StoreError

LIMIT = 200 * 2**20
"""Bytes that travel with a job; more belongs on shared storage, where RELAB_DATA or --corpus finds it."""
FOLDER = "corpora"


def place(name: str, path: Path) -> str:
    """Where a corpus lies in the cluster's store: a path relative to it, the same for the same files.

    Raises:
        RequestError: it is larger than ``LIMIT``.
    """
    whole, size = hashlib.sha256(), 0
    for file in _files(path):
        size += file.stat().st_size
        if size > LIMIT:
            raise RequestError(
                f"{path} has more than {LIMIT / 2**20:.0f} MiB, too much to travel; copy it to the cluster's "
                f"storage (ray rsync-up cluster.yaml) and name its path there: --corpus {name}=PATH"
            )
        whole.update(file.relative_to(path.parent).as_posix().encode() + b"\0")
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return f"{FOLDER}/{whole.hexdigest()[:16]}/{path.name}"


def enclose(path: Path, parcel: Path) -> None:
    """Put a corpus beside the code that travels."""
    if path.is_dir():
        shutil.copytree(path, parcel / FOLDER / path.name)
    else:
        (parcel / FOLDER).mkdir()
        shutil.copyfile(path, parcel / FOLDER / path.name)


def keep(place: str, store: Path) -> None:
    """On the cluster: move what was enclosed to its place in the store, whole or not at all."""
    target = store / place
    if target.exists():
        return
    enclosed = Path(FOLDER) / target.name
    temporary = target.parent.with_name(f".{target.parent.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.mkdir(parents=True)
        try:
            if enclosed.is_dir():
                shutil.copytree(enclosed, temporary / target.name)
            else:
                shutil.copyfile(enclosed, temporary / target.name)
            os.rename(temporary, target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        if not target.exists():
            raise StoreError(f"cannot write {target}: {error.strerror}") from error


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (file for file in sorted(path.rglob("*")) if file.is_file())
