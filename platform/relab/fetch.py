"""Downloads of corpora that are public: into place at once or not at all, and only what their SHA-256 says they are."""

import hashlib
import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from relab.corpora import (
    CorpusFile,
    Source,
    corpus_names,
    corpus_source,
    sha256,
    vector_names,
    vector_source,
)
from relab.errors import NotFound, RelabError, RequestError

Progress = Callable[[CorpusFile, int, int | None], None]
"""Called with a file, the bytes of it that have arrived, and their number if it is known."""

BLOCK = 1 << 18
TIMEOUT = 60.0
"""Seconds without a byte after which a download is given up."""


def fetch(name: str, data: Path, console: Console | None = None) -> tuple[Path, ...]:
    """Download a known corpus or known word vectors to where they are looked for if ``RELAB_DATA`` is ``data``.

    ``console`` shows a progress bar per file. Errors as ``fetch_files``, and NotFound for a name that is not known.
    """
    source: Source
    if name in vector_names():
        vectors = vector_source(name)
        source, folder = vectors, data.joinpath(*vectors.folders[:1])
    elif name in corpus_names():
        corpus = corpus_source(name)
        source, folder = corpus, data / (corpus.folder or name)
    else:
        raise NotFound(f"nothing known as {name!r}: {', '.join((*corpus_names(), *vector_names()))}")
    if console is None:
        return fetch_files(source, folder)
    with _bars(console) as progress:
        return fetch_files(source, folder, progress)


def fetch_files(source: Source, folder: Path, progress: Progress | None = None) -> tuple[Path, ...]:
    """Download a source's files into ``folder``; a file that is there already is kept as it is.

    Raises:
        RequestError: a file of the source has no public address, or is there with other contents.
        RelabError: the download failed, or is not what was published; nothing of it is left.
    """
    wanted = [file for file in source.files if not file.optional]
    without = [file.path for file in wanted if not file.url]
    if without:
        raise RequestError(f"{source.name}: no public address for {', '.join(without)}.\n{source.obtain}")
    return tuple(_fetch_file(file, folder / file.path, progress) for file in wanted)


def _fetch_file(file: CorpusFile, path: Path, progress: Progress | None) -> Path:
    if path.exists():
        if not file.member and sha256(path) != file.sha256:
            raise RequestError(f"{path} is there and is not the published file; move it away to fetch that one")
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch.", dir=path.parent) as work:
            arrived = Path(work) / "download"
            _download(file, arrived, progress)
            if file.member:
                arrived = _extract(arrived, file, Path(work) / "member")
            arrived.replace(path)
    except (OSError, http.client.HTTPException) as error:
        raise RelabError(f"{file.path}: {file.url} could not be fetched: {error}") from error
    return path


def _download(file: CorpusFile, to: Path, progress: Progress | None) -> None:
    """Write what the file's address serves; URLError is an OSError and handled by the caller."""
    assert file.url is not None
    hashed = hashlib.sha256()
    done = 0
    with urllib.request.urlopen(file.url, timeout=TIMEOUT) as response, to.open("wb") as out:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else file.bytes
        while block := response.read(BLOCK):
            out.write(block)
            hashed.update(block)
            done += len(block)
            if progress:
                progress(file, done, total)
    if hashed.hexdigest() != file.sha256:
        raise RelabError(
            f"{file.path}: {file.url} gave {done:,} bytes with SHA-256 {hashed.hexdigest()}, "
            f"published is {file.sha256}; nothing was kept"
        )


def _extract(archive: Path, file: CorpusFile, to: Path) -> Path:
    """One member of a zip archive as a file of its own."""
    assert file.member is not None
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(file.member) as member, to.open("wb") as out:
            shutil.copyfileobj(member, out, BLOCK)
    except (zipfile.BadZipFile, KeyError) as error:
        raise RelabError(f"{file.path}: {file.url} is no zip archive with {file.member!r} in it: {error}") from error
    return to


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    """A progress bar per file."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=console) as bars:
        tasks = {}

        def show(file: CorpusFile, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file.path, total=total)
            bars.update(tasks[file], completed=done, total=total)

        yield show
