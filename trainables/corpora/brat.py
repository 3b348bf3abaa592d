"""The brat form, ``x.txt`` and ``x.ann`` per document, as Chinese-Literature (Xu et al. 2017) has it: reader.

``x.txt`` is the text. ``x.ann`` has one annotation a line; offsets [begin, end) are characters of the text from 0::

    T1<tab>Person-Nominal 4 7<tab>老年人
    T2<tab>Person-Nominal 441 443;444 447<tab>我的 玩伴儿
    R1<tab>Social Arg1:T1 Arg2:T2
    *<tab>Coreference T1 T2

What the reader makes of it:

1. Characters are the tokens, white space apart. Events, attributes, normalisations, notes and equivalences (``E``,
   ``A`` and ``M``, ``N``, ``#``, ``*``) are counted and not used. Relations whose name is in ``left_out`` are not read
   either, and counted: Chinese-Literature defines nine, and has two ``Coreference`` besides.
2. A span in several pieces goes from the first to the last. Nearly all of them are one span with a line break in it;
   where anything else lies between them it is counted.
3. An annotation repeats its text, line breaks included: the lines after it that are no annotation belong to it. Lines
   that do not continue a text of the document are dropped and counted, or an error (``not_found``).
4. The text at the offsets has to be the one repeated. Signs may differ (``・`` and ``、``). In eight documents of
   Chinese-Literature one or two characters are lost, and all offsets after them too large: a span may stand up to
   ``shift`` characters away, and is counted. One that is not there either is dropped with its relations and counted, or
   an error.
5. Sentences end after 。！？!? and the closing quotes and brackets that follow, and at the end of a line. A line of
   ``wrap`` characters or more goes on in the next one: the text of Chinese-Literature is wrapped at 60. What this does
   to entities and relations: ``annotated_text.py``.
6. Documents in folders ``Training``, ``Validation`` and ``Testing``, or ``train``, ``dev`` and ``test``, are in these
   splits; where there are no such folders a hash of their names deals them out.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from relab.corpus import Corpus, digest
from relab.method import Config

from trainables.corpora.annotated_text import AnnotatedText, Lost, Relation, characters, lost_in, sentences
from trainables.corpora.document_files import SPLITS, document_files, files_digest, splits_of
from trainables.corpora.problems import Problems, decode
from trainables.corpora.sentences import AnnotatedSentence, Entity, Span

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

TEXT, ANNOTATIONS = ".txt", ".ann"
STOPS, CLOSING = "。！？!?", "”’」』）)》】"
END = re.compile(rf"[{STOPS}](?:\n?[{STOPS}{re.escape(CLOSING)}])*")
RECORD = re.compile(r"(?:([TREAMN#])[0-9]{1,9}|\*)\t")
ENTITY = re.compile(r"(T[0-9]+)\t(\S+) ([0-9]{1,9} [0-9]{1,9}(?:;[0-9]{1,9} [0-9]{1,9})*)\t(.*)", re.DOTALL)
RELATION = re.compile(r"R[0-9]+\t(\S+) Arg1:(\S+) Arg2:(\S+)\t?")
UNUSED = {"E": "events", "A": "attributes", "M": "attributes", "N": "normalisations", "#": "notes", "*": "equivalences"}


class BratOptions(Config):
    """How the documents are read; the defaults are for Chinese-Literature."""

    lost: Lost = "drop"
    """A relation over a sentence end: counted for its split and lost, or an error."""
    wrap: Annotated[int, Field(ge=0)] = 60
    """Lines of as many characters go on in the next; 0: no line does."""
    shift: Annotated[int, Field(ge=0, le=9)] = 2
    """Characters that the text of an annotation may stand away from its offsets."""
    not_found: Literal["drop", "fail"] = "drop"
    """An annotation whose text is not at its offsets, nor near them, and lines that belong to no annotation."""
    left_out: tuple[str, ...] = ("Coreference",)
    """Names of relations that are not read."""


def read_brat(name: str, files: Mapping[str, Path], options: BratOptions) -> Corpus[AnnotatedSentence]:
    """Read ``files["documents"]``: a folder of documents, or a tar archive of one, compressed or not.

    ``Corpus.counts`` has for each split how many relations cross a sentence end.

    Raises:
        DataError: ``file:line: reason`` for the malformed lines of the first document that has any.
    """
    root = files["documents"]
    documents = document_files(root, (TEXT, ANNOTATIONS))
    split_of = splits_of(root, documents)
    counts = Counter({"documents": len(documents)})
    splits: dict[str, list[AnnotatedSentence]] = {split: [] for split in SPLITS}
    for document, contents in documents.items():
        text = parse(document, root / document, contents[TEXT], contents[ANNOTATIONS], options, counts)
        split = split_of[document]
        ends = sentence_ends(text.text, options.wrap)
        splits[split] += sentences(text, characters(text.text), ends, split, options.lost, counts)
    shown = {lost_in(split): counts[lost_in(split)] for split in SPLITS} | {what: n for what, n in counts.items() if n}
    fingerprint = digest("brat", str(VERSION), options.model_dump_json(), files_digest(documents))
    return Corpus(name, splits, fingerprint, shown)


def sentence_ends(text: str, wrap: int) -> list[int]:
    """The characters before which a sentence ends: point 5 of the module's description."""
    ends = [match.end() for match in END.finditer(text)]
    begin = 0
    for line in text.split("\n"):
        if not wrap or len(line) < wrap:
            ends.append(begin + len(line))
        begin += len(line) + 1
    return ends


