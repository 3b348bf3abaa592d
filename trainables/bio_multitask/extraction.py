"""Negative-instance extraction (Ye et al. 2019): from sentences with entities and relations to labelled pairs.

Every pair of entities of a sentence is an instance, related or not; then pairs of entity types that are never related
are left out, and negatives are sampled. By column, with no object per instance.

What does not fit the scheme is counted, never silent (``COUNTS``). An entity outside its sentence, a relation between
entities that are not there, and a split without one positive are errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from relab.corpus import digest
from relab.errors import DataError, RequestError
from relab.method import Config

from trainables.corpora.sentences import NO_RELATION, AnnotatedSentence

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

COUNTS = {
    "sentences": "",
    "entities": "",
    "entities overlapping others": "they share a token with another entity of the sentence; kept",
    "relations": "as annotated, within sentences",
    "relations within one span": "head and tail are the same entity or the same tokens; dropped, a lost positive",
    "relations stated again": "a pair has this relation already; dropped",
    "relations beside another": "a pair has another relation already, which counts; dropped, a lost positive",
    "pairs": "of entities with different spans",
    "pairs with one span": "dropped",
    "pairs that overlap": "nested or crossing spans; kept",
    "positives": "",
    "positives unknown in train": "no positive of train has their relation; kept",
    "positives of types unrelated in train": "kept, and missed unasked; only where the filter is of train",
    "negatives": "after filter and sampling",
    "negatives of unrelated types": "dropped by the filter",
    "negatives not sampled": "dropped by the sampling",
    "pairs in long sentences": "of train, positives among them; dropped, where there is a limit",
}
"""What is counted for each split, and what becomes of it."""


class ExtractionConfig(Config):
    """Which pairs of entities become instances. What the paper does not say has its default named."""

    direction: Literal["directed", "undirected"] = "undirected"
    """``undirected`` (paper, English): one instance per pair, its head the entity that begins first, positive if
    related in either direction. ``directed`` (paper, Chinese): two; the one against the annotated order is a
    negative."""
    type_filter: Literal["off", "corpus", "train"] = "corpus"
    """Negatives whose combination of entity types no positive has are left out. Whose positives: of the whole
    ``corpus`` (paper), which lets the test split decide what it is asked; or of ``train``, the training part of a fold,
    which does not: a positive of dev or test that no pair of train resembles is then a miss."""
    type_order: Literal["ordered", "unordered"] | None = None
    """Whether (PER, ORG) and (ORG, PER) are two combinations. Not stated; ``null``: where pairs are directed."""
    negatives_per_positive: float | None = Field(None, gt=0)
    """Negatives are sampled to this ratio, all positives stay; ``null`` (paper, Tables 1 to 4): all negatives. The
    samples of growing ratios contain each other."""
    sampled: Literal["corpus", "train"] = "corpus"
    """What is sampled. Not stated; in the text sampling comes before cross-validation: the whole ``corpus`` at once,
    dev and test too, and every fold is of one sample. With ``train`` dev and test keep all negatives."""
    sampling_seed: int = 0
    """The paper's one fixed seed, beside which training has its own."""
    max_tokens: int | None = Field(None, ge=1)
    """Train's pairs in sentences of more tokens are left out, to save time; dev and test keep theirs. The
    paper has no limit."""

    @property
    def ordered(self) -> bool:
        """Whether combinations of types have an order."""
        return (self.type_order or {"directed": "ordered"}.get(self.direction)) == "ordered"


@dataclass(frozen=True)
class Instances:
    """The instances of one split, N of them, by sentence and then by the places of both entities in the text.

    ``sentence`` [N] is a place in the split; ``spans`` [N, 4] holds head and tail as tokens [begin, end); ``label`` [N]
    is 0 for Other, else a place in the relations; ``judged`` [N] is false for positives that are missed unasked.
    ``counts`` has the keys of ``COUNTS``.
    """

    sentence: Ints
    spans: Ints
    label: Ints
    judged: Bools
    counts: Mapping[str, int]


