"""Labelled sentences in JSON lines, the plain form for a corpus of one's own: reader and writer.

One object a line::

    {"document": "d1", "tokens": ["Ann", "Lee", "was", "born", "in", "Rome"], "head": [0, 2], "tail": [5, 6],
     "relation": "born_in", "tags": ["PER", "PER", "O", "O", "O", "LOC"], "clean": "NA"}

(on one line). Spans are [begin, end). ``NA`` is the label of a pair without a relation. ``tags``, the entity type of
each token, and ``clean``, the true relation where ``relation`` may be wrong, can be left out. No other key is allowed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from relab.corpus import Corpus

from trainables.corpora.json_values import json_object, span, value, words
from trainables.corpora.labelled import LabelledOptions, collect, read_splits
from trainables.corpora.problems import text_lines
from trainables.corpora.sentences import LabelledSentence

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

REQUIRED = ("document", "tokens", "head", "tail", "relation")
OPTIONAL = ("tags", "clean")


def read_labelled_lines(name: str, files: Mapping[str, Path], options: LabelledOptions) -> Corpus[LabelledSentence]:
    """Read a corpus with one file per split.

    Raises:
        DataError: ``file:line: reason`` for the malformed lines of the first file that has any.
    """
    return read_splits("labelled_lines", VERSION, name, files, options, parse_labelled_lines)


def parse_labelled_lines(
    data: bytes, path: Path, options: LabelledOptions, counts: Counter[str]
) -> list[LabelledSentence]:
    """The sentences in the bytes of one file; ``counts`` is added to, ``path`` is only for messages.

    Raises:
        DataError: as ``read_labelled_lines``.
    """
    return collect(path, enumerate(text_lines(data), start=1), _sentence, options, counts)


def write_labelled_lines(items: Iterable[LabelledSentence], path: Path) -> None:
    """Write items in the form above."""
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for item in items:
            made = {
                "document": item.document,
                "tokens": item.tokens,
                "head": item.head,
                "tail": item.tail,
                "relation": item.relation,
            }
            made |= {"tags": item.tags} if item.tags else {}
            made |= {"clean": item.clean} if item.clean is not None else {}
            out.write(json.dumps(made, ensure_ascii=False) + "\n")


def _sentence(line: bytes) -> LabelledSentence:
    """One line; ValueError says what is wrong with it."""
    values = json_object(line)
    for key in values:
        if key not in (*REQUIRED, *OPTIONAL):
            raise ValueError(f"unknown key {key[:60]!r}")
    return LabelledSentence(
        value(values, "document", str),
        words(values, "tokens"),
        span(values, "head"),
        span(values, "tail"),
        value(values, "relation", str),
        words(values, "tags") if "tags" in values else (),
        value(values, "clean", str) if "clean" in values else None,
    )
