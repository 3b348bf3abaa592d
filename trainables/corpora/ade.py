"""The ADE corpus of drugs and their adverse effects (Gurulingappa et al. 2012): reader of ``DRUG-AE.rel``.

One row per related pair, eight columns with ``|`` between them::

    10030778|Intravenous azithromycin-induced ototoxicity.|ototoxicity|43|54|azithromycin|22|34

PubMed id, sentence, adverse effect with its begin and end, drug with its begin and end. The offsets count characters of
the abstract, not of the sentence, and where the sentence begins is not written down. What the reader makes of it:

1. Rows of one abstract with the same sentence are one sentence.
2. Where the sentence begins is put to the vote: every place at which a mention's text occurs is a vote for the
   beginning that its offset implies, and the beginning with most votes says which occurrence is meant (of two that the
   offsets cannot tell apart, the first). A mention that does not fit it is taken from the nearest occurrence, and
   counted; a row whose text occurs nowhere is dropped and counted, or an error.
3. Tokens are runs of letters, digits and underscores, and single other signs: ``azithromycin-induced`` is three. A
   mention that begins or ends inside a token is widened to whole tokens, and counted.
4. BIO tags cannot say that a mention lies inside another (``lithium`` in ``lithium intoxication``). Of overlapping
   mentions the longest stays, or the shortest if so wished; ties go to the first in the sentence, then in the file. A
   row that loses a mention is dropped and counted, its other mention stays; a sentence without a row left is dropped
   and counted.
5. The drug's last token carries the relation ``Adverse-Effect`` to the effect's last token.

The corpus has no split of its own: a hash of the PubMed id puts a tenth of the abstracts into dev and a tenth into
test, and ``Corpus.fold`` cuts the ten folds that papers report.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relab.corpus import Corpus, digest
from relab.errors import DataError
from relab.method import Config

from trainables.corpora.problems import Problems, decode, read_bytes, text_lines
from trainables.corpora.tagged import TaggedSentence

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

EFFECT, DRUG = "Adverse-Effect", "Drug"
RELATION = "Adverse-Effect"
COLUMNS = 8
TOKEN = re.compile(r"\w+|[^\w\s]")
NUMBER = re.compile(r"[0-9]{1,9}")

Span = tuple[int, int]


class AdeOptions(Config):
    """How ``DRUG-AE.rel`` is read."""

    malformed: Literal["fail", "drop"] = "fail"
    """``drop`` leaves out malformed rows, and counts them."""
    not_found: Literal["drop", "fail"] = "drop"
    """What to do with a row whose drug or effect does not occur in its sentence."""
    overlaps: Literal["longest", "shortest"] = "longest"
    """Which of two overlapping mentions stays."""


@dataclass(frozen=True)
class Mention:
    """The text of a drug or an effect, and where the abstract has it."""

    kind: str
    text: str
    begin: int


@dataclass(frozen=True)
class Row:
    """One line of the file."""

    line: int
    document: str
    sentence: str
    effect: Mention
    drug: Mention


def read_ade(name: str, files: Mapping[str, Path], options: AdeOptions) -> Corpus[TaggedSentence]:
    """Read ``files["relations"]``.

    Raises:
        DataError: ``file:line: reason`` for the first malformed rows.
    """
    path = files["relations"]
    data = read_bytes(path)
    counts: Counter[str] = Counter()
    splits: dict[str, list[TaggedSentence]] = {"train": [], "dev": [], "test": []}
    for sentence in parse(data, path, options, counts):
        splits[_split(sentence.document)].append(sentence)
    return Corpus(name, splits, digest("ade", str(VERSION), options.model_dump_json(), data), dict(counts))


def parse(data: bytes, path: Path, options: AdeOptions, counts: Counter[str]) -> list[TaggedSentence]:
    """The sentences in the bytes of the file; ``counts`` is added to, ``path`` is only for messages.

    Raises:
        DataError: ``file:line: reason``, one line for each of the first malformed rows.
    """
    problems = Problems(path)
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for number, raw in enumerate(text_lines(data), start=1):
        counts["rows"] += 1
        text, broken = decode(raw)
        try:
            row = _row(number, text, broken)
        except ValueError as error:
            if options.malformed == "fail":
                problems.add(number, str(error))
            else:
                counts["rows dropped: malformed"] += 1
            continue
        groups[row.document, row.sentence].append(row)
    sentences = [_sentence(rows, options, problems, counts) for rows in groups.values()]
    problems.fail()
    kept = [sentence for sentence in sentences if sentence is not None]
    if not kept:
        raise DataError(f"{path}:1: no sentence is left of {counts['rows']:,} rows")
    return kept


def _row(number: int, text: str, broken: str | None) -> Row:
    """One row; ValueError says what is wrong with it."""
    if broken:
        raise ValueError(broken)
    if not text.strip():
        raise ValueError("a blank line")
    columns = text.split("|")
    if len(columns) != COLUMNS:
        raise ValueError(f"{len(columns)} columns between '|', not {COLUMNS}")
    document, sentence = columns[0].strip(), columns[1]
    if not NUMBER.fullmatch(document):
        raise ValueError(f"the PubMed id {document[:40]!r} is not a number")
    if not sentence.strip():
        raise ValueError("an empty sentence")
    return Row(number, document, sentence, _mention(EFFECT, *columns[2:5]), _mention(DRUG, *columns[5:8]))


def _mention(kind: str, text: str, begin: str, end: str) -> Mention:
    for which, value in (("begin", begin), ("end", end)):
        if not NUMBER.fullmatch(value.strip()):
            raise ValueError(f"the {which} of the {kind}, {value[:40]!r}, is not a number")
    if not TOKEN.search(text):
        raise ValueError(f"the {kind} is empty")
    if int(end) <= int(begin):
        raise ValueError(f"the {kind} ends at {int(end)}, not after its begin {int(begin)}")
    return Mention(kind, text.strip(), int(begin))


def _sentence(rows: list[Row], options: AdeOptions, problems: Problems, counts: Counter[str]) -> TaggedSentence | None:
    """The rows of one sentence as tags and relations, or None if none of them is left."""
    text = rows[0].sentence
    spans = _locate(text, [mention for row in rows for mention in (row.effect, row.drug)], counts)
    found = []
    for row in rows:
        missing = [mention for mention in (row.effect, row.drug) if mention not in spans]
        if not missing:
            found.append(row)
        elif options.not_found == "drop":
            counts["rows dropped: text not in the sentence"] += 1
        else:
            problems.add(row.line, f"the {missing[0].kind} {missing[0].text[:40]!r} is not in the sentence")
    tokens = [match.span() for match in TOKEN.finditer(text)]
    places = {mention: _tokens_of(spans[mention], tokens) for row in found for mention in (row.effect, row.drug)}
    wanted = dict.fromkeys((mention.kind, place) for mention, place in places.items())
    tagged = _without_overlaps(wanted, options.overlaps)
    relations: dict[tuple[int, str, int], None] = {}
    for row in found:
        drug, effect = places[row.drug], places[row.effect]
        triple = (drug[1], RELATION, effect[1])
        if (DRUG, drug) not in tagged or (EFFECT, effect) not in tagged:
            counts["rows dropped: overlapping mentions"] += 1
        elif triple in relations:
            counts["rows merged: the same pair again"] += 1
        else:
            relations[triple] = None
    if not relations:
        counts["sentences dropped: no row left"] += 1
        return None
    widened = sum(
        (tokens[first][0], tokens[last][1]) != spans[mention]
        for mention, (first, last) in places.items()
        if (mention.kind, (first, last)) in tagged
    )
    counts.update({"tokens": len(tokens), "entities": len(tagged), "relations": len(relations)})
    if widened:
        counts["mentions widened to whole tokens"] += widened
    words = tuple(text[begin:end] for begin, end in tokens)
    return TaggedSentence(rows[0].document, words, _tags(tagged, len(tokens)), tuple(relations))


def _locate(text: str, mentions: Iterable[Mention], counts: Counter[str]) -> dict[Mention, Span]:
    """The span of every mention that occurs in ``text``: see the vote, point 2 of the module's description."""
    occurrences = {mention: _occurrences(text, mention.text) for mention in mentions}
    votes = Counter(mention.begin - begin for mention, spans in occurrences.items() for begin, _ in spans)
    if not votes:
        return {}
    start = max(votes, key=lambda candidate: (votes[candidate], candidate))
    found = {}
    for mention, spans in occurrences.items():
        if spans:
            found[mention] = min(spans, key=lambda span: (abs(mention.begin - start - span[0]), span))
            if found[mention][0] != mention.begin - start:
                counts["mentions away from their offsets"] += 1
    return found


