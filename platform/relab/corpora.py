"""Known corpora and word vectors: what they are, where their files lie, how to get them.

The sources themselves come from the entry-point groups ``relab.corpora`` and ``relab.vectors``, or from anywhere by
``package.module:NAME``.
"""

import difflib
import hashlib
import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from relab.corpus import Corpus, WordVectors
from relab.errors import NotFound, RequestError
from relab.method import Config

DATA_VARIABLE = "RELAB_DATA"
"""The environment variable that names a folder with one folder per corpus."""
UNLIKE_PUBLISHED = "files unlike the published ones"

ReaderOptions = TypeVar("ReaderOptions", bound=Config)


@dataclass(frozen=True)
class CorpusFile:
    """A file that a source is read from.

    ``role`` is what the reader calls it (a split's name, say), ``path`` its place inside the source's folder.
    ``sha256`` is the published file's; for a ``member`` of a zip archive it is the archive's, which ``url`` serves.
    """

    role: str
    path: str
    sha256: str | None = None
    url: str | None = None
    member: str | None = None
    bytes: int | None = None
    """Size of the download, for the progress bar."""
    optional: bool = False
    tree: bool = False
    """It is an archive of documents: whoever gives the source's path can give a folder of them instead."""

    def __post_init__(self) -> None:
        if self.url and not self.sha256:
            raise ValueError(f"{self.path}: a download needs its SHA-256")
        if PurePosixPath(self.path).is_absolute() or ".." in PurePosixPath(self.path).parts:
            raise ValueError(f"{self.path}: a file's path is relative to its source's folder")


@dataclass(frozen=True)
class CorpusSource(Generic[ReaderOptions]):
    """A corpus that relab can read.

    ``read(name, files, options)`` gets the files that were found, by role; it is called without any for a source with
    ``generated=True`` whose files nobody gave.
    """

    name: str
    title: str
    shape: str
    """What its items are, as methods name it: ``tagged sentences``."""
    licence: str
    home: str
    files: tuple[CorpusFile, ...]
    obtain: str
    """For a reader: how the files are obtained, and which are expected."""
    options: type[ReaderOptions]
    read: Callable[[str, Mapping[str, Path], ReaderOptions], Corpus[Any]]
    generated: bool = False
    folder: str = ""
    """Its folder in the data folder, if that is another source's: both read what lies there."""


@dataclass(frozen=True)
class VectorSource:
    """Pre-trained word vectors that relab can read: one file that matches ``pattern``."""

    name: str
    title: str
    licence: str
    home: str
    pattern: str
    folders: tuple[str, ...]
    """Folders beside a corpus, or in the data folder, in which the file may lie."""
    files: tuple[CorpusFile, ...]
    obtain: str
    read: Callable[[str, Path], WordVectors]


Source = CorpusSource[Any] | VectorSource
S = TypeVar("S", CorpusSource[Any], VectorSource)


@dataclass(frozen=True)
class Present:
    """One line of ``relab list corpora``: a source, and what of it is there."""

    source: Source
    where: Path | None
    """The folder or file that would be read; None if nothing is there."""
    files: tuple[tuple[CorpusFile, Path, int], ...]
    """The files found, with their sizes in bytes."""
    missing: tuple[CorpusFile, ...]
    remedy: str
    """What to do if it is not there; empty if it is, or if it is generated."""


def data_folder() -> Path | None:
    """The folder that ``RELAB_DATA`` names."""
    value = os.environ.get(DATA_VARIABLE, "")
    return Path(value) if value else None


def corpus_names() -> tuple[str, ...]:
    """The names of all installed corpora."""
    return _names("relab.corpora")


def vector_names() -> tuple[str, ...]:
    """The names of all installed word vectors."""
    return _names("relab.vectors")


