"""TACRED (Zhang et al. 2017; LDC2018T24) in the JSON form of its release: reader.

A file is one list, of items such as::

    {"id": "e7798fb926b9403cfcd2", "docid": "APW_ENG_20101103.0539", "relation": "per:title",
     "token": ["Ann", "Lee", ",", "a", "lawyer"], "stanford_ner": ["PERSON", "PERSON", "O", "O", "TITLE"],
     "subj_start": 0, "subj_end": 1, "obj_start": 4, "obj_end": 4, "subj_type": "PERSON", "obj_type": "TITLE", …}

Both ends of a span are inclusive. ``no_relation`` is NA. The subject is the head, the object the tail; the document is
``docid``, or ``id`` where that is missing. ``D_relation``, where an item has it, is the noisy label of noisy-TACRED (Ma
et al. 2021), and ``relation`` the true one; ``noise: 0.3`` makes the like of it from the clean release.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relab.corpus import Corpus

from trainables.corpora.json_values import json_list, mapping, value, words
from trainables.corpora.labelled import LabelledOptions, check_span, collect, read_splits
from trainables.corpora.sentences import NO_RELATION, LabelledSentence, Span

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

NONE = "no_relation"


class TacredOptions(LabelledOptions):
    """How the lists are read."""

    mask: bool = False
    """Put ``SUBJ-<type>`` and ``OBJ-<type>`` in the place of each token of the entities. Code does so for noisy-TACRED;
    off by default, since Ma et al. do not mention it."""


def read_tacred(name: str, files: Mapping[str, Path], options: TacredOptions) -> Corpus[LabelledSentence]:
    """Read a corpus with one list per split.

    Raises:
        DataError: ``file: item number: reason`` for the malformed items of the first file that has any.
        RequestError: noise for a corpus that has it already.
    """
    return read_splits("tacred", VERSION, name, files, options, parse_tacred)


def parse_tacred(data: bytes, path: Path, options: TacredOptions, counts: Counter[str]) -> list[LabelledSentence]:
    """The sentences in the bytes of one file; ``counts`` is added to, ``path`` is only for messages.

    Raises:
        DataError: as ``read_tacred``.
    """
    items = enumerate(json_list(data, path, "items"), start=1)
    return collect(path, items, lambda item: _sentence(item, options), options, counts, "item")


def _sentence(item: object, options: TacredOptions) -> LabelledSentence:
    """One item; ValueError says what is wrong with it."""
    values = mapping(item)
    tokens = list(words(values, "token"))
    head, tail = (_span(values, which, len(tokens)) for which in ("subj", "obj"))
    tags = words(values, "stanford_ner")
    if options.mask:
        for which, label, (begin, end) in (("subj", "SUBJ", head), ("obj", "OBJ", tail)):
            tokens[begin:end] = [f"{label}-{value(values, f'{which}_type', str)}"] * (end - begin)
    document = value(values, "docid" if "docid" in values else "id", str)
    relation, clean = _na(value(values, "relation", str)), None
    if "D_relation" in values:
        relation, clean = _na(value(values, "D_relation", str)), relation
    return LabelledSentence(document, tuple(tokens), head, tail, relation, tags, clean)


def _span(values: Mapping[str, Any], which: str, length: int) -> Span:
    begin, last = value(values, f"{which}_start", int), value(values, f"{which}_end", int)
    check_span(which, (begin, last + 1), length)
    return begin, last + 1


def _na(relation: str) -> str:
    return NO_RELATION if relation == NONE else relation