def extract(
    splits: Mapping[str, Sequence[AnnotatedSentence]], relations: Sequence[str], settings: ExtractionConfig
) -> dict[str, Instances]:
    """The instances of each split.

    Args:
        splits: sentences; ``train`` among them.
        relations: all labels, ``NA`` first.
        settings: which pairs are kept.

    Raises:
        DataError: an entity or a relation that is not within its sentence, or a relation of another name; with the
            document.
        RequestError: a split with sentences has no positive, or train has none within the limit of tokens.
    """
    types = {kind: number for number, kind in enumerate(entity_types(splits))}
    number = {relation: place for place, relation in enumerate(relations)}
    found = {name: _pairs(_columns(name, items, types, number), settings) for name, items in splits.items()}
    for name, pairs in found.items():
        if pairs.counts["sentences"] and not pairs.counts["positives"]:
            raise RequestError(
                f"the split {name} has {pairs.counts['sentences']:,} sentences and no related pair of entities"
            )
    found = _compared_with_train(found)
    if settings.type_filter != "off":
        found = _filtered(found, len(types), settings)
    if settings.negatives_per_positive is not None:
        found = _sampled(found, settings.negatives_per_positive, settings)
    if settings.max_tokens is not None:
        found |= {"train": _short(found["train"], settings.max_tokens)}
    return {name: pairs.instances() for name, pairs in found.items()}


def entity_types(splits: Mapping[str, Sequence[AnnotatedSentence]]) -> tuple[str, ...]:
    """All entity types, sorted."""
    return tuple(sorted({entity.type for items in splits.values() for item in items for entity in item.entities}))


@dataclass(frozen=True)
class _Columns:
    """The E entities of a split's S sentences in the order of the text, and its relations as places among them."""

    key: npt.NDArray[np.uint64]
    """[S]: of document and place in it, the same in whatever split or fold the document is."""
    size: Ints
    """[S]: entities of each sentence."""
    tokens: Ints
    """[S]: tokens of each sentence."""
    sentence: Ints
    spans: Ints
    kind: Ints
    related: Ints
    """[R, 3]: head, tail, label."""


def _columns(
    split: str, items: Sequence[AnnotatedSentence], types: Mapping[str, int], number: Mapping[str, int]
) -> _Columns:
    """Flatten and check; entities in the order of the text, those with equal spans as their sentence has them."""
    entities: list[tuple[int, int, int, int]] = []
    related: list[tuple[int, int, int]] = []
    for place, item in enumerate(items):
        first = len(entities)
        for entity in item.entities:
            if not 0 <= entity.begin < entity.end <= len(item.tokens):
                span = f"[{entity.begin}, {entity.end})"
                raise DataError(f"{_where(split, place, item)}: entity {span} of {len(item.tokens)} tokens")
            entities.append((place, entity.begin, entity.end, types[entity.type]))
        for head, relation, tail in item.relations:
            if not (0 <= head < len(item.entities) and 0 <= tail < len(item.entities)):
                ends = f"between entities {head} and {tail} of {len(item.entities)}"
                raise DataError(f"{_where(split, place, item)}: relation {relation} {ends}")
            if relation not in number:
                raise DataError(f"{_where(split, place, item)}: {relation} is none of {', '.join(number)}")
            if relation != NO_RELATION:
                related.append((first + head, first + tail, number[relation]))
    table = np.array(entities, dtype=np.int64).reshape(-1, 4)
    order = np.lexsort((np.arange(len(table)), table[:, 2], table[:, 1], table[:, 0]))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    pairs = np.array(related, dtype=np.int64).reshape(-1, 3)
    pairs[:, :2] = rank[pairs[:, :2]]
    table = table[order]
    size = np.bincount(table[:, 0], minlength=len(items))
    tokens = np.array([len(item.tokens) for item in items], dtype=np.int64)
    return _Columns(_keys(items), size, tokens, table[:, 0], table[:, 1:3], table[:, 3], pairs)


