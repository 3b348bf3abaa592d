"""What a job brings to the cluster: the code of the engine and the methods, and one spec. Nothing else is sent."""

import importlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from relab.errors import RequestError
from relab.spec import Spec
from relab.spec.models import shipped_folders

LIMIT = 20 * 2**20
"""Bytes. More than this is data, which belongs on the cluster's shared storage."""
CODE = ("relab", "trainables")


@dataclass(frozen=True)
class Parcel:
    """A folder that becomes a job's working directory, first on the path of each of its processes.

    A ``relab`` that is installed on a node is hidden by it as a whole: packages, entry points and shipped specs.
    """

    folder: Path
    packages: tuple[str, ...]
    size: int
    """Bytes before they are packed."""

    def __str__(self) -> str:
        return f"{self.size / 2**20:.1f} MiB: {', '.join(self.packages)}"


@contextmanager
def parcel(spec: Spec | None = None, file: Path | None = None) -> Iterator[Parcel]:
    """Gather the code, and the ``file`` of ``spec`` beside it; it is there as long as the block lasts.

    Raises:
        RequestError: it is larger than ``LIMIT``.
    """
    with TemporaryDirectory(prefix="relab-parcel-") as name:
        folder, packages = Path(name), (*CODE, *_named_by(spec))
        for package in packages:
            for source in _sources(package):
                _copy(source, folder / (package if source.is_dir() else source.name))
        for shipped in shipped_folders():
            _copy(shipped, folder / "relab" / "_shipped" / shipped.name)
        _metadata(folder)
        if file is not None:
            shutil.copyfile(file, folder / file.name)
        sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        if sum(sizes.values()) > LIMIT:
            largest = max(sizes, key=lambda path: sizes[path])
            raise RequestError(
                f"code and spec are {sum(sizes.values()) / 2**20:.0f} MiB, and {LIMIT / 2**20:.0f} are the limit; "
                f"the largest file is {largest.relative_to(folder)}. Data belongs on the cluster's shared storage."
            )
        yield Parcel(folder, packages, sum(sizes.values()))


def _named_by(spec: Spec | None) -> Iterable[str]:
    """The packages of a method and a corpus that a spec names as ``package.module:NAME``."""
    named = () if spec is None else (spec.method, spec.corpus.name)
    found = {name.partition(".")[0] for name in named if ":" in name}
    return sorted(found - set(CODE))


def _sources(package: str) -> set[Path]:
    """The folder of a package, several of one without an ``__init__.py``, or the file of a module."""
    module = importlib.import_module(package)
    found = getattr(module, "__path__", None) or [module.__file__]
    return {Path(path).resolve() for path in found if path is not None}


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copyfile(source, target)
        return
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*", "_shipped"), dirs_exist_ok=True)


def _metadata(folder: Path) -> None:
    """The entry points, through which methods and corpora are found by name."""
    try:
        found = distribution("relab")
    except PackageNotFoundError as error:
        raise RequestError(
            "relab is not installed here (`make`, or pip install): its entry points are missing"
        ) from error
    target = folder / f"relab-{found.version}.dist-info"
    target.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (target / name).write_text(found.read_text(name) or "", encoding="utf-8")
