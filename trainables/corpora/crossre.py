"""CrossRE (Bassignana & Plank 2022), English and its machine translation into Chinese, as bags of mentions: reader.

One sentence a line, as JSON: ``doc_key``, ``sentence`` (tokens), ``ner`` ([begin, end, type], the end inclusive),
``relations`` ([begin, end, begin, end, type, …], head and tail). The Chinese files have ``ner_mapping_to_source``
besides: the number of the English entity that each entity translates. What the reader makes of it:

1. A bag is a pair of English entities in one sentence; its mentions are that sentence, and its translation if it has
   both. Entities are named ``<doc_key>/<number in English>`` in both languages.
2. A bag's labels are those of the English file. A pair with several relations is a mention for each, as in NYT-10's
   lines. Relations of the Chinese file that are not in the English one, or the other way round, are counted.
3. Two entities without a relation in either direction are NA. Which is the head is decided by a hash of their names, so
   that the order says nothing about the relation.
4. A relation of an entity with itself is dropped and counted.
5. No bag is in two splits. How many pairs of names in dev and test are in train too is counted, in English.

Train, dev and test are those of the files, of all domains together.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from relab.corpus import Corpus, digest
from relab.errors import RequestError
from relab.method import Config

from trainables.corpora.json_values import json_object, value
from trainables.corpora.mentions import NO_RELATION, Mention, MentionBuilder, Span, Symbols
from trainables.corpora.problems import Problems, read_bytes, text_lines

VERSION = 1
"""Raised when the same bytes and options give other mentions than before."""

Domain = Literal["ai", "literature", "music", "news", "politics", "science"]
DOMAINS: tuple[Domain, ...] = ("ai", "literature", "music", "news", "politics", "science")
SPLITS = ("train", "dev", "test")
SOURCE, TRANSLATION = "en", "zh"
Pair = tuple[int, int]


class CrossReOptions(Config):
    """What of the corpus is read."""

    domains: Annotated[tuple[Domain, ...], Field(min_length=1)] = DOMAINS
    unrelated: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the unrelated pairs that are kept as NA, chosen by a hash of the pair; with all, 78 % of the bags."""


@dataclass(frozen=True)
class Document:
    """One sentence: ``entities`` are spans [begin, end); ``relations`` are (span of head, span of tail, type).

    ``sources`` gives for each entity the number of the English one; in an English sentence its own.
    """

    line: int
    key: str
    tokens: tuple[str, ...]
    entities: tuple[Span, ...]
    relations: tuple[tuple[Span, Span, str], ...]
    sources: tuple[int, ...]


def read_crossre(name: str, files: Mapping[str, Path], options: CrossReOptions) -> Corpus[Mention]:
    """Read ``files["en/<domain>-<split>"]`` for all domains asked for, and ``zh/…`` where it is there.

    Raises:
        RequestError: a domain without its English files.
        DataError: ``file:line: reason`` for the malformed lines of the first file that has any.
    """
    parts = ["crossre", str(VERSION), options.model_dump_json()]
    counts: Counter[str] = Counter()
    symbols, seen = Symbols(), set[str]()
    builders = {split: MentionBuilder(symbols) for split in SPLITS}
    named: dict[str, set[tuple[str, str]]] = {split: set() for split in SPLITS}
    for domain in DOMAINS:
        for split in SPLITS if domain in options.domains else ():
            role = f"{domain}-{split}"
            if f"{SOURCE}/{role}" not in files:
                raise RequestError(f"{name}: the domain {domain!r} is asked for, but {SOURCE}/{role}.json is not there")
            path = files[f"{SOURCE}/{role}"]
            data = read_bytes(path)
            documents = parse(data, path, seen)
            translated: Mapping[str, Document] = {}
            parts += [role, digest(data)]
            if f"{TRANSLATION}/{role}" in files:
                path = files[f"{TRANSLATION}/{role}"]
                data = read_bytes(path)
                translated = parse_translation(data, path, documents)
                parts.append(digest(data))
            for document in documents.values():
                pairs = _add(builders[split], document, translated.get(document.key), options, counts)
                names = [" ".join(document.tokens[begin:end]) for begin, end in document.entities]
                named[split] |= {(names[head], names[tail]) for head, tail in pairs}
    for split in ("dev", "test"):
        counts[f"pairs of names of {split} that train has too"] = len(named[split] & named["train"])
    return Corpus(name, {split: builder.mentions() for split, builder in builders.items()}, digest(*parts), counts)


