"""Precision, recall and F1 of joint extraction: strict, boundaries, relaxed (the evaluator of Bekoulis et al. 2018).

The three differ in what makes an entity; a relation is always a triple of two entities and a name.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from trainables.corpora.five_column import entities

Span = tuple[str, int, int]
"""Type, first and last token; the type is empty where only boundaries count."""
Arc = tuple[int, str, int]
"""Token, relation, head token."""
T = TypeVar("T")
ROOT: Span = ("", 0, 0)
OTHER = "Other"


@dataclass(frozen=True)
class Sentence:
    """Gold and predicted labels (BIO tags, or classes for ``relaxed``) and arcs of one sentence.

    ``spans`` are the given entity spans of the relaxed evaluation; the others find theirs in the tags.
    """

    gold_labels: Sequence[str]
    predicted_labels: Sequence[str]
    gold_arcs: frozenset[Arc]
    predicted_arcs: frozenset[Arc]
    spans: Sequence[Span] = ()
    root: bool = False


@dataclass(frozen=True)
class Counts:
    """True positives, false positives, false negatives."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def precision(self) -> float:
        return self.tp / (self.tp + self.fp) if self.tp else 0.0

    @property
    def recall(self) -> float:
        return self.tp / (self.tp + self.fn) if self.tp else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp else 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


@dataclass(frozen=True)
class Figures:
    """Precision, recall and F1, micro- or macro-averaged."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class JointScores:
    """Scores of a set of sentences, and the counts behind them by type and by sentence."""

    entity: Figures
    relation: Figures
    entity_types: dict[str, Counts]
    relation_types: dict[str, Counts]
    entity_sentences: tuple[Counts, ...]
    relation_sentences: tuple[Counts, ...]

    @property
    def overall_f1(self) -> float:
        """The mean of both F1 scores: the criterion of early stopping."""
        return (self.entity.f1 + self.relation.f1) / 2


def scores_of_sums(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The F1 scores of sums of ``entity_tp`` and so on, as numbers or as arrays of one shape; micro averages only."""
    found = {}
    for kind in ("entity", "relation"):
        tp, fp, fn = (counts[f"{kind}_{what}"] for what in ("tp", "fp", "fn"))
        found[f"{kind}_f1"] = 2 * tp / np.maximum(2 * tp + fp + fn, 1)
    return found | {"overall_f1": (found["entity_f1"] + found["relation_f1"]) / 2}


def strict(sentences: Sequence[Sentence]) -> JointScores:
    """An entity is right with its type and both boundaries; micro averages over all types."""
    return _micro(sentences, entities)


def boundaries(sentences: Sequence[Sentence]) -> JointScores:
    """An entity is right with both boundaries, whatever its type."""
    return _micro(sentences, lambda labels: [("", start, end) for _, start, end in entities(labels)])


def relaxed(
    sentences: Sequence[Sentence], types: Iterable[str], relations: Iterable[str], *, count_other: bool = False
) -> JointScores:
    """Spans are given. One is right if any of its tokens has its class; else its class is the most frequent one.

    Macro averages over all entity types of the corpus but "O" (and "Other" unless ``count_other``) and over all
    relations but "N": a type that never occurs counts as F1 = 0. A span predicted "O" is a miss of its type and no
    false positive; its relations count all the same.
    """
    wanted = [t for t in types if t != "O" and (count_other or t.lower() != OTHER.lower())]
    tallies = [_tally(s, list(s.spans), [(_class_of(s, span), *span[1:]) for span in s.spans]) for s in sentences]
    entity_types, relation_types = _by_type(tallies)
    names = [name for name in relations if name != "N"]
    return JointScores(
        _macro([entity_types.get(t, Counts()) for t in wanted]),
        _macro([relation_types.get(name, Counts()) for name in names]),
        entity_types,
        relation_types,
        tuple(_sum(t.entities) for t in tallies),
        tuple(_sum(t.relations) for t in tallies),
    )


@dataclass(frozen=True)
class _Tally:
    """One sentence's counts by type."""

    entities: dict[str, Counts]
    relations: dict[str, Counts]


def _class_of(sentence: Sentence, span: Span) -> str:
    gold, start, end = span
    inside = sentence.predicted_labels[start : end + 1]
    return gold if gold in inside else Counter(inside).most_common(1)[0][0]


def _micro(sentences: Sequence[Sentence], find: Callable[[Sequence[str]], list[Span]]) -> JointScores:
    tallies = [_tally(s, find(s.gold_labels), find(s.predicted_labels)) for s in sentences]
    entity_types, relation_types = _by_type(tallies)
    entity, relation = _sum(entity_types), _sum(relation_types)
    return JointScores(
        Figures(entity.precision, entity.recall, entity.f1),
        Figures(relation.precision, relation.recall, relation.f1),
        entity_types,
        relation_types,
        tuple(_sum(t.entities) for t in tallies),
        tuple(_sum(t.relations) for t in tallies),
    )


def _tally(sentence: Sentence, gold: Sequence[Span], predicted: Sequence[Span]) -> _Tally:
    found = _compare(set(gold), set(predicted) - {span for span in predicted if span[0] == "O"}, lambda span: span[0])
    root = [ROOT] if sentence.root else []
    arcs = ((sentence.gold_arcs, gold), (sentence.predicted_arcs, predicted))
    gold_triples, predicted_triples = (_triples(found, [*spans, *root]) for found, spans in arcs)
    triples = _compare(gold_triples, predicted_triples, lambda triple: triple[1])
    return _Tally(found, triples)


def _triples(arcs: Iterable[Arc], spans: Sequence[Span]) -> set[tuple[Span, str, Span]]:
    """Arcs between any tokens of two entities as triples; one that touches no entity is dropped, doubles collapse."""
    covering = {token: span for span in spans for token in range(span[1], span[2] + 1)}
    return {(covering[i], name, covering[j]) for i, name, j in arcs if i in covering and j in covering}


def _compare(gold: set[T], predicted: set[T], kind: Callable[[T], str]) -> dict[str, Counts]:
    right, wrong, missed = (
        Counter(map(kind, items)) for items in (gold & predicted, predicted - gold, gold - predicted)
    )
    return {name: Counts(right[name], wrong[name], missed[name]) for name in {*right, *wrong, *missed}}


def _by_type(tallies: Sequence[_Tally]) -> tuple[dict[str, Counts], dict[str, Counts]]:
    entity_types: dict[str, Counts] = {}
    relation_types: dict[str, Counts] = {}
    for tally in tallies:
        for total, part in ((entity_types, tally.entities), (relation_types, tally.relations)):
            for name, counts in part.items():
                total[name] = total.get(name, Counts()) + counts
    return dict(sorted(entity_types.items())), dict(sorted(relation_types.items()))


def _sum(counts: dict[str, Counts]) -> Counts:
    return sum(counts.values(), Counts())


def _macro(counts: Sequence[Counts]) -> Figures:
    number = max(1, len(counts))
    return Figures(
        sum(c.precision for c in counts) / number,
        sum(c.recall for c in counts) / number,
        sum(c.f1 for c in counts) / number,
    )
