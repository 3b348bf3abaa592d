"""Pre-trained word vectors in text form: ``word v1 … vd``, one word per line, single blanks between."""

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from relab.corpus import WordVectors, digest
from relab.errors import DataError

from trainables.corpora.problems import SHOWN, Problems, decode

VERSION = 1
"""Raised when the same bytes give other vectors than before."""

CHUNK = 1 << 23
"""Bytes of text that are parsed at once: large enough for speed, small beside the matrix."""

HEADER = re.compile(rb"([1-9][0-9]{0,9}) ([1-9][0-9]{0,5})")

Matrix = npt.NDArray[np.float32]


def read_word_vectors(name: str, path: Path) -> WordVectors:
    """Read vectors of one width; a first line ``count width``, as word2vec and fastText write it, is taken as a header.

    Words hold no blanks. One blank at the end of a line is accepted, since word2vec writes it.

    Raises:
        DataError: ``file:line: reason``: another width than the first line's, not a number, not finite, a word twice,
            not UTF-8, a blank line, a header that counts other words than there are.
    """
    try:
        with path.open("rb") as file:
            return parse_word_vectors(name, path, file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def parse_word_vectors(name: str, path: Path, file: BinaryIO) -> WordVectors:
    """The vectors in an open file; the path is only for messages. Errors as ``read_word_vectors``."""
    hashed = hashlib.blake2b(digest_size=16)
    first = file.readline()
    if not first:
        raise DataError(f"{path}:1: the file is empty")
    header = HEADER.fullmatch(first.strip())
    if header:
        hashed.update(first)
        number, width = 2, int(header[2])
    else:
        file.seek(0)
        number, width = 1, max(len(first.split()) - 1, 1)
    words: list[str] = []
    rows: list[Matrix] = []
    problems = Problems(path)
    while lines := file.readlines(CHUNK):
        hashed.update(b"".join(lines))
        parsed = _parse(lines, width)
        if parsed is None:
            _diagnose(lines, number, width, problems)
        else:
            words += parsed[0]
            rows.append(parsed[1])
        number += len(lines)
        if len(problems.found) >= SHOWN:
            break
    problems.fail()
    if len(set(words)) < len(words):
        _repeated(words, 2 if header else 1, problems)
    if header and int(header[1]) != len(words):
        problems.add(1, f"the header announces {int(header[1]):,} words, the file has {len(words):,}")
    problems.fail()
    fingerprint = digest("word_vectors", str(VERSION), hashed.hexdigest())
    return WordVectors(name, tuple(words), np.concatenate(rows), fingerprint)


def _parse(lines: list[bytes], width: int) -> tuple[list[str], Matrix] | None:
    """Words and numbers of well-formed lines, or None if any line is not: speed here, reasons in ``_diagnose``."""
    heads, tails = [], []
    for line in lines:
        head, _, tail = line.partition(b" ")
        tail = tail.removesuffix(b"\n").removesuffix(b" ")
        if not head or not tail or tail.count(b" ") != width - 1:
            return None
        heads.append(head)
        tails.append(tail)
    text = b" ".join(tails)
    if text.translate(None, b"0123456789.eE+- "):
        return None
    try:
        words = b" ".join(heads).decode("utf-8").split(" ")
        matrix = np.fromstring(text, dtype=np.float32, sep=" ")
    except ValueError:
        return None
    if any(word.split() != [word] for word in words) or words[0].startswith("\ufeff"):
        return None
    if matrix.size != len(lines) * width or not np.isfinite(matrix).all():
        return None
    return words, matrix.reshape(len(lines), width)


def _diagnose(lines: list[bytes], number: int, width: int, problems: Problems) -> None:
    """Note what is wrong with each malformed line of a chunk that starts at line ``number``."""
    for place, line in enumerate(lines, start=number):
        reason = _reason(line.removesuffix(b"\n"), width)
        if reason:
            problems.add(place, reason)


def _reason(line: bytes, width: int) -> str | None:
    """What is wrong with a line, or None."""
    text, broken = decode(line)
    if broken:
        return broken
    if not text.strip():
        return "a blank line"
    word, *numbers = text.removesuffix(" ").split(" ")
    if not word or word.split() != [word]:
        return "starts with a blank, or has blanks other than single spaces"
    if len(numbers) != width:
        return f"{len(numbers)} numbers for {word[:60]!r}, where the first line has {width}"
    for value in numbers:
        if not re.fullmatch(r"[0-9.eE+-]+", value) or not _is_number(value):
            return f"{value[:60]!r} is not a finite number, for {word[:60]!r}"
    return None


def _is_number(text: str) -> bool:
    """Whether ``text`` is a number that single precision holds."""
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.float32(float(text))))
    except ValueError:
        return False


def _repeated(words: list[str], number: int, problems: Problems) -> None:
    first: dict[str, int] = {}
    for place, word in enumerate(words, start=number):
        if word in first:
            problems.add(place, f"{word[:60]!r} again, first in line {first[word]}")
        first.setdefault(word, place)
