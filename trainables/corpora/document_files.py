"""The files of a corpus that has several per document: from a folder, or from a tar archive that is never unpacked."""

import lzma
import tarfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from relab.corpus import digest
from relab.errors import DataError

from trainables.corpora.problems import SHOWN

SPLITS = ("train", "dev", "test")
FOLDERS = {
    **{"train": "train", "training": "train"},
    **{"dev": "dev", "validation": "dev"},
    **{"test": "test", "testing": "test"},
}
"""Folders, in whatever case, that say which split a document belongs to."""
LARGEST = 1 << 26
"""Bytes; a larger file is refused rather than read into memory."""


def document_files(path: Path, suffixes: Sequence[str]) -> dict[str, dict[str, bytes]]:
    """The bytes of every document's files, by suffix: ``path`` is a folder, or a tar archive of one, compressed or not.

    A document is named by its place in the folder without the suffix, ``train/17``. Files with other suffixes are not
    read. Members of an archive are read in memory, and nothing is written.

    Raises:
        DataError: neither a folder nor an archive; an archive that is damaged; a link; a name that leads out of the
            archive, or is there twice; a file that is too large, cannot be read, or lacks the others of its document;
            no document at all.
    """
    files = _from_folder(path, suffixes) if path.is_dir() else _from_archive(path, suffixes)
    documents: dict[str, dict[str, bytes]] = {}
    for file, data in sorted(files.items()):
        suffix = _suffix(file, suffixes)
        documents.setdefault(file.removesuffix(suffix), {})[suffix] = data
    if not documents:
        raise DataError(f"{path}: no files *{', *'.join(suffixes)} in it")
    lacking = [f"{name}{suffix}" for name, found in documents.items() for suffix in suffixes if suffix not in found]
    if lacking:
        more = f", and {len(lacking) - SHOWN:,} more" if len(lacking) > SHOWN else ""
        raise DataError(f"{path}: not there: {', '.join(lacking[:SHOWN])}{more}")
    return documents


def _suffix(file: str, suffixes: Sequence[str]) -> str:
    """The suffix of ``file``, or an empty one; a name that is nothing but a suffix is hidden, and no document's."""
    name = file.rpartition("/")[2]
    return next((suffix for suffix in suffixes if name.endswith(suffix) and not name.startswith(".")), "")


def _from_folder(folder: Path, suffixes: Sequence[str]) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder).as_posix()
        if path.is_symlink() and (_suffix(file, suffixes) or path.is_dir()):
            raise DataError(f"{path}: a link, which is not followed; put what it leads to in its place")
        if _suffix(file, suffixes) and path.is_file():
            _check_size(path, path.stat().st_size)
            try:
                found[file] = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return found


def _from_archive(path: Path, suffixes: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                place = PurePosixPath(member.name)
                if place.is_absolute() or ".." in place.parts:
                    raise DataError(f"{path}: the member {member.name!r} leads out of the archive")
                file = place.as_posix()
                if not _suffix(file, suffixes):
                    continue
                if not member.isfile():
                    raise DataError(f"{path}: the member {member.name!r} is not a plain file")
                if file in found:
                    raise DataError(f"{path}: the member {member.name!r} is there twice")
                _check_size(path / file, member.size)
                content = archive.extractfile(member)
                found[file] = content.read() if content else b""
            if not _ends(archive):
                raise DataError(f"{path}: damaged: what follows the first {len(found):,} files in it is not its end")
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path}: neither a folder nor a tar archive that can be read: {error}") from error
    return found


def _ends(archive: tarfile.TarFile) -> bool:
    """Whether nothing but zeros follows the last member: ``tarfile`` takes a damaged header for the end as well.

    Reading on to the end of the file has its checksum looked at too, where it is compressed.
    """
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    block = archive.fileobj.read(tarfile.RECORDSIZE)
    ends = len(block) >= tarfile.BLOCKSIZE
    while block:
        ends = ends and not block.strip(b"\0")
        block = archive.fileobj.read(tarfile.RECORDSIZE)
    return ends


def _check_size(path: Path, size: int) -> None:
    if size > LARGEST:
        raise DataError(f"{path}: {size:,} bytes, more than the {LARGEST:,} that one document may have")


def splits_of(path: Path, names: Collection[str]) -> dict[str, str]:
    """The split of each document: that of the folder it lies in, ``train/17`` or ``Training/17``.

    Where no document lies in such a folder, a hash of its name puts a tenth into dev and a tenth into test.

    Raises:
        DataError: some documents lie in such folders and others do not, or none is in train.
    """
    by_folder = {name: [FOLDERS[part] for part in name.lower().split("/")[:-1] if part in FOLDERS] for name in names}
    if not any(by_folder.values()):
        return {name: _dealt(name) for name in names}
    outside = [name for name, found in by_folder.items() if len(found) != 1]
    if outside:
        raise DataError(f"{path}: {outside[0]} is in no folder of a split, or in two, but other documents are in one")
    splits = {name: found[0] for name, found in by_folder.items()}
    if "train" not in splits.values():
        raise DataError(f"{path}: no document is in a folder for training")
    return splits


def _dealt(name: str) -> str:
    return {0: "test", 1: "dev"}.get(int(digest("document split", name), 16) % 10, "train")


def files_digest(documents: Mapping[str, Mapping[str, bytes]]) -> str:
    """A hash of all names and bytes; that of a folder and of its archive are the same."""
    parts: list[str | bytes] = []
    for name, files in documents.items():
        for suffix, data in sorted(files.items()):
            parts += [name, suffix, data]
    return digest(*parts)