def _where(split: str, place: int, item: AnnotatedSentence) -> str:
    return f"{split}, sentence {place + 1}, document {item.document}"


def _keys(items: Sequence[AnnotatedSentence]) -> npt.NDArray[np.uint64]:
    """[S]: a number for each sentence, from its document's name and which of its sentences it is."""
    documents: dict[str, int] = {}
    seen: dict[str, int] = {}
    keys, places = [], []
    for item in items:
        if item.document not in documents:
            documents[item.document] = int(digest(item.document)[:16], 16)
        keys.append(documents[item.document])
        places.append(seen.get(item.document, 0))
        seen[item.document] = places[-1] + 1
    return _mixed(np.array(keys, dtype=np.uint64), np.array(places, dtype=np.uint64))


def _mixed(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Both numbers as one that looks random: the finaliser of SplitMix64 (Steele et al. 2014)."""
    mixed = one * np.uint64(0x9E3779B97F4A7C15) + other + np.uint64(1)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True)
class _Pairs:
    """Pairs of entities as places in ``columns``, ascending, and what is known of each."""

    columns: _Columns
    first: Ints
    second: Ints
    label: Ints
    judged: Bools
    counts: dict[str, int]

    @property
    def negative(self) -> Bools:
        return np.equal(self.label, 0)

    def combinations(self, types: int, ordered: bool) -> Ints:
        """[N]: a number for the types of each pair."""
        one, other = self.columns.kind[self.first], self.columns.kind[self.second]
        return one * types + other if ordered else np.minimum(one, other) * types + np.maximum(one, other)

    def draws(self, seed: int) -> npt.NDArray[np.uint64]:
        """[N]: a random number for each pair, which depends on document, sentence and entities alone."""
        columns = self.columns
        begin = np.cumsum(columns.size) - columns.size
        sentence = columns.sentence[self.first]
        key = _mixed(columns.key[sentence], np.full(len(sentence), seed % 2**64, dtype=np.uint64))
        places = ((side - begin[sentence]).astype(np.uint64) for side in (self.first, self.second))
        for place in places:
            key = _mixed(key, place)
        return key

    def where(self, kept: Bools, reason: str) -> "_Pairs":
        """The kept pairs; the others are counted."""
        chosen = {name: getattr(self, name)[kept] for name in ("first", "second", "label", "judged")}
        return replace(self, **chosen, counts=self.counts | {reason: int((~kept).sum())})

    def instances(self) -> Instances:
        spans = self.columns.spans
        both = np.concatenate([spans[self.first], spans[self.second]], 1)
        negatives = int(self.negative.sum())
        kept = {"negatives": negatives, "positives": len(self.label) - negatives}
        counts = dict.fromkeys(COUNTS, 0) | self.counts | kept
        return Instances(self.columns.sentence[self.first], both, self.label, self.judged, counts)


def _pairs(columns: _Columns, settings: ExtractionConfig) -> _Pairs:
    """All pairs of entities with different spans, labelled."""
    entities, directed = len(columns.sentence), settings.direction == "directed"
    partners = columns.size[columns.sentence]
    first = np.repeat(np.arange(entities), partners)
    begin = np.cumsum(columns.size) - columns.size
    within = np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
    second = begin[columns.sentence[first]] + within
    wanted = first != second if directed else first < second
    first, second = first[wanted], second[wanted]
    one, other = columns.spans[first], columns.spans[second]
    apart = (one != other).any(1)
    overlapping = (one[:, 0] < other[:, 1]) & (other[:, 0] < one[:, 1])
    counts = {
        "sentences": len(columns.size),
        "entities": entities,
        "entities overlapping others": len(np.unique(np.concatenate([first[overlapping], second[overlapping]]))),
        "relations": len(columns.related),
        "pairs": int(apart.sum()),
        "pairs with one span": int((~apart).sum()),
        "pairs that overlap": int((overlapping & apart).sum()),
    }
    first, second = first[apart], second[apart]
    related, dropped = _related(columns, directed)
    label = np.zeros(len(first), dtype=np.int64)
    label[np.searchsorted(first * entities + second, related[:, 0] * entities + related[:, 1])] = related[:, 2]
    counts |= dropped | {"positives": len(related)}
    return _Pairs(columns, first, second, label, np.ones(len(first), dtype=np.bool_), counts)


def _related(columns: _Columns, directed: bool) -> tuple[Ints, dict[str, int]]:
    """[R, 3]: related pairs as ``_pairs`` has them, each once, the first relation of each; what was dropped."""
    related = columns.related
    apart = (columns.spans[related[:, 0]] != columns.spans[related[:, 1]]).any(1)
    kept = related[apart]
    if not directed:
        kept = np.concatenate([np.sort(kept[:, :2], axis=1), kept[:, 2:]], 1)
    key = kept[:, 0] * len(columns.sentence) + kept[:, 1]
    _, place, owner = np.unique(key, return_index=True, return_inverse=True)
    again = np.ones(len(kept), dtype=np.bool_)
    again[place] = False
    same = kept[:, 2] == kept[place[owner], 2]
    return kept[place], {
        "relations within one span": int((~apart).sum()),
        "relations stated again": int((again & same).sum()),
        "relations beside another": int((again & ~same).sum()),
    }


def _compared_with_train(found: Mapping[str, _Pairs]) -> dict[str, _Pairs]:
    """Count the positives whose relation train does not have."""
    known = np.append(found["train"].label, 0)
    return {
        name: replace(
            pairs, counts=pairs.counts | {"positives unknown in train": int((~np.isin(pairs.label, known)).sum())}
        )
        for name, pairs in found.items()
    }


def _filtered(found: Mapping[str, _Pairs], types: int, settings: ExtractionConfig) -> dict[str, _Pairs]:
    """Without the negatives whose types are never related."""
    combinations = {name: pairs.combinations(types, settings.ordered) for name, pairs in found.items()}
    related = np.zeros(types * types, dtype=np.bool_)
    for name in found if settings.type_filter == "corpus" else ("train",):
        related[combinations[name][~found[name].negative]] = True
    filtered = {}
    for name, pairs in found.items():
        likely = related[combinations[name]]
        unlike = int((~likely & ~pairs.negative).sum())
        counts = pairs.counts | {"positives of types unrelated in train": unlike}
        judged = replace(pairs, judged=likely, counts=counts)
        filtered[name] = judged.where(likely | ~pairs.negative, "negatives of unrelated types")
    return filtered


def _sampled(found: Mapping[str, _Pairs], ratio: float, settings: ExtractionConfig) -> dict[str, _Pairs]:
    """With the negatives of the smallest draws: ``ratio`` times as many as there are positives, or all of them."""
    names = list(found) if settings.sampled == "corpus" else ["train"]
    negative = np.concatenate([found[name].negative for name in names])
    draws = np.concatenate([found[name].draws(settings.sampling_seed) for name in names])
    places = np.flatnonzero(negative)
    wanted = round(ratio * (len(negative) - len(places)))
    kept = ~negative
    kept[places[np.argsort(draws[places], kind="stable")[:wanted]]] = True
    parts = np.split(kept, np.cumsum([len(found[name].label) for name in names])[:-1])
    sampled = {name: found[name].where(part, "negatives not sampled") for name, part in zip(names, parts, strict=True)}
    return {name: sampled.get(name, pairs) for name, pairs in found.items()}


def _short(train: _Pairs, max_tokens: int) -> _Pairs:
    """The pairs in sentences of at most so many tokens."""
    kept = train.columns.tokens[train.columns.sentence[train.first]] <= max_tokens
    if not (kept & ~train.negative).any():
        raise RequestError(f"train has no related pair in a sentence of at most {max_tokens} tokens (data.max_tokens)")
    return train.where(kept, "pairs in long sentences")
