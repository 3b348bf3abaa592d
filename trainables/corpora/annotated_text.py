"""Whole documents with annotated spans of characters, and how sentences with spans of tokens are made of them.

1. A token belongs to an entity if it shares a character with it. An entity whose ends lie inside tokens is widened to
   whole tokens, and counted. Two of the same tokens and type are one, and counted.
2. No sentence ends inside an entity: the two sentences stay one, and how often that happens is counted. An entity of
   more than ``LONGEST`` characters over a sentence end is a slip of the annotators; it is dropped and counted.
3. Entities that overlap another one, nested ones among them, are kept and counted.
4. A relation between entities of two sentences is in none of them: it is counted for its split and lost, or an error.
5. A relation of an entity with itself, and one that is there already, are dropped and counted.
"""

import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from trainables.corpora.problems import Problems
from trainables.corpora.sentences import AnnotatedSentence, Entity, Span

LONGEST = 100
Lost = Literal["drop", "error"]


@dataclass(frozen=True, slots=True)
class Relation:
    """Two places in a document's ``entities``, what relates them, and the line of its file that says so."""

    head: int
    name: str
    tail: int
    line: int


@dataclass(frozen=True)
class AnnotatedText:
    """One document; the spans of ``entities`` are characters of ``text``."""

    name: str
    path: Path
    text: str
    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]


def characters(text: str) -> list[Span]:
    """Every character of ``text`` but white space as a token."""
    return [(i, i + 1) for i, character in enumerate(text) if not character.isspace()]


def lost_in(split: str) -> str:
    """The name under which relations of a split that cross a sentence end are counted."""
    return f"{split}: relations over a sentence end"


def sentences(
    document: AnnotatedText, tokens: Sequence[Span], ends: Sequence[int], split: str, lost: Lost, counts: Counter[str]
) -> list[AnnotatedSentence]:
    """The sentences of ``document``, which are cut before every character in ``ends``; ``counts`` is added to.

    Raises:
        DataError: ``file:line: reason`` for relations over a sentence end, if they are to be one.
    """
    begins, stops = [begin for begin, _ in tokens], [end for _, end in tokens]
    cuts = sorted({bisect_left(begins, end) for end in ends} - {0, len(tokens)})
    kept: dict[Entity, int] = {}
    places: list[Entity | None] = []
    inside: set[int] = set()
    for entity in document.entities:
        found = Entity(bisect_right(stops, entity.begin), bisect_left(begins, entity.end), entity.type)
        crossed = cuts[bisect_right(cuts, found.begin) : bisect_left(cuts, found.end)]
        if found.begin >= found.end:
            counts["entities dropped: no token"] += 1
            places.append(None)
        elif crossed and entity.end - entity.begin > LONGEST:
            counts[f"entities dropped: over a sentence end and {LONGEST} characters"] += 1
            places.append(None)
        else:
            inside.update(crossed)
            counts["entities widened to whole tokens"] += _trimmed(document.text, entity) != (
                begins[found.begin],
                stops[found.end - 1],
            )
            counts["entities merged: the same span and type"] += found in kept
            kept.setdefault(found, len(kept))
            places.append(found)
    counts["sentence ends inside an entity"] += len(inside)
    bounds = [0, *(cut for cut in cuts if cut not in inside), len(tokens)]
    related = _relations(document, places, bounds, split, lost, counts)
    return _cut(document, tokens, bounds, list(kept), related, counts)


def _trimmed(text: str, entity: Entity) -> Span:
    """The span of an entity without white space around it."""
    covered = text[entity.begin : entity.end]
    return entity.begin + len(covered) - len(covered.lstrip()), entity.begin + len(covered.rstrip())


def _relations(
    document: AnnotatedText,
    places: Sequence[Entity | None],
    bounds: Sequence[int],
    split: str,
    lost: Lost,
    counts: Counter[str],
) -> dict[tuple[Entity, str, Entity], None]:
    """The relations that lie in one sentence, each once."""
    problems = Problems(document.path)
    related: dict[tuple[Entity, str, Entity], None] = {}
    for relation in document.relations:
        head, tail = places[relation.head], places[relation.tail]
        if head is None or tail is None:
            counts["relations dropped: without their entity"] += 1
        elif head == tail:
            counts["relations dropped: an entity with itself"] += 1
        elif (head, relation.name, tail) in related:
            counts["relations dropped: the same again"] += 1
        elif bisect_right(bounds, head.begin) != bisect_right(bounds, tail.begin):
            counts[lost_in(split)] += 1
            if lost == "error":
                problems.add(relation.line, f"{relation.name!r} relates entities of two sentences")
        else:
            related[head, relation.name, tail] = None
    problems.fail()
    return related


def _cut(
    document: AnnotatedText,
    tokens: Sequence[Span],
    bounds: Sequence[int],
    entities: Sequence[Entity],
    related: dict[tuple[Entity, str, Entity], None],
    counts: Counter[str],
) -> list[AnnotatedSentence]:
    """Everything dealt to the sentences between ``bounds``."""
    members: list[dict[Entity, int]] = [{} for _ in bounds]
    for entity in entities:
        sentence = members[bisect_right(bounds, entity.begin) - 1]
        sentence[entity] = len(sentence)
    triples: list[list[tuple[int, str, int]]] = [[] for _ in bounds]
    for head, name, tail in related:
        place = bisect_right(bounds, head.begin) - 1
        triples[place].append((members[place][head], name, members[place][tail]))
    made = []
    for place, (begin, end) in enumerate(pairwise(bounds)):
        inner = tuple(Entity(e.begin - begin, e.end - begin, e.type) for e in members[place])
        words = tuple(sys.intern(document.text[a:b]) for a, b in tokens[begin:end])
        counts.update({"tokens": len(words), "entities": len(inner), "relations": len(triples[place])})
        counts["entities that overlap another"] += overlapping(inner)
        made.append(AnnotatedSentence(document.name, words, inner, tuple(triples[place])))
    return [sentence for sentence in made if sentence.tokens]


def overlapping(entities: Sequence[Entity]) -> int:
    """How many entities share a token with another one."""
    return sum(any(a.begin < b.end and b.begin < a.end for b in entities if b is not a) for a in entities)
