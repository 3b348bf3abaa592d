"""Word vectors in text form: exact numbers, and a place and a reason for every line that is not one."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpus import WordVectors
from relab.errors import DataError

from trainables.corpora import vectors
from trainables.corpora.vectors import read_word_vectors

GOOD = b"the 0.5 -1.25e-3\nnull 1 2\n, .5 +3\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "v.txt"


def parsed(path: Path, data: bytes) -> WordVectors:
    path.write_bytes(data)
    return read_word_vectors("v", path)


@pytest.mark.parametrize("data", [GOOD, GOOD.removesuffix(b"\n"), b"3 2\n" + GOOD, GOOD.replace(b"\n", b" \n")])
def test_words_and_numbers_are_as_written_with_or_without_header_and_last_line_end(path: Path, data: bytes) -> None:
    read = parsed(path, data)
    assert read.words == ("the", "null", ",")
    assert read.matrix.dtype == np.float32
    assert read.matrix.tolist() == np.array([[0.5, -1.25e-3], [1, 2], [0.5, 3]], np.float32).tolist()


def test_a_first_word_that_is_a_number_is_no_header_when_the_width_says_so(path: Path) -> None:
    assert parsed(path, b"3 2 1\n4 5 6\n").words == ("3", "4")


MALFORMED = {
    "a number missing": (b"x 1\n", 4, "1 numbers for 'x', where the first line has 2"),
    "a number too many": (b"x 1 2 3\n", 4, "3 numbers for 'x', where the first line has 2"),
    "a word alone": (b"x\n", 4, "0 numbers for 'x'"),
    "not a number": (b"x 1 two\n", 4, "'two' is not a finite number, for 'x'"),
    "not quite a number": (b"x 1 1.2.3\n", 4, "'1.2.3' is not a finite number"),
    "an underscore in a number": (b"x 1 1_0\n", 4, "'1_0' is not a finite number"),
    "nan": (b"x nan 1\n", 4, "'nan' is not a finite number"),
    "infinity": (b"x 1 -inf\n", 4, "'-inf' is not a finite number"),
    "beyond single precision": (b"x 1 1e39\n", 4, "'1e39' is not a finite number"),
    "a word twice": (b"the 3 4\n", 4, "'the' again, first in line 1"),
    "broken UTF-8": (b"\xff 3 4\n", 4, "not UTF-8: byte 0xff at place 1"),
    "a blank line": (b"\n", 4, "a blank line"),
    "a blank before the word": (b" x 1 2\n", 4, "starts with a blank"),
    "two blanks": (b"x 1  2\n", 4, "3 numbers for 'x'"),
    "tabs": (b"x\t1\t2\n", 4, "has blanks other than single spaces"),
    "CR LF": (b"x 1 2\r\n", 4, "the line ends in CR LF"),
    "a no-break space as word": ("\u00a0 1 2\n".encode(), 4, "has blanks other than single spaces"),
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("chunk", [8, 1 << 20])
def test_a_malformed_line_is_refused_with_its_place_and_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch, case: str, chunk: int
) -> None:
    monkeypatch.setattr(vectors, "CHUNK", chunk)
    data, number, reason = MALFORMED[case]
    with pytest.raises(DataError) as caught:
        parsed(path, GOOD + data + b"last 1 2\n")
    message = str(caught.value)
    assert message.startswith(f"{path}:{number}: ")
    assert reason in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", ":1: the file is empty"),
        (b"alone\n", ":1: 0 numbers for 'alone'"),
        (b"4 2\n" + GOOD, ":1: the header announces 4 words, the file has 3"),
        (b"3 3\n" + GOOD, ":2: 2 numbers for 'the', where the first line has 3"),
        (b"\xef\xbb\xbfthe 1 2\n", ":1: starts with a byte order mark"),
        (b"5 2\n", ":1: the header announces 5 words, the file has 0"),
    ],
)
def test_a_file_that_is_wrong_from_its_beginning(path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        parsed(path, data)
    assert f"{path}{reason}" in str(caught.value)


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_word_vectors("v", path)


def test_one_message_lists_twenty_lines(path: Path) -> None:
    with pytest.raises(DataError) as caught:
        parsed(path, GOOD + b"".join(b"w%d 1\n" % i for i in range(30)))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("and 10 more malformed lines")


def test_the_fingerprint_is_of_the_bytes(path: Path) -> None:
    base = parsed(path, GOOD).fingerprint
    assert parsed(path, GOOD).fingerprint == base
    assert parsed(path, GOOD.replace(b"null", b"nil")).fingerprint != base
    assert parsed(path, GOOD.replace(b"+3", b"+4")).fingerprint != base


WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=5)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(WORDS, st.tuples(FLOATS, FLOATS, FLOATS), min_size=1, max_size=8))
def test_every_single_precision_number_is_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, tuple[float, float, float]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "exact.txt"
    lines = [f"{word} {' '.join(map(repr, row))}\n" for word, row in table.items()]
    read = parsed(path, "".join(lines).encode())
    assert read.words == tuple(table)
    assert np.array_equal(read.matrix, np.array(list(table.values()), np.float32))


def test_mutated_bytes_give_vectors_or_a_data_error_and_nothing_else(path: Path) -> None:
    rng = random.Random(0)
    read = refused = 0
    for _ in range(300):
        data = bytearray(GOOD)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(data))
            piece = rng.choice([b"", b"\xff", b" ", b"\n", b"7", b"e", b"-", b"\x00", bytes([rng.randrange(256)])])
            data[place : place + rng.randint(0, 2)] = piece
        try:
            found = parsed(path, bytes(data))
            assert found.matrix.shape[0] == len(found.words) == len(set(found.words))
            assert np.isfinite(found.matrix).all()
            read += 1
        except DataError as error:
            assert str(error).startswith(f"{path}:")
            refused += 1
    assert min(read, refused) > 10


def test_the_real_vectors(real_data: Path) -> None:
    found = sorted((real_data / "glove").glob("glove.6B.50d*.txt"))
    if not found:
        pytest.skip("no real vectors: RELAB_DATA has no glove/glove.6B.50d*.txt")
    read = read_word_vectors("glove.6B.50d", found[0])
    assert read.matrix.shape == (len(read.words), 50)
    assert read.words[:3] == ("the", ",", ".")
    assert read.matrix[0, :3].tolist() == np.array([0.418, 0.24968, -0.41242], np.float32).tolist()