def parse(data: bytes, path: Path, seen: set[str]) -> dict[str, Document]:
    """The sentences of an English file by key; ``seen`` are the keys of the files before, and is added to.

    Raises:
        DataError: ``file:line: reason``, one line for each of the first malformed lines.
    """
    problems = Problems(path)
    documents: dict[str, Document] = {}
    for number, raw in enumerate(text_lines(data), start=1):
        try:
            document = _document(number, raw, aligned=False)
            if len(set(document.entities)) < len(document.entities):
                raise ValueError("two entities with the same span")
            if document.key in seen:
                raise ValueError(f"doc_key {document.key!r} for the second time")
        except ValueError as error:
            problems.add(number, str(error))
            continue
        seen.add(document.key)
        documents[document.key] = document
    problems.fail()
    return documents


def parse_translation(data: bytes, path: Path, sources: Mapping[str, Document]) -> dict[str, Document]:
    """The sentences of a Chinese file by key; ``sources`` are those of the English file.

    Raises:
        DataError: as ``parse``.
    """
    problems = Problems(path)
    documents: dict[str, Document] = {}
    for number, raw in enumerate(text_lines(data), start=1):
        try:
            document = _document(number, raw, aligned=True)
            if document.key in documents:
                raise ValueError(f"doc_key {document.key!r} for the second time")
            if document.key not in sources:
                raise ValueError(f"doc_key {document.key!r} is not in the English file")
            known = len(sources[document.key].entities)
            for source in document.sources:
                if not 0 <= source < known:
                    raise ValueError(f"ner_mapping_to_source: {source}, but the English sentence has {known} entities")
        except ValueError as error:
            problems.add(number, str(error))
            continue
        documents[document.key] = document
    problems.fail()
    return documents


def _document(line: int, raw: bytes, aligned: bool) -> Document:
    """The sentence in a line; ValueError says what is wrong with it."""
    values = json_object(raw)
    key, tokens = value(values, "doc_key", str), value(values, "sentence", list)
    if not tokens or not all(isinstance(token, str) and token for token in tokens):
        raise ValueError("sentence: not a list of tokens")
    rows = value(values, "ner", list)
    entities = tuple(_span(row, 0, len(tokens), "ner") for row in rows)
    relations = tuple(_relation(row, len(tokens), entities) for row in value(values, "relations", list))
    sources: list[Any] = list(range(len(rows)))
    if aligned:
        sources = value(values, "ner_mapping_to_source", list)
        if len(sources) != len(rows):
            raise ValueError(f"ner_mapping_to_source: {len(sources)} numbers for {len(rows)} entities")
        if not all(type(source) is int for source in sources):
            raise ValueError("ner_mapping_to_source: not a list of whole numbers")
        if len(set(sources)) < len(sources):
            raise ValueError("ner_mapping_to_source: one English entity for two")
    "".join((key, *tokens, *(label for _, _, label in relations))).encode()  # what cannot be encoded cannot be stored
    return Document(line, key, tuple(tokens), entities, relations, tuple(sources))


def _span(row: object, at: int, length: int, what: str) -> Span:
    """The two numbers of ``row`` from ``at`` on, an inclusive span, as [begin, end)."""
    ends = row[at : at + 2] if isinstance(row, list) else []
    if len(ends) != 2 or not all(type(end) is int for end in ends):
        raise ValueError(f"{what}: {json.dumps(row)[:80]} does not have a begin and an end at place {at + 1}")
    begin, last = ends
    if not 0 <= begin <= last < length:
        raise ValueError(f"{what}: the span [{begin}, {last}] is not in the sentence, which has {length} tokens")
    return begin, last + 1