def _occurrences(text: str, mention: str) -> list[Span]:
    """Where ``mention`` stands in ``text``, however its blanks are written; if nowhere, in whatever case."""
    pattern = r"\s+".join(map(re.escape, mention.split()))
    for flags in (re.NOFLAG, re.IGNORECASE):
        found = [match.span(1) for match in re.finditer(f"(?=({pattern}))", text, flags)]
        if found:
            return found
    return []


def _tokens_of(span: Span, tokens: list[Span]) -> Span:
    """The first and the last token that share a character with ``span``."""
    touched = [i for i, (begin, end) in enumerate(tokens) if begin < span[1] and span[0] < end]
    return touched[0], touched[-1]


def _without_overlaps(wanted: Iterable[tuple[str, Span]], rule: str) -> set[tuple[str, Span]]:
    """Mentions of which no two share a token, chosen greedily; ``wanted`` is in the file's order."""
    sign = -1 if rule == "longest" else 1
    kept: set[tuple[str, Span]] = set()
    for kind, (first, last) in sorted(wanted, key=lambda item: (sign * (item[1][1] - item[1][0]), item[1][0])):
        if all(last < a or b < first for _, (a, b) in kept):
            kept.add((kind, (first, last)))
    return kept


def _tags(mentions: Iterable[tuple[str, Span]], length: int) -> tuple[str, ...]:
    tags = ["O"] * length
    for kind, (first, last) in mentions:
        tags[first : last + 1] = [f"B-{kind}"] + [f"I-{kind}"] * (last - first)
    return tuple(tags)


def _split(document: str) -> str:
    """A tenth of the abstracts each for dev and test, by a hash of their id."""
    return {0: "test", 1: "dev"}.get(int(digest("ade split", document), 16) % 10, "train")
