"""The five-column format of Bekoulis et al. (2018): reader and writer.

A document is a header line ``#doc <id>`` and one line per token, closed by the next header or the end of the file::

    #doc 2050
    0	Mrs.	B-Peop	['N']	[0]
    1	Rose	I-Peop	['Live_In', 'Work_For']	[5, 9]

Five columns, tab separated: the token's index from 0; the token; its BIO tag; a list of relation names; a list of as
many head tokens. ``['N']`` with the token's own index says that it carries no relation. Only the last token of an
entity carries relations or serves as a head. There are no blank lines.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from relab.corpus import Corpus, digest
from relab.errors import DataError
from relab.method import Config

from trainables.corpora.problems import Problems, decode, read_bytes, text_lines
from trainables.corpora.tagged import TaggedSentence

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

HEADER, NO_RELATION = "#doc", "N"
COLUMNS = 5
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
LONGEST_LIST = 20_000
"""Characters; a longer list column is malformed rather than parsed."""


class FiveColumnOptions(Config):
    """How the files are read."""

    malformed: Literal["fail", "drop"] = "fail"
    """``drop`` leaves out every document with a malformed line, and counts it."""
    root: bool = False
    """Token 0 of every document is an artificial root that heads may point at, as in DREC."""
    relation_ends: Literal["last", "move"] = "last"
    """A relation with an end at another token of an entity than its last: an error, or moved there and counted."""


class DrecOptions(FiveColumnOptions):
    """DREC: the root is token 0."""

    root: bool = True


def read_five_column(name: str, files: Mapping[str, Path], options: FiveColumnOptions) -> Corpus[TaggedSentence]:
    """Read a corpus with one file per split.

    Raises:
        DataError: ``file:line: reason`` for the malformed lines of the first file that has any.
    """
    return five_column_corpus(name, {split: (path, read_bytes(path)) for split, path in files.items()}, options)


def five_column_corpus(
    name: str, contents: Mapping[str, tuple[Path, bytes]], options: FiveColumnOptions
) -> Corpus[TaggedSentence]:
    """The corpus in the bytes of one file per split; paths are only for messages. Errors as ``read_five_column``."""
    splits: dict[str, tuple[TaggedSentence, ...]] = {}
    parts: list[str | bytes] = ["five_column", str(VERSION), options.model_dump_json()]
    counts: Counter[str] = Counter()
    for split, (path, data) in contents.items():
        parts += [split, data]
        splits[split] = parse(data, path, options, counts)
    shared = _in_several_splits(splits)
    if shared:
        counts["documents in more than one split"] = shared
    return Corpus(name, splits, digest(*parts), dict(counts))


def parse(data: bytes, path: Path, options: FiveColumnOptions, counts: Counter[str]) -> tuple[TaggedSentence, ...]:
    """The sentences in the bytes of one file; ``counts`` is added to, ``path`` is only for messages.

    Raises:
        DataError: ``file:line: reason``, one line for each of the first malformed lines.
    """
    problems = Problems(path)
    sentences: list[TaggedSentence] = []
    block: _Block | None = None
    for number, raw in enumerate(text_lines(data), start=1):
        text, broken = decode(raw)
        if broken and raw.split(maxsplit=1)[:1] == [HEADER.encode()]:
            _close(block, options, problems, sentences, counts)
            problems.add(number, broken)
            block = _Block(number, None)
        elif text.split(maxsplit=1)[:1] == [HEADER]:
            _close(block, options, problems, sentences, counts)
            block = _Block(number, _document(text, number, problems))
        elif block is None:
            problems.add(number, broken or f"before the first {HEADER!r} header")
        elif broken:
            block.problems.append((number, broken))
        else:
            block.add(number, text)
    _close(block, options, problems, sentences, counts)
    problems.fail()
    if not sentences:
        raise DataError(f"{path}:1: no document is left, all are malformed")
    return tuple(sentences)


@dataclass
class _Block:
    """The lines of one document while it is read."""

    line: int
    document: str | None
    next: int = 0
    lines: list[int] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    relations: list[tuple[int, str, int]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, text: str) -> None:
        """Read one token line. After an index out of sequence counting goes on from it: one slip is one problem."""
        index, place = self.next, text.partition("\t")[0]
        self.next = int(place) + 1 if INDEX.fullmatch(place) else index + 1
        try:
            token, tag, relations = _token_line(text, index)
        except ValueError as error:
            self.problems.append((number, str(error)))
            return
        self.lines.append(number)
        self.tokens.append(token)
        self.tags.append(tag)
        self.relations += [(index, relation, head) for relation, head in relations]


def _document(text: str, number: int, problems: Problems) -> str | None:
    parts = text.split()
    if len(parts) != 2 or text != f"{HEADER} {parts[1]}":
        problems.add(number, f"a header is '{HEADER} <id>', one space and an id without blanks; this is {_show(text)}")
        return None
    return parts[1]


def _token_line(text: str, index: int) -> tuple[str, str, list[tuple[str, int]]]:
    """Token, tag and (relation, head) pairs of one line; ValueError says what is wrong with it."""
    if not text.strip():
        raise ValueError("a blank line; the format has none")
    columns = text.split("\t")
    if len(columns) != COLUMNS:
        raise ValueError(f"{len(columns)} tab-separated columns, not {COLUMNS}: {_show(text)}")
    place, token, tag, names, heads = columns
    if not INDEX.fullmatch(place):
        raise ValueError(f"the token index {_show(place)} is not a number")
    if int(place) != index:
        raise ValueError(f"token index {place} out of sequence: {index} comes next")
    if not token.strip():
        raise ValueError("an empty token")
    if tag != "O" and not (tag[:2] in {"B-", "I-"} and tag[2:].strip()):
        raise ValueError(f"the tag {_show(tag)} is not BIO: O, B-<type> or I-<type>")
    return token, tag, _relations(_literal(names), _literal(heads), index)


def _relations(names: "_Literal", heads: "_Literal", index: int) -> list[tuple[str, int]]:
    """The relations that a token carries, without the ``N`` of one that carries none."""
    if not isinstance(names.value, tuple):
        raise ValueError(f"the relation column {_show(names.text)} is not a list")
    if not isinstance(heads.value, tuple):
        raise ValueError(f"the head column {_show(heads.text)} is not a list")
    if not all(isinstance(name, str) and name.strip() and name.isprintable() for name in names.value):
        raise ValueError(f"the relation column {_show(names.text)} has an element that is not a name")
    if not all(type(head) is int for head in heads.value):
        raise ValueError(f"the head column {_show(heads.text)} has an element that is not a whole number")
    if len(names.value) != len(heads.value):
        raise ValueError(f"{len(names.value)} relations but {len(heads.value)} heads")
    if not names.value:
        raise ValueError(f"empty lists; a token without a relation has ['{NO_RELATION}'] and its own index")
    pairs = list(zip(names.value, heads.value, strict=True))
    if NO_RELATION in names.value:
        if pairs != [(NO_RELATION, index)]:
            raise ValueError(f"'{NO_RELATION}' stands alone and points at its own token, {index}; here {pairs}")
        return []
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"the same relation twice: {_show(names.text)} {_show(heads.text)}")
    return pairs


@dataclass(frozen=True)
class _Literal:
    """A column and the list in it, as a tuple; None where it holds something else."""

    text: str
    value: tuple[Any, ...] | None


@lru_cache(maxsize=4096)
def _literal(text: str) -> _Literal:
    """The list that ``text`` writes. Most tokens carry no relation, so that few texts are ever parsed."""
    if len(text) > LONGEST_LIST or not text.startswith("[") or not text.isprintable():
        return _Literal(text, None)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _Literal(text, None)
    return _Literal(text, tuple(value) if isinstance(value, list) else None)


def _close(
    block: _Block | None,
    options: FiveColumnOptions,
    problems: Problems,
    sentences: list[TaggedSentence],
    counts: Counter[str],
) -> None:
    """Finish one document: check what needs all of its lines, then keep it, drop it, or pass its problems on."""
    if block is None:
        return
    found = block.problems
    if not block.lines and not found:
        found = [(block.line, "a document without tokens")]
    elif not found:
        found = _misplaced(block, options, counts)
    if found and options.malformed == "fail":
        problems.found += found
    elif found:
        counts["documents dropped as malformed"] += 1
    elif block.document is not None:
        sentence = TaggedSentence(
            block.document, tuple(block.tokens), tuple(block.tags), tuple(block.relations), options.root
        )
        counts["tokens"] += len(sentence.tokens)
        counts["entities"] += len(entities(sentence.tags))
        counts["relations"] += len(sentence.relations)
        orphans = sum(tag[0] == "I" and not continues(before, tag) for before, tag in _pairs(sentence.tags))
        if orphans:
            counts["I- tags without a B-"] += orphans
        sentences.append(sentence)


def _misplaced(block: _Block, options: FiveColumnOptions, counts: Counter[str]) -> list[tuple[int, str]]:
    """Problems of relations whose ends are no entity of the sentence; ends inside one are moved if so wished."""
    last = {i: end for _, start, end in entities(block.tags) for i in range(start, end + 1)}
    if options.root:
        last[0] = 0
    found, moved = [], []
    for token, relation, head in block.relations:
        reason = _misplaced_end(token, head, last, len(block.tokens), options)
        if reason:
            found.append((block.lines[token], f"{relation!r} from {token} to {head}: {reason}"))
        else:
            moved.append((last[token], relation, last[head]))
    if not found and moved != block.relations:
        counts["relations moved to the last token"] += sum(a != b for a, b in zip(moved, block.relations, strict=True))
        block.relations = list(dict.fromkeys(moved))
    return found


def _misplaced_end(
    token: int, head: int, last: Mapping[int, int], length: int, options: FiveColumnOptions
) -> str | None:
    """What is wrong with the ends of a relation; ``last`` maps every token of an entity to the entity's last."""
    if not 0 <= head < length:
        return f"the head is outside the sentence, which has {length} tokens"
    for end in (token, head):
        if end not in last:
            return f"token {end} is in no entity"
        if last[end] != end and options.relation_ends == "last":
            return f"token {end} is not the last of its entity, {last[end]} is"
    return None