def corpus_source(reference: str) -> CorpusSource[Any]:
    """The corpus that ``reference`` names: an installed name, or ``package.module:NAME``.

    Raises:
        NotFound: with the nearest match and the choices.
    """
    return _resolve(reference, "relab.corpora", "corpus", CorpusSource)


def vector_source(reference: str) -> VectorSource:
    """The word vectors that ``reference`` names, as in ``corpus_source``."""
    return _resolve(reference, "relab.vectors", "word vectors", VectorSource)


def _names(group: str) -> tuple[str, ...]:
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def _resolve(reference: str, group: str, what: str, kind: type[S]) -> S:
    points = {point.name: point.value for point in entry_points(group=group)}
    target = points.get(reference, reference)
    module, colon, attribute = target.partition(":")
    if not colon:
        near = difflib.get_close_matches(reference, points, n=1, cutoff=0.5)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        raise NotFound(
            f"no {what} {reference!r}{meant} Known: {', '.join(sorted(points)) or 'none'}, or package.module:NAME."
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise NotFound(f"{what} {reference!r} cannot be imported: {error}") from error
    if not isinstance(found, kind):
        raise NotFound(f"{reference!r} is a {type(found).__name__}, not a {kind.__name__}")
    return found


def read_corpus(
    reference: str, options: Mapping[str, Any] | Config | None = None, given: Mapping[str, Path] | None = None
) -> Corpus[Any]:
    """Read a corpus from the path ``given`` for its name, else from ``RELAB_DATA/<name>``, else as it is generated.

    Files that differ from the published ones are read all the same, and counted in ``Corpus.counts``.

    Raises:
        NotFound: no such corpus, or its files are not there; the message says how to provide them.
        RequestError: an option that the reader does not have.
        DataError: a malformed file.
    """
    source = corpus_source(reference)
    chosen = _options(source, options)
    files = _locate_corpus(source, given or {})
    corpus = source.read(source.name, files, chosen)
    unlike = sum(
        file.sha256 is not None and not file.member and sha256(files[file.role]) != file.sha256
        for file in source.files
        if file.role in files and files[file.role].is_file()
    )
    return replace(corpus, counts={**corpus.counts, UNLIKE_PUBLISHED: unlike}) if unlike else corpus


def read_vectors(reference: str, given: Mapping[str, Path] | None = None, near: Path | None = None) -> WordVectors:
    """Read word vectors from the path ``given``, else from the data folder, else from beside the corpus at ``near``.

    Raises:
        NotFound: no such vectors, no file of theirs, or several where only one is meant.
        DataError: a malformed file.
    """
    source = vector_source(reference)
    return source.read(source.name, _locate_vectors(source, given or {}, near))


def _options(source: CorpusSource[Any], options: Mapping[str, Any] | Config | None) -> Config:
    values = options.model_dump() if isinstance(options, Config) else dict(options or {})
    kind: type[Config] = source.options
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        fields = ", ".join(source.options.model_fields)
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RequestError(f"options of the corpus {source.name!r}: {problems}. It has: {fields}") from error


def _corpus_folder(source: CorpusSource[Any], given: Mapping[str, Path]) -> Path | None:
    """The path given for a source, else its folder in the data folder if there is one."""
    if source.name in given:
        return given[source.name]
    data = data_folder()
    if data is None:
        return None
    folder = data / (source.folder or source.name)
    return folder if any((folder / file.path).is_file() for file in source.files) else None


def _locate_corpus(source: CorpusSource[Any], given: Mapping[str, Path]) -> dict[str, Path]:
    """The files of a source by role; NotFound says which are missing and how to get them."""
    folder = _corpus_folder(source, given)
    if folder is None:
        if source.generated:
            return {}
        raise NotFound(f"the corpus {source.name!r} is not here.\n{remedy(source)}")
    if not source.files:
        raise RequestError(f"{source.name} is generated and read from no file: leave {folder} out")
    required = [file for file in source.files if not file.optional]
    if len(required) == 1 and _stands_for(required[0], folder):
        return {required[0].role: folder}
    if not folder.is_dir():
        raise NotFound(f"{source.name}: {folder} is not a folder.\n{remedy(source)}")
    missing = [file.path for file in required if not (folder / file.path).is_file()]
    if missing:
        raise NotFound(f"{source.name}: {folder} lacks {', '.join(missing)}.\n{remedy(source)}")
    return {file.role: folder / file.path for file in source.files if (folder / file.path).is_file()}


def _stands_for(file: CorpusFile, given: Path) -> bool:
    """Whether ``given`` is what a source with one file is read from, rather than the folder that it lies in."""
    return given.is_file() or (file.tree and given.is_dir() and not (given / file.path).exists())


def _locate_vectors(source: VectorSource, given: Mapping[str, Path], near: Path | None) -> Path:
    """The one file of the vectors, in the first place that has any."""
    for place in _vector_places(source, given, near):
        if place.is_file():
            return place
        matches = sorted(path for path in place.glob(source.pattern) if path.is_file())
        if len(matches) > 1:
            listed = ", ".join(path.name for path in matches)
            remark = f"Name one: --corpus {source.name}=FILE"
            raise NotFound(f"{source.name}: several files match in {place}: {listed}. {remark}")
        if matches:
            return matches[0]
        if source.name in given:
            raise NotFound(f"{source.name}: no file {source.pattern} at {place}.\n{remedy(source)}")
    raise NotFound(f"the word vectors {source.name!r} are not here.\n{remedy(source)}")


def _vector_places(source: VectorSource, given: Mapping[str, Path], near: Path | None) -> list[Path]:
    if source.name in given:
        return [given[source.name]]
    roots = [root for root in (data_folder(), near, near.absolute().parent if near else None) if root]
    return [place for root in roots for place in (root, *(root / folder for folder in source.folders))]


def remedy(source: Source) -> str:
    """What a user can do to have a source's files read."""
    where = "DIR" if isinstance(source, CorpusSource) else "FILE"
    folders = (source.folder or source.name,) if isinstance(source, CorpusSource) else source.folders
    place = folders[0] if folders else "."
    ways = [f"--corpus {source.name}={where}", f"{DATA_VARIABLE}=FOLDER with the files in FOLDER/{place}"]
    if any(file.url for file in source.files):
        ways.append(f"relab list corpora --fetch {source.name}")
    expected = ", ".join(f"{file.path}{' (optional)' if file.optional else ''}" for file in source.files)
    return f"Files: {expected}. Give them by {', or '.join(ways)}.\n{source.obtain}"


def present(given: Mapping[str, Path] | None = None) -> tuple[Present, ...]:
    """All installed corpora and word vectors, with what of each is there: what ``relab list corpora`` shows."""
    found = [_present_corpus(corpus_source(name), given or {}) for name in corpus_names()]
    return (*found, *(_present_vectors(vector_source(name), given or {}) for name in vector_names()))


def _present_corpus(source: CorpusSource[Any], given: Mapping[str, Path]) -> Present:
    folder = _corpus_folder(source, given)
    required = [file for file in source.files if not file.optional]
    if folder is not None and len(required) == 1 and _stands_for(required[0], folder):
        there = {required[0]: folder}
    else:
        there = {f: folder / f.path for f in source.files if folder is not None and (folder / f.path).is_file()}
    missing = () if source.generated else tuple(file for file in required if file not in there)
    sizes = tuple((file, path, path.stat().st_size) for file, path in there.items())
    return Present(source, folder if there else None, sizes, missing, remedy(source) if missing else "")


def _present_vectors(source: VectorSource, given: Mapping[str, Path]) -> Present:
    try:
        path = _locate_vectors(source, given, None)
    except NotFound as error:
        return Present(source, None, (), source.files, str(error))
    return Present(source, path, ((source.files[0], path, path.stat().st_size),), (), "")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
