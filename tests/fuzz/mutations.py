"""What goes wrong with files, as hypothesis draws it: bytes, lines, fields, numbers, brackets, whole files."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CASES = int(os.environ.get("RELAB_FUZZ", "200"))
"""Of each reader and each kind of file; ``make fuzz`` asks for more."""
SECONDS = 5.0
"""Of this process's own time, after which a case counts as one that never ends."""
LARGEST = 1 << 22
"""Bytes that a file is let grow to."""

PIECES = (
    *(b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n\n", b"\x1b[31m", b"\x85"),
    *(b"[", b"]", b"{", b"}", b"(", b")", b"<", b">", b'"', b"'", b"\\", b"&", b"*", b"#", b"!", b":", b",", b"|"),
    *(b" ", b"\t", b"_", b"\\ud800", "\u00a0".encode(), "\u3000".encode(), "\u2028".encode(), "\u0130".encode()),
    *(
        b"[" * 30_000,
        b"(" * 300,
        b"-" * 9_000,
        b"x" * 70_000,
        b"9" * 5_000,
        b" " * 70_000,
        b"\n" * 500,
        b"{a: " * 3_000,
    ),
    *(
        b"NaN",
        b"null",
        b"true",
        b"1e999",
        b"0x",
        b"0b_",
        b"..",
        b"../../x",
        b"/etc/passwd",
        b"###END###",
        b"#doc",
        b"<e1>",
    ),
    *(b"<!ENTITY a 'b'>", b"&nbsp;", b"&#xFFFFFFFF;", b"!!python/object/apply:os.abort []", b"!!binary x", b"<<: "),
    *(b"cos\nabort\n(tR.", b"\x8c\x02os\x8c\x05abort\x93", b"NA", b"Other", b"O", b"\n---\n", b"%YAML 9\n"),
)
HALF = b'"\\ud800"'
"""Half a surrogate pair, which JSON lets through and no file can hold."""
VALUES = (
    *(b"-1", b"0", b"1", b"2", b"007", b"1.5", b"-0", b"1e400", b"99999999999", b"4294967296", b"9" * 5_000),
    *("\u0663".encode(), "\u00b2".encode(), b"true", b"null", b"[]", b"{}", b'""', b'"x"', b"[[]]", b"NaN", b""),
    *(b"-" + b"9" * 40, HALF, HALF, HALF),
)
SCALAR = re.compile(rb'"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?')
WORD = re.compile(rb"[^\s\"'\[\](){},:|<>=]+")
SEPARATORS = (b"\t", b"|", b", ", b" ", b": ", b'", "')


@dataclass(frozen=True)
class Change:
    """One thing that goes wrong with one of several files; places are taken modulo what there is."""

    kind: str
    file: int
    at: int
    other: int


Kind = Callable[[bytes, int, int], bytes]


def _byte(data: bytes, at: int, other: int) -> bytes:
    place = at % len(data)
    return data[:place] + bytes([data[place] ^ (1 + other % 255)]) + data[place + 1 :]


def _cut(data: bytes, at: int, other: int) -> bytes:
    begin = at % len(data)
    return data[:begin] + data[begin + 1 + other % 40 :]


def _end(data: bytes, at: int, _other: int) -> bytes:
    return data[: at % len(data)]


def _nothing(_data: bytes, _at: int, _other: int) -> bytes:
    return b""


def _insert(data: bytes, at: int, other: int) -> bytes:
    place = at % (len(data) + 1)
    return data[:place] + PIECES[other % len(PIECES)] + data[place:]


def _drop_line(data: bytes, at: int, _other: int) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[at % len(lines)]
    return b"".join(lines)


def _repeat_line(data: bytes, at: int, other: int) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([*lines[: other % (len(lines) + 1)], lines[at % len(lines)], *lines[other % (len(lines) + 1) :]])


def _swap_lines(data: bytes, at: int, other: int) -> bytes:
    lines = data.splitlines(keepends=True)
    one, two = at % len(lines), other % len(lines)
    lines[one], lines[two] = lines[two], lines[one]
    return b"".join(lines)


def _join_lines(data: bytes, at: int, _other: int) -> bytes:
    lines = data.splitlines(keepends=True)
    lines[at % len(lines)] = lines[at % len(lines)].rstrip(b"\r\n")
    return b"".join(lines)


def _field(data: bytes, at: int, other: int) -> bytes:
    """A field of one line dropped, doubled, or put into another's place."""
    lines = data.split(b"\n")
    line = lines[at % len(lines)]
    separator = next((s for s in SEPARATORS[other % len(SEPARATORS) :] if s in line), b" ")
    fields = line.split(separator)
    one, two = (at // 7) % len(fields), (other // 7) % len(fields)
    made = {
        0: [*fields[:one], *fields[one + 1 :]],
        1: [*fields[:one], fields[one], *fields[one:]],
        2: [*fields[:one], fields[two], *fields[one + 1 :]],
        3: [*fields[:one], b"", *fields[one + 1 :]],
    }[other % 4]
    lines[at % len(lines)] = separator.join(made)
    return b"\n".join(lines)


def _value(data: bytes, at: int, other: int) -> bytes:
    """A number or a quoted text made something else."""
    found = list(SCALAR.finditer(data))
    if not found:
        return _byte(data, at, other)
    match = found[at % len(found)]
    return data[: match.start()] + VALUES[other % len(VALUES)] + data[match.end() :]


def _word(data: bytes, at: int, other: int) -> bytes:
    """A word in another one's place."""
    found = list(WORD.finditer(data))
    if not found:
        return _byte(data, at, other)
    match = found[at % len(found)]
    return data[: match.start()] + found[other % len(found)][0] + data[match.end() :]


def _number(data: bytes, at: int, other: int) -> bytes:
    """A number one up or down: what stands beside it is then wrong, and nothing else."""
    found = list(re.finditer(rb"\d{1,9}", data))
    if not found:
        return _byte(data, at, other)
    match = found[at % len(found)]
    return data[: match.start()] + str(int(match[0]) + (1, -1, 5)[other % 3]).encode() + data[match.end() :]


def _bracket(data: bytes, at: int, other: int) -> bytes:
    """A bracket or quote away, or another in its place."""
    places = [place for place, byte in enumerate(data) if byte in b"[](){}<>\"'"]
    place = places[at % len(places)] if places else at % len(data)
    return data[:place] + (b"", b"[", b"]", b"{", b"}", b'"')[other % 6] + data[place + 1 :]


def _twice(data: bytes, _at: int, _other: int) -> bytes:
    return data + data


def _encoding(data: bytes, _at: int, other: int) -> bytes:
    text = data.decode("latin-1")
    return (text.encode("utf-16"), text.encode("utf-8"), data.replace(b"\n", b"\r\n"), data.rstrip(b"\n"))[other % 4]


KINDS: dict[str, Kind] = {
    "byte": _byte,
    "cut": _cut,
    "end": _end,
    "nothing": _nothing,
    "insert": _insert,
    "drop line": _drop_line,
    "repeat line": _repeat_line,
    "swap lines": _swap_lines,
    "join lines": _join_lines,
    "field": _field,
    "value": _value,
    "word": _word,
    "number": _number,
    "bracket": _bracket,
    "twice": _twice,
    "encoding": _encoding,
}
OFTEN = ("byte", "insert", "field", "value", "word", "number", "repeat line", "drop line")
"""Drawn twice as often as the others: they leave most of a file whole."""


def changes(*more: str) -> st.SearchStrategy[list[Change]]:
    """One to four changes; ``more`` kinds are the caller's own."""
    places = st.integers(0, (1 << 20) - 1)
    return st.lists(
        st.builds(Change, st.sampled_from((*KINDS, *OFTEN, *more)), st.integers(0, 63), places, places),
        min_size=1,
        max_size=4,
    )


def mutated(data: bytes, change: Change) -> bytes:
    """The bytes of a file after a change of its contents."""
    if not data:
        return PIECES[change.other % len(PIECES)]
    made = KINDS[change.kind](data, change.at, change.other)
    return made if len(made) <= LARGEST else data


many = settings(
    max_examples=CASES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
"""The same cases in every run."""


class NoEnd(Exception):
    """A case took longer than any file of a few lines may."""


@contextmanager
def ending() -> Iterator[None]:
    """Raise NoEnd from what takes longer than SECONDS of this process's time, however busy the machine is."""

    def late(*_: object) -> None:
        raise NoEnd(f"still at it after {SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check_message(message: str, *places: Path | str) -> None:
    """An error that a person can read: it begins with one of ``places``, and is text that no terminal obeys."""
    assert message.startswith(tuple(map(str, places))), message[:300]
    for line in message.split("\n"):
        assert line.isprintable(), repr(line[:300])
        assert len(line) < 2_000, line[:300]
