"""The layout of the multi-lingual corpus of Lin et al. (2017), which Wang et al. (2018) train on too: reader.

One file per split and language, ``train_en.txt`` to ``test_zh.txt``, and ``relation2id.txt``. One mention a line, its
fields between white space, so that a name of several words is written as one::

    Q513 Q837 mount_everest nepal located_in mount_everest rises in nepal . ###END###

1. Entities are what their Wikidata ids say, in every language: the sentences of a pair are one bag. (Code: all entities
   that are not listed share the number 0.)
2. The end mark is optional, and no token. (Code: it is a token.)
3. A name that the sentence has in pieces, cut at its punctuation (``jean - luc`` for ``jean-luc``), is one token again.
4. An entity is where its name first is a token, else the first token that has it as a part, which is counted. (Code:
   the last token with the name as a part for the first entity, the first one for the second, whole tokens or not, so
   that ``ada`` is found in ``canada``.)
5. A row without one of its entities is dropped and counted, or an error; too many of them always are.

The mentions of a pair follow one another, whatever their language, in the order of the files.
"""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from relab.corpus import Corpus, digest
from relab.errors import DataError

from trainables.corpora.mentions import Index, Mention, MentionBuilder, Mentions, PairOptions, Symbols, finish
from trainables.corpora.nyt import RELATIONS, parse_relations
from trainables.corpora.problems import Problems, decode, read_bytes, text_lines

VERSION = 1
"""Raised when the same bytes and options give other mentions than before."""

SPLITS = {"train": "train", "valid": "dev", "test": "test"}
"""What the files call a split, and what it is called here."""
END = "###END###"
FIELDS = ("first id", "second id", "first name", "second name", "relation", "sentence")
CUTS = re.compile(r"([.\-,'&%!`()/])")
"""At which a tokeniser may have cut a name (Code)."""
PUNCTUATION = frozenset(string.punctuation)
NOT_FOUND = "rows dropped: an entity is not in the sentence"


class MnreOptions(PairOptions):
    """How the layout is read."""

    malformed: Literal["fail", "drop"] = "fail"
    """``drop`` leaves out malformed lines, and counts them."""
    entities: Literal["token", "code"] = "token"
    """Where an entity is: point 4 above. The paper does not say; ``token`` because a part of a word is no entity."""
    punctuation: Literal["keep", "drop"] = "keep"
    """Tokens of nothing but ASCII punctuation. The paper does not say, the code drops them; kept, as in NYT-10."""
    not_found: Literal["drop", "fail"] = "drop"
    """What to do with a row without one of its entities."""
    not_found_limit: float = Field(0.05, ge=0, le=1)
    """If more than this share of all rows is dropped for that, reading fails nevertheless."""


def read_mnre(name: str, files: Mapping[str, Path], options: MnreOptions) -> Corpus[Mention]:
    """Read ``files``: ``relations``, and by ``<split>_<language>`` the splits train, valid and test in each language.

    Raises:
        DataError: ``file:line: reason`` for the malformed lines of the first file that has any; or a file without a
            row left; or more rows without an entity than ``options.not_found_limit``.
    """
    data = read_bytes(files[RELATIONS])
    parts = ["mnre", str(VERSION), options.model_dump_json(), digest(data)]
    symbols = Symbols(relations=Index(*parse_relations(data, files[RELATIONS])))
    counts: Counter[str] = Counter()
    builders = {split: MentionBuilder(symbols) for split in SPLITS.values()}
    for role in sorted(files.keys() - {RELATIONS}):
        data = read_bytes(files[role])
        parts += [role, digest(data)]
        split, _, language = role.partition("_")
        parse(data, files[role], language, builders[SPLITS[split]], options, counts)
    if counts[NOT_FOUND] > options.not_found_limit * counts["rows"]:
        share = f"{counts[NOT_FOUND]:,} of {counts['rows']:,} rows lack an entity"
        raise DataError(f"{name}: {share}, more than not_found_limit={options.not_found_limit:g} allows")
    splits = {split: by_pair(builder.mentions()) for split, builder in builders.items() if len(builder)}
    return finish(name, splits, digest(*parts), counts, options)


def by_pair(mentions: Mentions) -> Mentions:
    """The same mentions, those of a pair one after the other, pairs in the order of their first mentions."""
    if not len(mentions):
        return mentions
    _, first, pair = np.unique(mentions.pairs, return_index=True, return_inverse=True)
    return mentions.take(np.argsort(first[pair], kind="stable"))


