"""SemEval-2010 task 8 (Hendrickx et al. 2010) as its organisers released it: reader.

Items are of three lines, with blank lines between them; lines end in CR LF or in LF::

    8001<tab>"The most common <e1>audits</e1> were about <e2>waste</e2> and recycling."
    Message-Topic(e1,e2)
    Comment: Assuming an audit = an audit document.

1. The marks are cut out, and end a token wherever they stand. The quotes around the sentence are taken off.
2. Tokens are runs of letters, digits and underscores, and single other signs: ``X-ray's`` is five.
3. e1 is the head and e2 the tail. The label keeps its direction; ``Other`` is NA, so that there are 18 relations.
4. Every item is a document of its own. There is no dev file: see ``dev_share``.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from relab.corpus import Corpus

from trainables.corpora.labelled import LabelledOptions, check_relation, collect, read_splits
from trainables.corpora.problems import decode, text_lines
from trainables.corpora.sentences import NO_RELATION, LabelledSentence, Span

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

NAMES = (
    *("Cause-Effect", "Component-Whole", "Content-Container", "Entity-Destination", "Entity-Origin"),
    *("Instrument-Agency", "Member-Collection", "Message-Topic", "Product-Producer"),
)
OTHER = "Other"
LABELS = (OTHER, *(f"{name}({ends})" for name in NAMES for ends in ("e1,e2", "e2,e1")))
COMMENT = "Comment:"
TOKEN = re.compile(r"\w+|[^\w\s]")
MARK = re.compile(r"<(/?)e([12])>")


def read_semeval(name: str, files: Mapping[str, Path], options: LabelledOptions) -> Corpus[LabelledSentence]:
    """Read a corpus with one file per split.

    Raises:
        DataError: ``file:line: reason`` for the malformed items of the first file that has any; the line is an item's
            first.
    """
    return read_splits("semeval", VERSION, name, files, options, parse_semeval)


def parse_semeval(data: bytes, path: Path, options: LabelledOptions, counts: Counter[str]) -> list[LabelledSentence]:
    """The sentences in the bytes of one file; ``counts`` is added to, ``path`` is only for messages.

    Raises:
        DataError: as ``read_semeval``.
    """
    seen: set[str] = set()
    return collect(path, _blocks(data), lambda block: _sentence(block, seen), options, counts)


def _blocks(data: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """The lines between blank ones, with the number of the first of them."""
    block: list[bytes] = []
    number = 0
    for number, line in enumerate(text_lines(data), start=1):
        text = line.removesuffix(b"\r")
        if text.strip():
            block.append(text)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number + 1 - len(block), block


def _sentence(block: Sequence[bytes], seen: set[str]) -> LabelledSentence:
    """One item; ValueError says what is wrong with it. ``seen`` are the numbers before it, and is added to."""
    lines = []
    for line in block:
        text, broken = decode(line)
        if broken:
            raise ValueError(broken)
        lines.append(text)
    if len(lines) != 3:
        raise ValueError(f"{len(lines)} lines between blank ones, not sentence, label and comment")
    number, tab, quoted = lines[0].partition("\t")
    if not tab or not number.isascii() or not number.isdecimal():
        raise ValueError(f"{lines[0][:40]!r} does not begin with a number and a tab")
    if len(quoted) < 2 or quoted[0] != '"' or quoted[-1] != '"':
        raise ValueError("the sentence is not in quotes")
    label = lines[1].strip()
    check_relation(label, LABELS)
    if not lines[2].startswith(COMMENT):
        raise ValueError(f"{lines[2][:40]!r} does not begin with {COMMENT!r}")
    if number in seen:
        raise ValueError(f"the number {number} for the second time")
    tokens, head, tail = _tokens(quoted[1:-1])
    seen.add(number)
    return LabelledSentence(number, tokens, head, tail, NO_RELATION if label == OTHER else label)


def _tokens(marked: str) -> tuple[tuple[str, ...], Span, Span]:
    """The tokens of a sentence with marks, and the spans of e1 and e2."""
    marks = list(MARK.finditer(marked))
    order = [(mark[1], mark[2]) for mark in marks]
    names = [name for _, name in order]
    if sorted(names) != ["1", "1", "2", "2"] or names[0] != names[1] or [close for close, _ in order] != ["", "/"] * 2:
        raise ValueError("not one e1 and one e2, each opened and then closed, one after the other")
    tokens: list[str] = []
    bounds, before = [], 0
    for mark in marks:
        tokens += TOKEN.findall(marked[before : mark.start()])
        bounds.append(len(tokens))
        before = mark.end()
    tokens += TOKEN.findall(marked[before:])
    spans = {names[0]: (bounds[0], bounds[1]), names[2]: (bounds[2], bounds[3])}
    return tuple(tokens), spans["1"], spans["2"]
