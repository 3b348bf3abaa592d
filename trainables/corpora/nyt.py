"""The line format of NYT-10 (Riedel et al. 2010, as Lin et al. 2016 released it), which GIDS has too: reader.

One mention a line: the ids of two entities, their names, the relation, the sentence, an end mark::

    m.0ccvx	m.05gf08	queens	belle_harbor	/location/location/contains	fire in belle_harbor , queens . ###END###

1. A line with a tab before its end mark has six tab-separated fields; any other is cut at blanks, the sentence being
   all that follows the fifth field. Lines end in LF.
2. The end mark follows the sentence after a blank, or is a column of its own. Only blanks may follow it.
3. Tokens stand between ASCII white space, and are kept as they are.
4. A name of several words is one token, joined by underscores. An entity is where its name first occurs as a token.
   If that is nowhere, it is the first token that equals the name without ASCII punctuation at the ends of either:
   ``Windsor,_London`` is found in ``Windsor,_London.``, but ``Paris`` not in ``Paris-born``. Both ways are counted.
5. A row with an entity that is not found is dropped and counted, or an error; too many of them always are.
6. Rows are duplicates if entities, relation and tokens are the same, wherever in the files of one split they stand.
7. Entities with one name but two ids are two, with the same place in the sentence, unless the name is what identifies.

``relation2id.txt``, where it is there, lists all relations, one ``name id`` a line, perhaps after a line with their
number. The relations are then those, in this order, whether a mention has them or not.
"""

import difflib
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field
from relab.corpus import Corpus, digest
from relab.errors import DataError

from trainables.corpora.mentions import (
    NO_RELATION,
    Index,
    Mention,
    MentionBuilder,
    Mentions,
    PairOptions,
    Symbols,
    finish,
)
from trainables.corpora.problems import Problems, decode, read_bytes, text_lines

VERSION = 1
"""Raised when the same bytes and options give other mentions than before."""

RELATIONS = "relations"
"""The role of ``relation2id.txt``; every other role is a split."""

END = b"###END###"
FIELDS = ("first id", "second id", "first name", "second name", "relation", "sentence")
NUMBER = re.compile(r"[0-9]{1,9}")
PUNCTUATION = string.punctuation.encode()
NOT_FOUND = "rows dropped: an entity is no token of the sentence"


class MentionLineOptions(PairOptions):
    """How files in the line format are read."""

    malformed: Literal["fail", "drop"] = "fail"
    """``drop`` leaves out malformed lines, and counts them."""
    not_found: Literal["drop", "fail"] = "drop"
    """What to do with a row that names an entity which is no token of its sentence."""
    not_found_limit: float = Field(0.05, ge=0, le=1)
    """If more than this share of all rows is dropped for that, reading fails nevertheless."""
    duplicates: Literal["keep", "drop"] = "keep"
    """Rows with the same entities, relation and tokens as one before in the same split."""
    identity: Literal["mid", "name"] = "mid"
    """What tells entities apart: their ids, or their names as in the published overlaps of NYT-10."""
    language: str = Field("en", min_length=1)
    """What the sentences are in; the files do not say."""


def read_mention_lines(name: str, files: Mapping[str, Path], options: MentionLineOptions) -> Corpus[Mention]:
    """Read a corpus with one file per split, and perhaps the list of its relations.

    Raises:
        DataError: ``file:line: reason`` for the malformed lines of the first file that has any; or a split without a
            row left; or more rows with an entity that is not found than ``options.not_found_limit``.
    """
    parts = ["mention_lines", str(VERSION), options.model_dump_json()]
    known: tuple[str, ...] | None = None
    if RELATIONS in files:
        data = read_bytes(files[RELATIONS])
        parts += [RELATIONS, digest(data)]
        known = parse_relations(data, files[RELATIONS])
    symbols = Symbols(relations=Index(*(known or [NO_RELATION])))
    counts: Counter[str] = Counter()
    splits: dict[str, Mentions] = {}
    for split, path in files.items():
        if split == RELATIONS:
            continue
        data = read_bytes(path)
        parts += [split, digest(data)]
        rows = Rows(symbols, options, counts, known)
        parse_lines(data, path, rows)
        splits[split] = rows.mentions(path)
    check_found(name, counts, options)
    return finish(name, splits, digest(*parts), counts, options)


