"""The stand-in for NYT-10's training split, scored on ARNOR's sentences labelled by hand (Jia et al. 2019): reader.

Train is that of ``nyt10_standin`` (see ``nyt_standin``), dev and test are ARNOR's in the release of Ma et al. (see
``sent_lists``). To make the sentences of both alike:

1. Names that are one token in train, joined by underscores, are cut into words again. All tokens are put into lower
   case, as those of train are in their files.
2. Most sentences of dev and test stand between two quotes ``"``, which no sentence of train has: they are taken off.
   Dev and test are also cut at hyphens (``six - acre``), and train is not: that is left as it is.
3. No entity type is known in train, so that none is given in dev and test.
4. A pair of train with several relations in one sentence keeps one of them, by a hash (Ma et al. draw one for all
   sentences of the pair).
5. A sentence of train that stands in dev or test is dropped and counted. Two are the same if their letters and digits
   are, whatever their case, accents, blanks and punctuation.
6. The relations are those of ``rel2id.json``; train's are among them.

A document is a pair of names. The share of NA is far lower than in NYT-10: see docs/corpora.md.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from relab.corpus import Corpus, digest

from trainables.corpora.labelled import LabelledOptions, finish
from trainables.corpora.mentions import Mention, Symbols
from trainables.corpora.nyt import Rows, check_found, parse_lines
from trainables.corpora.nyt_standin import NytStandInOptions, parse_triples, without_accents
from trainables.corpora.problems import read_bytes
from trainables.corpora.sent_lists import SentListOptions, parse_relation_ids, parse_sent_list
from trainables.corpora.sentences import LabelledSentence, Span

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

TRIPLES = ("joint_val_triples", "joint_test_triples")
QUOTE = '"'
NO_LETTERS = re.compile(r"[\W_]+")


class NytArnorOptions(LabelledOptions):
    """How the files are read."""

    lower: bool = True
    """Off, dev and test keep their case; train has none."""
    several: Literal["one", "keep"] = "one"
    """``keep``: an item for each relation of a pair in a sentence."""


def read_nyt_arnor(name: str, files: Mapping[str, Path], options: NytArnorOptions) -> Corpus[LabelledSentence]:
    """Read the six files.

    Raises:
        DataError: as ``read_nyt_standin`` and ``read_sent_lists``.
    """
    data = {role: read_bytes(path) for role, path in files.items()}
    parts = [part for role in data for part in (role, digest(data[role]))]
    counts: Counter[str] = Counter()
    known = parse_relation_ids(data["relations"], files["relations"])
    lists = SentListOptions(malformed=options.malformed)
    splits = {
        split: [
            _alike(item, options.lower) for item in parse_sent_list(data[split], files[split], lists, counts, known)
        ]
        for split in ("dev", "test")
    }
    standin = NytStandInOptions(malformed=options.malformed)
    rows = Rows(Symbols(), standin, counts, known)
    parse_lines(data["train"], files["train"], rows)
    for role in TRIPLES:
        parse_triples(data[role], files[role], rows)
    check_found(name, counts, standin)
    evaluated = [item for items in splits.values() for item in items]
    train = _not_in(map(_cut, rows.mentions(files["train"])), evaluated, counts)
    splits["train"] = list(train) if options.several == "keep" else _one_each(train, counts)
    return finish(name, splits, digest("nyt_arnor", str(VERSION), options.model_dump_json(), *parts), counts, options)


def _alike(item: LabelledSentence, lower: bool) -> LabelledSentence:
    """An item of dev or test as train has them."""
    tokens, document = item.tokens, item.document
    if lower:
        tokens, document = tuple(map(str.lower, tokens)), document.lower()
    (a, b), (c, d) = item.head, item.tail
    if tokens[0] == tokens[-1] == QUOTE and min(a, c) > 0 and max(b, d) < len(tokens):
        tokens, (a, b), (c, d) = tokens[1:-1], (a - 1, b - 1), (c - 1, d - 1)
    return replace(item, document=document, tokens=tokens, head=(a, b), tail=(c, d), tags=())


def _cut(mention: Mention) -> LabelledSentence:
    """A mention with the words of its two names apart."""
    joined = {mention.tokens[begin] for begin, _ in (mention.head_span, mention.tail_span)}
    tokens: list[str] = []
    spans: list[Span] = []
    for token in mention.tokens:
        words = [word for word in token.split("_") if word] if token in joined else []
        spans.append((len(tokens), len(tokens) + (len(words) or 1)))
        tokens += words or [token]
    names = (name.replace("_", " ") for name in (mention.head, mention.tail))
    head, tail = spans[mention.head_span[0]], spans[mention.tail_span[0]]
    return LabelledSentence("\t".join(names), tuple(tokens), head, tail, mention.relation)


def _not_in(
    train: Iterable[LabelledSentence], others: Iterable[LabelledSentence], counts: Counter[str]
) -> Iterator[LabelledSentence]:
    """The items of train whose sentence is none of the others'."""
    seen = {_letters(item.tokens) for item in others}
    for item in train:
        if _letters(item.tokens) in seen:
            counts["items dropped: the sentence is in dev or test"] += 1
        else:
            yield item


def _letters(tokens: Iterable[str]) -> str:
    return NO_LETTERS.sub("", without_accents("".join(tokens)).lower())


def _one_each(train: Iterable[LabelledSentence], counts: Counter[str]) -> list[LabelledSentence]:
    """One of the items that differ in nothing but their relation."""
    groups: dict[tuple[str, tuple[str, ...], Span, Span], list[LabelledSentence]] = {}
    for item in train:
        groups.setdefault((item.document, item.tokens, item.head, item.tail), []).append(item)
    chosen = []
    for (document, tokens, _, _), items in groups.items():
        if len(items) > 1:
            counts["items dropped: another relation of the pair was chosen"] += len(items) - 1
            place = digest("nyt_arnor label", document, " ".join(tokens))
            items.sort(key=lambda item: digest(place, item.relation))
        chosen.append(items[0])
    return chosen
