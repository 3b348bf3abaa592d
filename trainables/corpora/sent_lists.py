"""The JSON lists that Ma et al. (2021) released with SENT, of NYT sentences and of noisy-TACRED: reader and writer.

A file is one list, of items such as::

    {"sentence": "In Wellington , New Zealand .", "relation": "None", "is_noise": false,
     "head": {"word": "Wellington", "type": "CITY", "pos": [1, 1]},
     "tail": {"word": "New Zealand", "type": "COUNTRY", "pos": [3, 4]},
     "stanford_ner": ["O", "CITY", "O", "COUNTRY", "COUNTRY", "O"]}

1. Tokens stand between single blanks; ``stanford_ner`` has a tag for each. ``pos`` is the first and the last token.
2. An entity is where its words first occur (Code), or where ``pos`` says. An item with an entity that does not occur is
   dropped and counted; too many of them are an error. Where both entities have the same words, as in some released
   items, both are in one place; these are kept and counted.
3. ``None`` and ``no_relation`` are NA.
4. ``D_relation``, where an item has it, is the noisy label (noisy-TACRED), and ``relation`` the true one.
5. ``is_noise``, where an item has it, says whether the label is wrong, but not what would be right: a wrong label other
   than NA has NA for the truth. Marks on NA items are cleared and counted, since the released code clears them.
6. A document is a pair of names, so that the sentences of a pair stay together.

``rel2id.json``, where it is there, lists all relations with their numbers; no others are then allowed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from relab.corpus import Corpus, digest
from relab.errors import DataError

from trainables.corpora.json_values import json_file, json_list, mapping, span, value, words
from trainables.corpora.labelled import LabelledOptions, check_relation, check_span, collect, finish
from trainables.corpora.problems import read_bytes
from trainables.corpora.sentences import NO_RELATION, LabelledSentence, Span

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

RELATIONS = "relations"
"""The role of ``rel2id.json``; every other role is a split."""
NONE = {"None", "no_relation"}
NOT_FOUND = "items dropped: an entity is not in the sentence"


class SentListOptions(LabelledOptions):
    """How the lists are read."""

    position: Literal["searched", "given"] = "searched"
    """Where an entity is: at the first occurrence of its words, as in the released code for NYT, or where ``pos`` says,
    as in that for TACRED. In the NYT files released there is no difference."""
    not_found_limit: float = Field(0.05, ge=0, le=1)
    """If more than this share of all items is dropped because an entity is not found, reading fails."""


def read_sent_lists(name: str, files: Mapping[str, Path], options: SentListOptions) -> Corpus[LabelledSentence]:
    """Read a corpus with one list per split, and perhaps the list of its relations.

    Raises:
        DataError: ``file: item number: reason`` for the malformed items of the first file that has any; or more items
            with an entity that is not found than ``options.not_found_limit``.
    """
    parts = ["sent_lists", str(VERSION), options.model_dump_json()]
    known: tuple[str, ...] | None = None
    if RELATIONS in files:
        data = read_bytes(files[RELATIONS])
        parts += [RELATIONS, digest(data)]
        known = parse_relation_ids(data, files[RELATIONS])
    counts: Counter[str] = Counter()
    splits = {}
    for split, path in files.items():
        if split != RELATIONS:
            data = read_bytes(path)
            parts += [split, digest(data)]
            splits[split] = parse_sent_list(data, path, options, counts, known)
    return finish(name, splits, digest(*parts), counts, options)


def parse_sent_list(
    data: bytes, path: Path, options: SentListOptions, counts: Counter[str], known: Sequence[str] | None = None
) -> list[LabelledSentence]:
    """The sentences in the bytes of one file; ``counts`` is added to, ``path`` is only for messages.

    Raises:
        DataError: as ``read_sent_lists``.
    """
    items = json_list(data, path, "items")
    dropped = counts[NOT_FOUND]
    numbered = enumerate(items, start=1)
    found = collect(
        path, numbered, lambda item: _sentence(item, options, counts, known), options, counts, "item", same_span=True
    )
    dropped = counts[NOT_FOUND] - dropped
    if not counts[NOT_FOUND]:
        del counts[NOT_FOUND]
    if dropped > options.not_found_limit * len(items):
        raise DataError(
            f"{path}: in {dropped:,} of {len(items):,} items an entity is not in the sentence. That is more than the "
            f"{options.not_found_limit:.1%} that not_found_limit allows; are tokens apart from punctuation?"
        )
    return found


def parse_relation_ids(data: bytes, path: Path) -> tuple[str, ...]:
    """The names in ``rel2id.json`` in the order of their numbers; ``path`` is only for messages.

    Raises:
        DataError: no object of names with the numbers 0, 1, …, NA being 0.
    """
    numbers = json_file(data, path)
    if not isinstance(numbers, dict) or not all(type(number) is int for number in numbers.values()):
        raise DataError(f"{path}: not an object with a number for each relation")
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise DataError(f"{path}: the numbers of {len(numbers)} relations are not 0 to {len(numbers) - 1}")
    names = tuple(_na(name) for name in sorted(numbers, key=numbers.__getitem__))
    if names[:1] != (NO_RELATION,):
        raise DataError(f"{path}: the number 0 does not belong to {NO_RELATION!r}")
    if not all(names) or len(set(names)) < len(names):
        raise DataError(f"{path}: a relation without a name, or two with one name")
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: a relation's name cannot be stored: {error}") from error
    return names


def write_sent_list(items: Iterable[LabelledSentence], path: Path) -> None:
    """Write items in the form above; where they have a ``clean`` relation, in that of noisy-TACRED."""
    listed = []
    for item in items:
        tags = item.tags or ("O",) * len(item.tokens)
        made: dict[str, Any] = {
            which: {
                "type": tags[begin],
                "word": " ".join(item.tokens[begin:end]),
                "pos": [begin, end - 1],
            }
            for which, (begin, end) in (("head", item.head), ("tail", item.tail))
        }
        made |= {"sentence": " ".join(item.tokens), "relation": item.clean or item.relation, "stanford_ner": list(tags)}
        listed.append(made | ({"D_relation": item.relation} if item.clean else {}))
    path.write_text(json.dumps(listed, ensure_ascii=False), encoding="utf-8", newline="\n")


def _sentence(
    item: object, options: SentListOptions, counts: Counter[str], known: Sequence[str] | None
) -> LabelledSentence | None:
    """One item; None if an entity of it is not found, ValueError if it is malformed."""
    values = mapping(item)
    text = value(values, "sentence", str)
    if not text:
        raise ValueError("an empty sentence")
    tokens = tuple(text.split(" "))
    names, spans = [], []
    for which in ("head", "tail"):
        entity = value(values, which, dict)
        try:
            name = value(entity, "word", str)
            place = _given(entity, name, tokens) if options.position == "given" else _searched(name, tokens)
        except ValueError as error:
            raise ValueError(f"{which}: {error}") from error
        names.append(name)
        spans.append(place)
    relation, clean = _labels(values, counts)
    if known is not None:
        check_relation(relation, known)
        check_relation(clean or relation, known)
    head, tail = spans
    if head is None or tail is None:
        counts[NOT_FOUND] += 1
        return None
    return LabelledSentence("\t".join(names), tokens, head, tail, relation, words(values, "stanford_ner"), clean)


def _labels(values: Mapping[str, Any], counts: Counter[str]) -> tuple[str, str | None]:
    """The label that is trained on, and the true one as far as the item tells."""
    relation = _na(value(values, "relation", str))
    if "D_relation" in values:
        return _na(value(values, "D_relation", str)), relation
    if "is_noise" not in values:
        return relation, None
    noise = value(values, "is_noise", bool)
    if noise and relation == NO_RELATION:
        counts["noise marks cleared: the label is NA"] += 1
    return relation, NO_RELATION if noise else relation


def _na(relation: str) -> str:
    return NO_RELATION if relation in NONE else relation


def _searched(name: str, tokens: Sequence[str]) -> Span | None:
    """The first occurrence of the words of an entity."""
    parts = tuple(name.split())
    if not parts:
        raise ValueError("no words")
    places = range(len(tokens) - len(parts) + 1)
    begin = next((place for place in places if tokens[place : place + len(parts)] == parts), None)
    return None if begin is None else (begin, begin + len(parts))


def _given(entity: Mapping[str, Any], name: str, tokens: Sequence[str]) -> Span:
    """The span that ``pos`` gives; its words are those of the entity."""
    first, last = span(entity, "pos")
    check_span("pos", (first, last + 1), len(tokens))
    there = " ".join(tokens[first : last + 1])
    if there != name:
        raise ValueError(f"at [{first}, {last}] stands {there[:40]!r}, not {name[:40]!r}")
    return first, last + 1