def parse(
    name: str, path: Path, text: bytes, annotations: bytes, options: BratOptions, counts: Counter[str]
) -> AnnotatedText:
    """One document; ``counts`` is added to, ``path`` (without a suffix) is only for messages.

    Raises:
        DataError: ``file:line: reason``, one line for each of the first malformed lines.
    """
    whole = _decoded(text, path.with_name(f"{path.name}{TEXT}"))
    place = path.with_name(f"{path.name}{ANNOTATIONS}")
    problems = Problems(place)
    entities: dict[str, Entity | None] = {}
    claims: list[tuple[int, re.Match[str]]] = []
    for record in _records(_decoded(annotations, place), problems):
        try:
            if record.kind == "T":
                _add_entity(record, whole, entities, options, counts)
            elif record.kind == "R":
                match = RELATION.fullmatch(record.text)
                if not match:
                    raise ValueError("not '<id><tab><name> Arg1:<id> Arg2:<id>'")
                claims.append((record.line, match))
            else:
                counts[f"{UNUSED[record.kind]} not used"] += 1
        except ValueError as error:
            problems.add(record.line, str(error))
    number = {key: at for at, key in enumerate(key for key, entity in entities.items() if entity)}
    relations = []
    for line, match in claims:
        relation, *ends = match.groups()
        unknown = [end for end in ends if end not in entities]
        if unknown:
            problems.add(line, f"{relation[:40]!r} has the end {unknown[0][:40]!r}, which is no entity of the document")
        elif relation in options.left_out:
            counts[f"relations left out: {relation}"] += 1
        elif not all(end in number for end in ends):
            counts["relations dropped: without their entity"] += 1
        else:
            relations.append(Relation(number[ends[0]], relation, number[ends[1]], line))
    problems.fail()
    kept = tuple(entity for entity in entities.values() if entity)
    return AnnotatedText(name, place, whole, kept, tuple(relations))


def _decoded(data: bytes, path: Path) -> str:
    """The text of a file, whose lines end in LF alone."""
    problems = Problems(path)
    lines = []
    for number, raw in enumerate(data.split(b"\n"), start=1):
        line, broken = decode(raw)
        if broken:
            problems.add(number, broken)
        lines.append(line)
    problems.fail()
    return "\n".join(lines)


@dataclass
class _Record:
    """An annotation, with the line it begins in."""

    line: int
    kind: str
    text: str


def _records(text: str, problems: Problems) -> Iterator[_Record]:
    """The annotations of a document; a line that is none goes on with the entity before it."""
    record: _Record | None = None
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        match = RECORD.match(line)
        if match:
            if record:
                yield record
            record = _Record(number, match[1] or "*", line)
        elif record and record.kind == "T":
            record.text += f"\n{line}"
        else:
            problems.add(number, f"no annotation, and none before it that goes on: {line[:40]!r}")
    if record:
        yield record


def _add_entity(
    record: _Record, text: str, entities: dict[str, Entity | None], options: BratOptions, counts: Counter[str]
) -> None:
    """Put the entity of a record under its id: None if it is nowhere. ValueError says what is malformed."""
    match = ENTITY.fullmatch(record.text)
    if not match:
        raise ValueError("not '<id><tab><type> <begin> <end><tab><text>'")
    key, kind, offsets, claimed = match.groups()
    if key in entities:
        raise ValueError(f"the id {key} for the second time")
    pieces = [(int(begin), int(end)) for begin, end in (piece.split(" ") for piece in offsets.split(";"))]
    for begin, end in pieces:
        if not begin < end <= len(text):
            raise ValueError(f"{key}: [{begin}, {end}) is no span of the text, which has {len(text)} characters")
    if any(begin < end for (_, end), (begin, _) in pairwise(pieces)):
        raise ValueError(f"{key}: its pieces {offsets!r} are not in order")
    away = _away(text, pieces, claimed, options.shift)
    if away is None and "\n" in claimed and claimed not in text:
        if options.not_found == "fail":
            raise ValueError(f"{key}: this line and those after it, which are no annotations, are not in the text")
        claimed, _, stray = claimed.partition("\n")
        counts["lines dropped: no annotation, nor the rest of one"] += 1 + stray.count("\n")
        away = _away(text, pieces, claimed, options.shift)
    if away is None and options.not_found == "fail":
        there = " ".join(text[begin:end] for begin, end in pieces)
        raise ValueError(f"{key}: the text at its offsets is {there[:40]!r}, not {claimed[:40]!r}")
    entities[key] = None
    if away is None:
        counts["entities dropped: text not at its offsets"] += 1
        return
    counts["entities moved to their text"] += away != 0
    between = [text[end + away : begin + away] for (_, end), (begin, _) in pairwise(pieces)]
    counts["entities in pieces, joined"] += any(gap.strip() for gap in between)
    entities[key] = Entity(pieces[0][0] + away, pieces[-1][1] + away, kind)


def _away(text: str, pieces: Sequence[Span], claimed: str, shift: int) -> int | None:
    """How far from its offsets the text of an annotation stands, the nearest place first; None if it does not."""
    if " ".join(text[begin:end] for begin, end in pieces) == claimed:
        return 0
    wanted = _letters(claimed)
    for away in sorted(range(-shift, shift + 1), key=lambda distance: (abs(distance), distance)):
        if pieces[0][0] + away >= 0 and pieces[-1][1] + away <= len(text):
            if _letters(" ".join(text[begin + away : end + away] for begin, end in pieces)) == wanted:
                return away
    return None


def _letters(text: str) -> str:
    """``text`` with one sign for all signs that are no letters, digits or white space."""
    return "".join(c if c.isalnum() or c.isspace() else "_" for c in text)