class EntityNotFound(ValueError):
    """A row whose sentence lacks one of its entities: no malformed one."""


class Rows:
    """Makes the rows of one split, from however many files, into mentions; adds to ``counts``."""

    def __init__(
        self, symbols: Symbols, options: MentionLineOptions, counts: Counter[str], known: Sequence[str] | None = None
    ) -> None:
        self.options, self.counts = options, counts
        self._builder = MentionBuilder(symbols)
        self._fields, self._relations = _Fields(), _Relations(known)
        self._seen: set[bytes] = set()
        self._bare = 0

    def add(self, fields: Sequence[bytes]) -> None:
        """Append the row with these six fields, or drop it and count why.

        Raises:
            ValueError: what is wrong with the row.
            EntityNotFound: where that is not to be dropped.
        """
        first_id, second_id, first_name, second_name, relation, sentence = fields
        ids = self._fields[first_id], self._fields[second_id]
        names = self._fields[first_name], self._fields[second_name]
        head, tail = ids if self.options.identity == "mid" else names
        if head == tail:
            raise ValueError(f"the same entity twice: {_show(head)}")
        label = self._relations[relation]
        tokens = sentence.split()
        if not tokens:
            raise ValueError("an empty sentence")
        text = b" ".join(tokens)
        words = text.decode().split(" ")
        if self.options.duplicates == "drop":
            row = b"\t".join((head.encode(), tail.encode(), relation, text))
            if row in self._seen:
                self.counts["rows dropped: duplicates"] += 1
                return
            self._seen.add(row)
        exact = (first_name in tokens) + (second_name in tokens)
        bare = [] if exact == 2 else [token.strip(PUNCTUATION) for token in tokens]
        a, b = _place(first_name, tokens, bare), _place(second_name, tokens, bare)
        if a >= 0 and b >= 0:
            self._builder.add(self.options.language, head, tail, label, words, (a, a + 1), (b, b + 1))
            self._bare += 2 - exact
        elif self.options.not_found == "drop":
            self.counts[NOT_FOUND] += 1
        else:
            raise EntityNotFound(f"the entity {_show(names[a >= 0])} is no token of the sentence")

    def mentions(self, path: Path) -> Mentions:
        """What was added; ``path`` is only for the message.

        Raises:
            DataError: nothing was.
        """
        if not len(self._builder):
            raise DataError(f"{path}:1: no row is left, all are malformed or lack an entity")
        self.counts["entities found as tokens"] += 2 * len(self._builder) - self._bare
        if self._bare:
            self.counts["entities found without punctuation"] += self._bare
        return self._builder.mentions()


def parse_lines(data: bytes, path: Path, rows: Rows) -> None:
    """Add the lines in the bytes of one file to ``rows``; ``path`` is only for messages.

    Raises:
        DataError: ``file:line: reason``, one line for each of the first malformed lines.
    """
    problems = Problems(path)
    lines = text_lines(data)
    rows.counts["rows"] += len(lines)
    for number, line in enumerate(lines, start=1):
        try:
            rows.add(_cut(line))
        except ValueError as error:  # also what a broken encoding raises
            if rows.options.malformed == "fail" or isinstance(error, EntityNotFound):
                problems.add(number, decode(line)[1] or str(error))
            else:
                rows.counts["rows dropped: malformed"] += 1
    problems.fail()


def check_found(name: str, counts: Mapping[str, int], options: MentionLineOptions) -> None:
    """Refuse a corpus in which too many rows were dropped because an entity was not found.

    Raises:
        DataError: with both numbers.
    """
    rows, dropped = counts["rows"], counts.get(NOT_FOUND, 0)
    if dropped > options.not_found_limit * rows:
        raise DataError(
            f"{name}: in {dropped:,} of {rows:,} rows an entity is no token of the sentence. That is more than the "
            f"{options.not_found_limit:.1%} that not_found_limit allows; are names joined by underscores?"
        )


