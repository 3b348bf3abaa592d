"""What the readers of labelled sentences have in common: which items are refused, dev out of train, noise, counts."""

import difflib
import string
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field
from relab.corpus import Corpus, digest
from relab.errors import DataError

from trainables.corpora.noisy import NoiseOptions, with_noise
from trainables.corpora.problems import Problems, read_bytes
from trainables.corpora.sentences import LabelledSentence, Span

BLANKS = frozenset(string.whitespace)
"""What no token holds; a no-break space is part of one."""

T = TypeVar("T")


class LabelledOptions(NoiseOptions):
    """What every corpus of labelled sentences can be asked for, whatever its file format."""

    malformed: Literal["fail", "drop"] = "fail"
    """``drop`` leaves out malformed items, and counts them."""
    dev_share: float = Field(0.1, ge=0, lt=1)
    """Without a dev file: this share of the training documents is dev, by a hash of their names."""


Options = TypeVar("Options", bound=LabelledOptions)


def read_splits(
    form: str,
    version: int,
    name: str,
    files: Mapping[str, Path],
    options: Options,
    parse: Callable[[bytes, Path, Options, Counter[str]], list[LabelledSentence]],
) -> Corpus[LabelledSentence]:
    """The corpus of one file per split, each read by ``parse``; ``form`` and its ``version`` enter the fingerprint.

    Raises:
        DataError: as ``parse``.
        RequestError: as ``finish``.
    """
    parts = [form, str(version), options.model_dump_json()]
    counts: Counter[str] = Counter()
    splits = {}
    for split, path in files.items():
        data = read_bytes(path)
        parts += [split, digest(data)]
        splits[split] = parse(data, path, options, counts)
    return finish(name, splits, digest(*parts), counts, options)


def collect(
    path: Path,
    items: Iterable[tuple[int, T]],
    read: Callable[[T], LabelledSentence | None],
    options: LabelledOptions,
    counts: Counter[str],
    unit: Literal["line", "item"] = "line",
    *,
    same_span: bool = False,
) -> list[LabelledSentence]:
    """The sentences that ``read`` makes of the numbered items of one file, or None where it drops and counts one.

    A sentence as no method can use it is malformed: without tokens, with a span outside of it, with another number of
    tags than of tokens; or with one span for both entities, unless ``same_span`` has these kept and counted.
    ``path`` is only for messages.

    Raises:
        DataError: the place and the reason, one line for each of the first malformed items; or none is left.
    """
    problems = Problems(path, unit)
    found: list[LabelledSentence] = []
    for number, item in items:
        counts["items"] += 1
        try:
            sentence = read(item)
            if sentence is not None:
                check(sentence)
                if sentence.head == sentence.tail and not same_span:
                    raise ValueError("head and tail are the same tokens")
        except ValueError as error:
            if options.malformed == "fail":
                problems.add(number, str(error))
            else:
                counts["items dropped: malformed"] += 1
            continue
        if sentence is not None:
            found.append(sentence)
            if sentence.head == sentence.tail:
                counts["items with one span for both entities"] += 1
    problems.fail()
    if not found:
        raise DataError(f"{path}: no item is left, all are malformed or dropped")
    return found


def check(sentence: LabelledSentence) -> None:
    """Refuse a sentence as no method can use it.

    Raises:
        ValueError: what is wrong with it.
    """
    length = len(sentence.tokens)
    if not length:
        raise ValueError("no tokens")
    for token in sentence.tokens:
        if not token or BLANKS.intersection(token):
            raise ValueError(f"the token {token[:40]!r} is empty or has a blank in it")
    for which, ends in (("head", sentence.head), ("tail", sentence.tail)):
        check_span(which, ends, length)
    if sentence.tags and len(sentence.tags) != length:
        raise ValueError(f"{len(sentence.tags)} tags for {length} tokens")
    if not all(sentence.tags):
        raise ValueError("an empty tag")
    if not sentence.relation or sentence.clean == "":
        raise ValueError("an empty relation")
    # what cannot be encoded cannot be stored either
    "".join((sentence.document, sentence.relation, sentence.clean or "", *sentence.tokens, *sentence.tags)).encode()


def check_span(which: str, span: Span, length: int) -> None:
    """Refuse a span [begin, end) that is empty, or not in a sentence of ``length`` tokens.

    Raises:
        ValueError: so.
    """
    begin, end = span
    if not 0 <= begin < end <= length:
        raise ValueError(f"{which}: [{begin}, {end}) is no span of the sentence, which has {length} tokens")


def check_relation(relation: str, known: Collection[str]) -> None:
    """Refuse a relation that is none of those known.

    Raises:
        ValueError: with the nearest one.
    """
    if relation not in known:
        near = difflib.get_close_matches(relation, known, n=1, cutoff=0.5)
        raise ValueError(f"unknown relation {relation[:60]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def finish(
    name: str,
    splits: Mapping[str, Sequence[LabelledSentence]],
    fingerprint: str,
    counts: Counter[str],
    options: LabelledOptions,
) -> Corpus[LabelledSentence]:
    """The corpus of these splits: dev is cut from train if there is none, then noise is put into what is left of train.

    ``fingerprint`` covers the bytes and all options; ``counts`` is added to.

    Raises:
        RequestError: as ``with_noise``.
    """
    made = {split: tuple(items) for split, items in splits.items()}
    if "dev" not in made and options.dev_share:
        dev = {document for document in {item.document for item in made["train"]} if _to_dev(document, options)}
        made["dev"] = tuple(item for item in made["train"] if item.document in dev)
        made["train"] = tuple(item for item in made["train"] if item.document not in dev)
    if options.noise:
        made["train"] = with_noise(made["train"], options, counts)
    known = {item.relation for item in made["train"]}
    for split in ("dev", "test"):
        unseen = sum(item.relation not in known for item in made.get(split, ()))
        if unseen:
            counts[f"items of {split} with a relation that train lacks"] = unseen
    order = ("train", "dev", "test", *made)
    return Corpus(name, {split: made[split] for split in dict.fromkeys(order) if split in made}, fingerprint, counts)


def _to_dev(document: str, options: LabelledOptions) -> bool:
    return int(digest("dev document", document)[:8], 16) < options.dev_share * 2**32
