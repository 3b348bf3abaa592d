"""A study's results, packed on the cluster and unpacked at home: files as lines of a job's log, checked by a digest.

The log is the one way home that every cluster has, reached by ssh, through Kubernetes or by an address alone.
"""

import base64
import hashlib
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from relab.errors import RelabError, RequestError, StoreError
from relab.records import METRICS, RESULT, STUDY, Store, StudyStore, write_once

MARK = "relab-file "
"""Begins each line of the log that carries a file, or a part of one."""
LIMIT = 256 * 2**20
"""Bytes that one pull may bring; more goes by rsync."""
PART = 2**18


@dataclass(frozen=True)
class Pulled:
    """What came home."""

    trials: int
    """Trials with a result, those that were there before included."""
    files: int
    """New files."""


def pack(store: Store, name: str, have: frozenset[str], *, weights: bool) -> Iterator[str]:
    """The lines that carry a study: what it is, its trials, and of each whose key is not in ``have`` all records.

    Args:
        store: the cluster's.
        name: the study's.
        have: keys of trials that are at home already.
        weights: the weights that count of each trial as well, which `relab confirm` scores.

    Raises:
        RequestError: more than ``LIMIT`` bytes.
    """
    study = store.existing_study(name)
    files = list(_files(study, have, weights))
    size = sum(file.stat().st_size for file in files)
    if size > LIMIT:
        raise RequestError(
            f"{name} has {size / 2**20:.0f} MiB to bring, more than the {LIMIT / 2**20:.0f} of a job's log; "
            f"copy {store.root} with rsync (ray rsync-down cluster.yaml {store.root}/ relab-store/)"
        )
    whole = hashlib.sha256()
    for file in files:
        data, path = file.read_bytes(), file.relative_to(store.root).as_posix()
        whole.update(path.encode() + b"\0" + data)
        for start in range(0, max(len(data), 1), PART):
            part = base64.b64encode(zlib.compress(data[start : start + PART])).decode()
            yield MARK + json.dumps({"path": path, "part": part, "last": start + PART >= len(data)})
    yield MARK + json.dumps({"files": len(files), "digest": whole.hexdigest()})


def unpack(lines: Iterable[str], store: Store, name: str) -> Pulled:
    """Write what ``pack`` sent into the store at home; a record that is there already stays as it is.

    Raises:
        RelabError: something is missing or changed on the way, or a name leaves the store; then nothing is written.
    """
    files = _received(lines, name)
    new = 0
    for path, data in files.items():
        target = store.root / path
        if target.name == STUDY:
            _replace(target, data)
        else:
            new += write_once(target, data)
    study = store.existing_study(name)
    return Pulled(sum(store.result(trial.key) is not None for trial in study.asked()), new)


def _files(study: StudyStore, have: frozenset[str], weights: bool) -> Iterator[Path]:
    """A trial's result comes after the files that it stands for: a pull that breaks off leaves no half trial."""
    store = study.store
    for trial in study.asked():
        if trial.key in have:
            continue
        folder, result = store.trial(trial.key), store.result(trial.key)
        yield from sorted((folder / "failures").glob("[0-9]*.json"))
        if result is None:
            continue
        yield from (
            path for path in (folder / METRICS, *sorted((folder / "artifacts").glob("*.parquet"))) if path.exists()
        )
        if weights:
            yield from sorted((folder / "checkpoint" / ("last" if result.best is None else "best")).glob("[!.]*"))
        yield folder / RESULT
    yield from sorted(path for path in study.folder.rglob("[!.]*") if path.is_file() and path.suffix != ".lock")


def _received(lines: Iterable[str], name: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    parts: list[bytes] = []
    end: dict[str, object] | None = None
    for line in lines:
        if not line.startswith(MARK):
            continue
        message = json.loads(line.removeprefix(MARK))
        if "digest" in message:
            end = message
            break
        parts.append(zlib.decompress(base64.b64decode(message["part"])))
        if message["last"]:
            files[_inside(message["path"], name)] = b"".join(parts)
            parts.clear()
    whole = hashlib.sha256()
    for path, data in files.items():
        whole.update(path.encode() + b"\0" + data)
    if end is None or end["digest"] != whole.hexdigest():
        raise RelabError(f"{name} did not arrive whole; nothing was written, pull it again")
    return files


def _inside(path: str, name: str) -> str:
    """Only a trial's records, and those of the study that was asked for."""
    parts = PurePosixPath(path).parts
    known = parts[:1] == ("trials",) or parts[:2] == ("studies", name)
    if not known or len(parts) < 3 or PurePosixPath(path).is_absolute() or ".." in parts:
        raise RelabError(f"the cluster sent a file {path!r}, which is no record of {name}; nothing was written")
    return path


def _replace(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".study.{uuid.uuid4().hex[:8]}")
        temporary.write_bytes(data)
        os.replace(temporary, target)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}") from error