def parse_relations(data: bytes, path: Path) -> tuple[str, ...]:
    """The names in ``relation2id.txt`` in the order of their ids; ``path`` is only for messages.

    Raises:
        DataError: ``file:line: reason`` for malformed lines; ids that are not 0, 1, …; no ``NA`` with id 0.
    """
    problems = Problems(path)
    names: dict[int, str] = {}
    number: int | None = None
    for line, raw in enumerate(text_lines(data), start=1):
        text, broken = decode(raw)
        columns = text.split()
        if broken:
            problems.add(line, broken)
        elif line == 1 and len(columns) == 1 and NUMBER.fullmatch(columns[0]):
            number = int(columns[0])
        elif len(columns) != 2 or not NUMBER.fullmatch(columns[1]):
            problems.add(line, f"{_show(text)} is not a relation and its id")
        elif int(columns[1]) in names or columns[0] in names.values():
            problems.add(line, f"{_show(text)}: the name or the id for the second time")
        else:
            names[int(columns[1])] = columns[0]
    problems.fail()
    if sorted(names) != list(range(len(names))):
        problems.add(1, f"{len(names)} ids that are not the numbers from 0 to {len(names) - 1}")
    elif names.get(0) != NO_RELATION:
        problems.add(1, f"the id 0 belongs to {NO_RELATION!r}, not to {names.get(0)!r}")
    elif number not in {None, len(names)}:
        problems.add(1, f"{number} relations announced, {len(names)} there")
    problems.fail()
    return tuple(names[place] for place in range(len(names)))


def _cut(line: bytes) -> list[bytes]:
    """The six fields of one line."""
    body, mark, rest = line.partition(END)
    if not mark:
        raise ValueError(f"no end mark {END.decode()}" if line.strip() else "a blank line")
    if b"\r" in line:
        raise ValueError("a carriage return")
    if rest.strip(b" "):
        raise ValueError("text after the end mark")
    if body[-1:] not in b" \t":
        raise ValueError("the end mark is part of a token")
    body = body[:-1]
    fields = body.split(b"\t") if b"\t" in body else body.split(None, 5)
    if len(fields) != len(FIELDS):
        raise ValueError(f"{len(fields)} fields before the end mark, not {len(FIELDS)}: {', '.join(FIELDS)}")
    if not all(fields):
        raise ValueError(f"an empty field: {FIELDS[fields.index(b'')]}")
    return fields


def _place(name: bytes, tokens: Sequence[bytes], bare: Sequence[bytes]) -> int:
    """Where an entity is, −1 if nowhere; ``bare``: the tokens without punctuation."""
    if name in tokens:
        return tokens.index(name)
    name = name.strip(PUNCTUATION)
    return bare.index(name) if name and name in bare else -1


class _Fields(dict[bytes, str]):
    """Ids and names as text; each is decoded and checked when it is first met."""

    def __missing__(self, field: bytes) -> str:
        text = field.decode()
        if text.strip() != text:
            raise ValueError(f"blanks around the field {_show(text)}")
        if text.startswith("\ufeff"):
            raise ValueError("a byte order mark")
        self[field] = text
        return text


class _Relations(_Fields):
    """Relations as text; where there is a list of them, no others."""

    def __init__(self, known: Sequence[str] | None) -> None:
        super().__init__({name.encode(): name for name in known or ()})
        self.closed = known is not None

    def __missing__(self, field: bytes) -> str:
        if self.closed:
            text = field.decode()
            near = difflib.get_close_matches(text, self.values(), n=1, cutoff=0.5)
            raise ValueError(f"unknown relation {_show(text)}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().__missing__(field)


def _show(text: str) -> str:
    """``text`` for a message: quoted, and cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
