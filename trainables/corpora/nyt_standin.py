"""A stand-in for NYT-10 from parts of it that are public: reader.

Train is ``train.txt`` (line format, see ``nyt``) and two files of sentences with all of their triples::

    [{"text": "... Douglaston , Queens .", "triple_list": [["Douglaston", "/location/...", "Queens"], ...]}, ...]

Test is ``test.txt`` and ``test_positives.txt``, both in the line format. Names identify entities, as triples have no
ids. What is made of a sentence with triples:

1. It is cut at blanks and put into lower case, like the lines are.
2. Its entities are the names in its triples, lower case too. Each ordered pair of them with triples gives a row for
   every relation that it has, however often a triple is repeated; each without one gives a row with ``NA``. A relation
   of an entity with itself gives none and is counted.
3. In a row the words of both entities are joined by underscores wherever they occur, as in the lines; of two that begin
   at one place the longer is taken. Accents do not matter in finding them (``Bogotá`` stands as ``Bogota`` in the
   text); the name's own spelling is put in, as in the lines. All other names keep their words apart.

Rows are then treated as those of the lines are; many sentences are in ``train.txt`` and in a triples file, so that
duplicates are dropped by default. Entities that no triple of a sentence names give no row: the true share of ``NA`` is
far higher.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

from relab.corpus import Corpus, digest
from relab.errors import DataError

from trainables.corpora.json_values import json_list
from trainables.corpora.mentions import NO_RELATION, Mention, Symbols, finish
from trainables.corpora.nyt import MentionLineOptions, Rows, check_found, parse_lines
from trainables.corpora.problems import read_bytes

VERSION = 1
"""Raised when the same bytes and options give other mentions than before."""

LINES = {"train": "train", "test": "test", "test_positives": "test"}
TRIPLES = {"joint_val_triples": "train", "joint_test_triples": "train"}
"""Which split each file belongs to, by its role."""


class NytStandInOptions(MentionLineOptions):
    """How the parts are read."""

    duplicates: Literal["keep", "drop"] = "drop"
    identity: Literal["name"] = "name"


def read_nyt_standin(name: str, files: Mapping[str, Path], options: NytStandInOptions) -> Corpus[Mention]:
    """Read the five files.

    Raises:
        DataError: as ``read_mention_lines``; or a file of triples with another content.
    """
    parts = ["nyt_standin", str(VERSION), options.model_dump_json()]
    symbols, counts = Symbols(), Counter[str]()
    rows = {split: Rows(symbols, options, counts) for split in ("train", "test")}
    for role, path in files.items():
        data = read_bytes(path)
        parts += [role, digest(data)]
        if role in LINES:
            parse_lines(data, path, rows[LINES[role]])
        else:
            parse_triples(data, path, rows[TRIPLES[role]])
    check_found(name, counts, options)
    splits = {split: made.mentions(files[split]) for split, made in rows.items()}
    return finish(name, splits, digest(*parts), counts, options)


def parse_triples(data: bytes, path: Path, rows: Rows) -> None:
    """Add the sentences in the bytes of one file of triples to ``rows``; ``path`` is only for messages.

    Raises:
        DataError: no JSON, or the first sentence that is not as described above.
    """
    for number, sentence in enumerate(json_list(data, path, "sentences"), start=1):
        try:
            text, triples = _checked(sentence)
            for row in _rows(text, triples):
                rows.counts["rows"] += 1
                rows.add([field.encode() for field in row])
            alone = {(_joined(head), relation) for head, relation, tail in triples if _joined(head) == _joined(tail)}
            if alone:
                rows.counts["triples dropped: an entity with itself"] += len(alone)
        except ValueError as error:
            raise DataError(f"{path}: sentence {number:,}: {error}") from error


Triple = tuple[str, str, str]


def _checked(sentence: Any) -> tuple[str, list[Triple]]:
    """Text and triples of one sentence; ValueError says what is wrong with it."""
    if not isinstance(sentence, dict) or not isinstance(sentence.get("text"), str):
        raise ValueError("no text")
    triples = sentence.get("triple_list")
    if not isinstance(triples, list) or not triples:
        raise ValueError("no triples")
    for triple in triples:
        if not (isinstance(triple, list) and len(triple) == 3 and all(isinstance(part, str) for part in triple)):
            raise ValueError(f"{str(triple)[:60]} is no triple of head, relation and tail")
        if not all(part.strip() for part in triple):
            raise ValueError(f"{str(triple)[:60]} has an empty part")
    return sentence["text"], [(head, relation, tail) for head, relation, tail in triples]


def _rows(text: str, triples: Sequence[Triple]) -> Iterator[tuple[str, str, str, str, str, str]]:
    """The rows of one sentence: ids (the names again), names, relation, sentence."""
    tokens = text.lower().split()
    plain = [without_accents(token) for token in tokens]
    relations: dict[tuple[str, str], dict[str, None]] = {}
    for head, relation, tail in triples:
        relations.setdefault((_joined(head), _joined(tail)), {})[relation] = None
    entities = dict.fromkeys(name for pair in relations for name in pair)
    for head, tail in permutations(entities, 2):
        sentence = " ".join(_with_names_joined(tokens, plain, (head, tail)))
        for relation in relations.get((head, tail), (NO_RELATION,)):
            yield head, tail, head, tail, relation, sentence


def _joined(name: str) -> str:
    return "_".join(name.lower().split())


def without_accents(text: str) -> str:
    """``text`` without accents."""
    if text.isascii():
        return text
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


def _with_names_joined(tokens: Sequence[str], plain: Sequence[str], names: Sequence[str]) -> list[str]:
    """The tokens with one for each occurrence of each name, of names that begin at one place the longest."""
    words = {name: without_accents(name).split("_") for name in sorted(names, key=lambda name: -name.count("_"))}
    first = {parts[0] for parts in words.values()}
    made: list[str] = []
    place = 0
    while place < len(tokens):
        candidates = words.items() if plain[place] in first else ()
        name = next((name for name, parts in candidates if plain[place : place + len(parts)] == parts), None)
        made.append(tokens[place] if name is None else name)
        place += 1 if name is None else len(words[name])
    return made