def parse(
    data: bytes, path: Path, language: str, builder: MentionBuilder, options: MnreOptions, counts: Counter[str]
) -> None:
    """Add the rows in the bytes of one file to ``builder``; ``counts`` is added to, ``path`` is only for messages.

    Raises:
        DataError: ``file:line: reason``, one line for each of the first malformed lines, or no row is left.
    """
    rows = _Rows(language, builder, options, counts)
    problems, before = Problems(path), len(builder)
    lines = text_lines(data)
    counts["rows"] += len(lines)
    for number, raw in enumerate(lines, start=1):
        try:
            rows.add(raw)
        except ValueError as error:
            if options.malformed == "fail":
                problems.add(number, str(error))
            else:
                counts["rows dropped: malformed"] += 1
    problems.fail()
    if len(builder) == before:
        raise DataError(f"{path}:1: no row is left, all are malformed or lack an entity")


class _Rows:
    """Makes lines of one file into mentions."""

    def __init__(self, language: str, builder: MentionBuilder, options: MnreOptions, counts: Counter[str]) -> None:
        self._language, self._builder, self._options, self._counts = language, builder, options, counts
        self._pieces: dict[str, str] = {}

    def add(self, raw: bytes) -> None:
        """Append the row in a line, or drop it and count why; ValueError says what is wrong with it."""
        fields = raw.split()
        # bytes are split at ASCII white space alone: an ideographic space is part of a token
        text = _text(b" ".join(fields), raw)
        if len(fields) < len(FIELDS):
            raise ValueError(f"no {FIELDS[len(fields)]}: {len(fields)} fields, a row has six or more")
        head, tail, first, second, relation, *tokens = text.split(" ")
        if head == tail:
            raise ValueError(f"the same entity twice: {head[:40]!r}")
        if relation not in self._builder.symbols.relations:
            raise ValueError(f"the relation {relation[:60]!r} is not in the list of relations")
        if tokens[-1] == END:
            tokens.pop()
        if END in tokens:
            raise ValueError(f"{END} is not at the end of the line")
        if not tokens:
            raise ValueError("an empty sentence")
        for name in (first, second):
            if not name.isalnum() and self._in_pieces(name):
                tokens = self._mended(name, tokens)
        if self._options.punctuation == "drop":
            tokens = [token for token in tokens if not PUNCTUATION.issuperset(token)]
        places = (self._place(first, tokens, last=True), self._place(second, tokens, last=False))
        if None not in places:
            spans = [(place, place + 1) for place in places if place is not None]
            self._builder.add(self._language, head, tail, relation, tokens, spans[0], spans[1])
        elif self._options.not_found == "drop":
            self._counts[NOT_FOUND] += 1
        else:
            name = first if places[0] is None else second
            raise ValueError(f"the entity {name[:60]!r} is not in the sentence")

    def _in_pieces(self, name: str) -> str:
        """How a sentence has ``name`` if it was cut at its punctuation; empty if there is none to cut at."""
        if name not in self._pieces:
            pieces = CUTS.sub(r" \1 ", name).split()
            self._pieces[name] = f" {' '.join(pieces)} " if len(pieces) > 1 else ""
        return self._pieces[name]

    def _mended(self, name: str, tokens: Sequence[str]) -> list[str]:
        """``tokens`` with the pieces of ``name`` as one."""
        text = f" {' '.join(tokens)} "
        pieces = self._in_pieces(name)
        if pieces not in text:
            return list(tokens)
        self._counts["names mended: in pieces"] += 1
        # twice: two that follow one another share the blank between them
        text = text.replace(pieces, f" {name} ").replace(pieces, f" {name} ")
        return text[1:-1].split(" ")

    def _place(self, name: str, tokens: Sequence[str], last: bool) -> int | None:
        """The token that is the entity; None if there is none."""
        if self._options.entities == "token":
            if name in tokens:
                return tokens.index(name)
            last = False
        places = [place for place, token in enumerate(tokens) if name in token]
        if not places:
            return None
        if self._options.entities == "token":
            self._counts["entities that are a part of a token"] += 1
        return places[-1 if last else 0]


def _text(joined: bytes, raw: bytes) -> str:
    """A line as text, its fields joined by single blanks; ValueError says what is wrong with it."""
    if not joined:
        raise ValueError("a blank line")
    if not raw.isascii() or b"\r" in raw:
        _, broken = decode(raw)
        if broken:
            raise ValueError(broken)
    return joined.decode("utf-8")
