"""Every reader on damaged files: a corpus that accounts for all that is in them, or an error that names the place.

The suite runs over all corpora and word vectors that are installed; one with a new reader needs files in ``samples``.
"""

import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relab.corpora import CorpusSource, VectorSource, corpus_names, corpus_source, vector_names, vector_source
from relab.corpus import Corpus, describe
from relab.errors import RelabError

from tests.fuzz.mutations import Change, changes, check_message, ending, many, mutated
from tests.fuzz.samples import SAMPLES, Sample, line_count

SOURCES = {name: source for name in corpus_names() if (source := corpus_source(name)).files}
TREES = [name for name, source in SOURCES.items() if source.files[0].tree]
VECTORS = b"the 0.5 -1.25e-3\nnull 1 2\n, .5 +3\nk\xc3\xb6ln 0 -0\n"


SECRET = b"a secret\n"


def sample_of(source: CorpusSource[Any]) -> Sample:
    if source.read not in SAMPLES:
        pytest.fail(f"{source.name} has a reader without valid files in tests/fuzz/samples.py")
    return SAMPLES[source.read]


def files_of(source: CorpusSource[Any]) -> dict[str, bytes]:
    """The sample's files that the source has, by role; those of documents by name."""
    files = dict(sample_of(source).files)
    return (
        files if source.files[0].tree else {file.role: files[file.role] for file in source.files if file.role in files}
    )


def change_all(files: dict[str, bytes], drawn: list[Change]) -> dict[str, bytes | None]:
    """The files after some changes; None stands for a link that leads out of the folder."""
    made: dict[str, bytes | None] = dict(files)
    for change in drawn:
        names = sorted(made)
        name = names[change.file % len(names)]
        data = made[name]
        if change.kind == "exchanged":
            other = names[change.other % len(names)]
            made[name], made[other] = made[other], data
        elif change.kind == "link":
            made[name] = None
        elif data is not None:
            made[name] = mutated(data, change)
    return made


def write_all(folder: Path, files: Mapping[str, bytes | None]) -> None:
    outside = folder.parent / "outside"
    outside.write_bytes(SECRET)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.symlink_to(outside)
        else:
            path.write_bytes(data)


def contents(files: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """The files with what links lead to."""
    return {name: SECRET if data is None else data for name, data in files.items()}


def check_corpus(corpus: Corpus[Any]) -> None:
    """Whatever is read can be looked at and stored."""
    assert describe(corpus).isprintable() and corpus.fingerprint
    assert all(number >= 0 for number in corpus.counts.values())
    for items in corpus.splits.values():
        for item in items:
            json.dumps(asdict(item), ensure_ascii=False).encode()
            for begin, end in (
                s for s in (getattr(item, "head", None), getattr(item, "tail", None)) if isinstance(s, tuple)
            ):
                assert 0 <= begin < end <= len(item.tokens)


def read(source: CorpusSource[Any], files: Mapping[str, bytes | None], folder: Path, drop: bool = False) -> Corpus[Any]:
    """Write the files into ``folder``, and read them as ``read_corpus`` does with those that it finds."""
    place = {file.role: file.path for file in source.files}
    folder.mkdir()
    write_all(folder, {place.get(role, role): data for role, data in files.items()})
    options = dict(sample_of(source).options)
    if drop and "malformed" in source.options.model_fields:
        options["malformed"] = "drop"
    if source.files[0].tree:
        found = {source.files[0].role: folder}
    else:
        found = {file.role: folder / file.path for file in source.files if file.role in files}
    with ending():
        return source.read(source.name, found, source.options.model_validate(options))


@pytest.mark.parametrize("name", SOURCES)
def test_the_valid_files_are_read_and_accounted_for(name: str, tmp_path: Path) -> None:
    source = SOURCES[name]
    files = files_of(source)
    corpus = read(source, files, tmp_path / "in")
    check_corpus(corpus)
    there, accounted = sample_of(source).account(files, corpus)
    assert there == accounted > 0


@pytest.mark.parametrize("name", SOURCES)
@many
@given(drawn=changes("exchanged", "link"), drop=st.booleans())
def test_a_damaged_file_is_an_error_or_all_of_it_is_accounted_for(name: str, drawn: list[Change], drop: bool) -> None:
    source = SOURCES[name]
    made = change_all(files_of(source), drawn)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "in"
        try:
            corpus = read(source, made, folder, drop)
        except RelabError as error:
            check_message(str(error), folder, f"{name}:")
            return
    check_corpus(corpus)
    there, accounted = sample_of(source).account(contents(made), corpus)
    assert there == accounted


@pytest.mark.parametrize("name", TREES)
@many
@given(drawn=changes(), kind=st.sampled_from(("", "gz", "bz2", "xz")))
def test_a_damaged_archive_is_an_error_or_all_of_it_is_read(name: str, drawn: list[Change], kind: str) -> None:
    source = SOURCES[name]
    packed = archive(files_of(source), kind)
    made = change_all({"a": packed}, drawn)["a"]
    assert made is not None
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "a.tar"
        path.write_bytes(made)
        try:
            with ending():
                corpus = source.read(name, {source.files[0].role: path}, source.options())
        except RelabError as error:
            check_message(str(error), path, f"{name}:")
            return
    check_corpus(corpus)
    assert corpus.counts["documents"] == sum(name.endswith((".txt", ".sgm")) for name in files_of(source))


def archive(files: Mapping[str, bytes], kind: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as packed:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("source", [vector_source(name) for name in vector_names()], ids=vector_names())
@many
@given(drawn=changes(), headed=st.booleans())
def test_damaged_word_vectors_are_an_error_or_every_line_is_a_word(
    source: VectorSource, drawn: list[Change], headed: bool
) -> None:
    data = change_all({"v": b"4 2\n" + VECTORS if headed else VECTORS}, drawn)["v"]
    assert data is not None
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "v.txt"
        path.write_bytes(data)
        try:
            with ending():
                vectors = source.read(source.name, path)
        except RelabError as error:
            check_message(str(error), path)
            return
    assert len(vectors.words) == len(vectors.matrix) == len(set(vectors.words))
    assert line_count(data) - len(vectors.words) in {0, 1}