def continues(before: str, tag: str) -> bool:
    """Whether ``tag`` carries on the entity that the tag before it belongs to."""
    return tag.startswith("I-") and before[:2] in {"B-", "I-"} and before[2:] == tag[2:]


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """(type, first token, last token) of every entity; an I- without its B- opens one, as in conlleval."""
    found: list[tuple[str, int, int]] = []
    for i, (before, tag) in enumerate(_pairs(tags)):
        if continues(before, tag):
            kind, start, _ = found[-1]
            found[-1] = (kind, start, i)
        elif tag != "O":
            found.append((tag[2:], i, i))
    return found


def render(sentences: Iterable[TaggedSentence]) -> str:
    """The sentences in the five-column format, one document each."""
    lines = []
    for sentence in sentences:
        lines.append(f"{HEADER} {sentence.document}")
        for i, (token, tag) in enumerate(zip(sentence.tokens, sentence.tags, strict=True)):
            pairs = [(relation, head) for start, relation, head in sentence.relations if start == i]
            names = [name for name, _ in pairs] or [NO_RELATION]
            heads = [head for _, head in pairs] or [i]
            lines.append(f"{i}\t{token}\t{tag}\t{names}\t{heads}")
    return "".join(f"{line}\n" for line in lines)


def write_five_column(sentences: Iterable[TaggedSentence], path: Path) -> None:
    """Write ``path`` in the five-column format; ``read_five_column`` reads the same sentences back."""
    path.write_text(render(sentences), encoding="utf-8", newline="\n")


def _pairs(tags: Sequence[str]) -> Iterable[tuple[str, str]]:
    return zip(("O", *tags[:-1]), tags, strict=True)


def _in_several_splits(splits: Mapping[str, Sequence[TaggedSentence]]) -> int:
    seen = Counter(name for items in splits.values() for name in {item.document for item in items})
    return sum(number > 1 for number in seen.values())


def _show(text: str) -> str:
    """``text`` for a message: quoted, and cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
