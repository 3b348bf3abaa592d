"""Sentences with entities and relations as JSON lines: reader and writer of a form for corpora of one's own.

One sentence a line, and nothing else in it::

    {"document": "17", "tokens": ["Ada", "knew", "Babbage"], "entities": [[0, 1, "PER"], [2, 3, "PER"]],
     "relations": [[0, "social", 1]]}

(on one line). ``entities`` are [begin, end, type], the span [begin, end) in tokens; they may overlap. ``relations`` are
[head, relation, tail], both ends as places in ``entities`` from 0; pairs without a relation have none.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from relab.corpus import Corpus, digest
from relab.method import Config

from trainables.corpora.annotated_text import overlapping
from trainables.corpora.json_values import json_object
from trainables.corpora.problems import Problems, read_bytes, text_lines
from trainables.corpora.sentences import NO_RELATION, AnnotatedSentence, Entity

VERSION = 1
"""Raised when the same bytes give other sentences than before."""

KEYS = ("document", "tokens", "entities", "relations")


class AnnotatedLineOptions(Config):
    """There is nothing to choose."""


def read_annotated_lines(
    name: str, files: Mapping[str, Path], _options: AnnotatedLineOptions
) -> Corpus[AnnotatedSentence]:
    """Read a corpus with one file per split.

    Raises:
        DataError: ``file:line: reason`` for the malformed lines of the first file that has any.
    """
    splits: dict[str, tuple[AnnotatedSentence, ...]] = {}
    parts: list[str | bytes] = ["annotated_lines", str(VERSION)]
    for split, path in files.items():
        data = read_bytes(path)
        splits[split] = parse(data, path)
        parts += [split, data]
    counts: Counter[str] = Counter()
    for sentences in splits.values():
        for sentence in sentences:
            counts["entities"] += len(sentence.entities)
            counts["entities that overlap another"] += overlapping(sentence.entities)
            counts["relations"] += len(sentence.relations)
    seen = Counter(document for items in splits.values() for document in {item.document for item in items})
    counts["documents in more than one split"] = sum(number > 1 for number in seen.values())
    return Corpus(name, splits, digest(*parts), {what: number for what, number in counts.items() if number})


def parse(data: bytes, path: Path) -> tuple[AnnotatedSentence, ...]:
    """The sentences in the bytes of one file; ``path`` is only for messages.

    Raises:
        DataError: ``file:line: reason``, one line for each of the first malformed lines.
    """
    problems = Problems(path)
    sentences = []
    for number, raw in enumerate(text_lines(data), start=1):
        try:
            sentences.append(_sentence(raw))
        except ValueError as error:
            problems.add(number, str(error))
    problems.fail()
    return tuple(sentences)


def render(sentences: Iterable[AnnotatedSentence]) -> str:
    """The sentences as JSON lines."""
    lines = []
    for sentence in sentences:
        entities = [[entity.begin, entity.end, entity.type] for entity in sentence.entities]
        values = (sentence.document, sentence.tokens, entities, sentence.relations)
        lines.append(json.dumps(dict(zip(KEYS, values, strict=True)), ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)


def write_annotated_lines(sentences: Iterable[AnnotatedSentence], path: Path) -> None:
    """Write ``path``; ``read_annotated_lines`` reads the same sentences back."""
    path.write_text(render(sentences), encoding="utf-8", newline="\n")


def _sentence(raw: bytes) -> AnnotatedSentence:
    """The sentence in a line; ValueError says what is wrong with it."""
    values = json_object(raw)
    if sorted(values) != sorted(KEYS):
        raise ValueError(f"not an object with {', '.join(KEYS)} and nothing else")
    document, tokens, entities, relations = (values[key] for key in KEYS)
    if not _name(document):
        raise ValueError("document: not a name")
    if not isinstance(tokens, list) or not tokens or not all(map(_name, tokens)):
        raise ValueError("tokens: not a list of tokens, each with more than blanks in it")
    found = tuple(_entity(row, len(tokens)) for row in _rows(entities, "entities"))
    triples = tuple(_relation(row, len(found)) for row in _rows(relations, "relations"))
    for what, rows in (("entity", found), ("relation", triples)):
        if len(set(rows)) < len(rows):
            raise ValueError(f"the same {what} twice")
    return AnnotatedSentence(document, tuple(tokens), found, triples)


def _name(value: object) -> bool:
    """Whether ``value`` is text that is more than blanks, and that UTF-8 can hold: half a surrogate pair cannot be."""
    return isinstance(value, str) and bool(value.strip()) and not any("\ud800" <= c <= "\udfff" for c in value)


def _rows(rows: object, what: str) -> list[Any]:
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 3 for row in rows):
        raise ValueError(f"{what}: not a list of lists of three")
    return rows


def _entity(row: list[Any], length: int) -> Entity:
    begin, end, kind = row
    if type(begin) is not int or type(end) is not int or not _name(kind):
        raise ValueError(f"entities: {json.dumps(row)[:80]} is not [begin, end, type]")
    if not 0 <= begin < end <= length:
        raise ValueError(f"entities: [{begin}, {end}) is no span of the sentence, which has {length} tokens")
    return Entity(begin, end, kind)


def _relation(row: list[Any], count: int) -> tuple[int, str, int]:
    head, relation, tail = row
    if type(head) is not int or type(tail) is not int or not _name(relation):
        raise ValueError(f"relations: {json.dumps(row)[:80]} is not [head, relation, tail]")
    if relation == NO_RELATION:
        raise ValueError(f"relations: pairs without a relation have no entry, and so no {NO_RELATION!r}")
    if not (0 <= head < count and 0 <= tail < count):
        raise ValueError(f"relations: {head} or {tail} is no place in entities, which are {count}")
    if head == tail:
        raise ValueError(f"relations: {relation!r} relates entity {head} with itself")
    return head, relation, tail