def _relation(row: object, length: int, entities: Sequence[Span]) -> tuple[Span, Span, str]:
    head, tail = _span(row, 0, length, "relations"), _span(row, 2, length, "relations")
    for end in (head, tail):
        if end not in entities:
            raise ValueError(f"relations: no entity has the span [{end[0]}, {end[1] - 1}]")
    label = row[4] if isinstance(row, list) and len(row) > 4 else None
    if not isinstance(label, str) or not label or label == NO_RELATION:
        raise ValueError(f"relations: {json.dumps(row)[:80]} has no type at place 5")
    return head, tail, label


def _add(
    builder: MentionBuilder,
    document: Document,
    translation: Document | None,
    options: CrossReOptions,
    counts: Counter[str],
) -> list[Pair]:
    """Append all pairs of one sentence, and give them back."""
    counts.update({"sentences": 1, "relations": len(document.relations)})
    number = {span: place for place, span in enumerate(document.entities)}
    labels: dict[Pair, list[str]] = {}
    for one, other, label in document.relations:
        found = labels.setdefault((number[one], number[other]), [])
        if one == other:
            counts["relations dropped: an entity with itself"] += 1
        elif label in found:
            counts["relations dropped: the same again"] += 1
        else:
            found.append(label)
    labels = {pair: found for pair, found in labels.items() if found}
    if translation:
        _compare(labels, translation, counts)
    languages = [(SOURCE, document)] + ([(TRANSLATION, translation)] if translation else [])
    spans = [(language, d.tokens, dict(zip(d.sources, d.entities, strict=True))) for language, d in languages]
    unrelated = list(_unrelated(document, labels, options.unrelated))
    counts["pairs without a relation"] += len(unrelated)
    counts["pairs with a relation"] += len(labels)
    for (head, tail), found in [*labels.items(), *((pair, [NO_RELATION]) for pair in unrelated)]:
        for language, tokens, place in spans:
            if head not in place or tail not in place:
                counts[f"pairs without a {language} mention"] += 1
                continue
            ends = (f"{document.key}/{head}", f"{document.key}/{tail}")
            for label in found:
                builder.add(language, *ends, label, tokens, place[head], place[tail])
    return [*labels, *unrelated]


def _unrelated(document: Document, labels: Mapping[Pair, object], share: float) -> Iterator[Pair]:
    """The pairs of entities that are related in neither direction, as (head, tail)."""
    count = len(document.entities)
    for one in range(count):
        for other in range(one + 1, count):
            if (one, other) in labels or (other, one) in labels:
                continue
            drawn = digest("crossre unrelated", document.key, str(one), str(other))
            if int(drawn[:8], 16) < share * 2**32:
                yield (one, other) if int(drawn[8], 16) % 2 else (other, one)


def _compare(labels: Mapping[Pair, Sequence[str]], translation: Document, counts: Counter[str]) -> None:
    """Count the relations that only one of the two languages has, of those that could be in both.

    Two Chinese entities may have the same span, since a translation can join what it is the translation of: a relation
    is then one of several pairs', and is in both if any of them is.
    """
    numbers: dict[Span, list[int]] = {}
    for source, span in zip(translation.sources, translation.entities, strict=True):
        numbers.setdefault(span, []).append(source)
    there = {(*pair, label) for pair, found in labels.items() for label in found}
    matched = set()
    for head, tail, label in translation.relations:
        meant = {(h, t, label) for h in numbers[head] for t in numbers[tail]} & there
        if not meant and head != tail:
            counts["relations of the zh files alone"] += 1
        matched |= meant
    aligned = {triple for triple in there if {triple[0], triple[1]} <= set(translation.sources)}
    counts["relations of the en files alone, both entities in zh"] += len(aligned - matched)
