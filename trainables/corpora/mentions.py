"""Sentences that mention a pair of entities, as distant supervision gives them: what bag methods train on.

A corpus at full size has two million of them. They are therefore kept by column, one flat array of token numbers for a
whole split; a single ``Mention`` is made when somebody asks for it.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
from pydantic import Field
from relab.corpus import Corpus, digest
from relab.method import Config

Integers = npt.NDArray[np.int32]
Span = tuple[int, int]

NO_RELATION = "NA"


@dataclass(frozen=True, slots=True)
class Mention:
    """One sentence, the two entities in it, and the relation that it is labelled with.

    ``head`` and ``tail`` identify the entities, their spans [begin, end) are tokens. Both entities may overlap.
    """

    language: str
    head: str
    tail: str
    relation: str
    tokens: tuple[str, ...]
    head_span: Span
    tail_span: Span

    @property
    def document(self) -> str:
        """The entity pair: folds and splits never cut a bag."""
        return f"{self.head}\t{self.tail}"


class Index(dict[str, int]):
    """Symbols numbered in the order in which they are first asked for; ``names`` is the way back."""

    def __init__(self, *symbols: str) -> None:
        super().__init__((symbol, number) for number, symbol in enumerate(symbols))
        self.names = list(symbols)

    def __missing__(self, symbol: str) -> int:
        number = self[symbol] = len(self)
        self.names.append(symbol)
        return number


@dataclass(frozen=True)
class Symbols:
    """The numbers that stand for words, entities, relations and languages in all splits of one corpus."""

    words: Index = field(default_factory=Index)
    entities: Index = field(default_factory=Index)
    relations: Index = field(default_factory=lambda: Index(NO_RELATION))
    languages: Index = field(default_factory=Index)


class Mentions(Sequence[Mention]):
    """The mentions of one split by column; slices are of the same kind.

    ``tokens`` [total tokens] with ``offsets`` [N + 1]; ``head``, ``tail``, ``relation``, ``language`` [N]; ``spans``
    [N, 4]: begin and end of the head's span, begin and end of the tail's.
    """

    def __init__(self, symbols: Symbols, tokens: Integers, offsets: npt.NDArray[np.int64], columns: Integers) -> None:
        self.symbols, self.tokens, self.offsets, self._columns = symbols, tokens, offsets, columns

    @property
    def head(self) -> Integers:
        return self._columns[:, 0]

    @property
    def tail(self) -> Integers:
        return self._columns[:, 1]

    @property
    def relation(self) -> Integers:
        return self._columns[:, 2]

    @property
    def language(self) -> Integers:
        return self._columns[:, 3]

    @property
    def spans(self) -> Integers:
        return self._columns[:, 4:]

    @property
    def lengths(self) -> Integers:
        """[N]: tokens of each mention."""
        return np.diff(self.offsets).astype(np.int32)

    @property
    def pairs(self) -> npt.NDArray[np.int64]:
        """[N]: a number for each mention's entity pair, the same in all splits of a corpus."""
        return self.head.astype(np.int64) << 32 | self.tail.astype(np.int64)

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, place: int) -> Mention: ...
    @overload
    def __getitem__(self, place: slice) -> "Mentions": ...
    def __getitem__(self, place: int | slice) -> "Mention | Mentions":
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        head, tail, relation, language, *spans = self._columns[place].tolist()
        begin, end = self.offsets[place % len(self) :][:2].tolist()
        symbols = self.symbols
        return Mention(
            language=symbols.languages.names[language],
            head=symbols.entities.names[head],
            tail=symbols.entities.names[tail],
            relation=symbols.relations.names[relation],
            tokens=tuple(map(symbols.words.names.__getitem__, self.tokens[begin:end].tolist())),
            head_span=(spans[0], spans[1]),
            tail_span=(spans[2], spans[3]),
        )

    def __iter__(self) -> Iterator[Mention]:
        return (self[place] for place in range(len(self)))

    def take(self, places: npt.NDArray[np.integer]) -> "Mentions":
        """The mentions at these places, in their order."""
        lengths = np.diff(self.offsets)[places]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.repeat(self.offsets[places] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Mentions(self.symbols, self.tokens[source], offsets, self._columns[places])

    def where(self, kept: npt.NDArray[np.bool_]) -> "Mentions":
        """The mentions for which ``kept`` [N] is true."""
        return self if kept.all() else self.take(np.flatnonzero(kept))


class MentionBuilder:
    """Collects the mentions of one split while a file is read."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self._tokens, self._columns, self._offsets = array("i"), array("i"), array("q", [0])

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def add(
        self,
        language: str,
        head: str,
        tail: str,
        relation: str,
        tokens: Iterable[str],
        head_span: Span,
        tail_span: Span,
    ) -> None:
        """Append one mention; the arguments are the fields of ``Mention``."""
        symbols, words = self.symbols, self.symbols.words
        self._tokens.extend(map(words.__getitem__, tokens))
        self._offsets.append(len(self._tokens))
        numbers = (symbols.entities[head], symbols.entities[tail], symbols.relations[relation])
        self._columns.extend((*numbers, symbols.languages[language], *head_span, *tail_span))

    def mentions(self) -> Mentions:
        """What was added so far."""
        tokens, columns = np.array(self._tokens, dtype=np.int32), np.array(self._columns, dtype=np.int32)
        return Mentions(self.symbols, tokens, np.array(self._offsets, dtype=np.int64), columns.reshape(-1, 8))


def by_column(splits: Mapping[str, Sequence[Mention]]) -> dict[str, Mentions]:
    """All splits by column, under one set of symbols: as they are if a reader made them so, else copied."""
    kept = {name: items for name, items in splits.items() if isinstance(items, Mentions)}
    if len(kept) == len(splits) and len({id(items.symbols) for items in kept.values()}) <= 1:
        return kept
    symbols = Symbols()
    return {name: _copied(items, symbols) for name, items in splits.items()}


def _copied(items: Iterable[Mention], symbols: Symbols) -> Mentions:
    builder = MentionBuilder(symbols)
    for m in items:
        builder.add(m.language, m.head, m.tail, m.relation, m.tokens, m.head_span, m.tail_span)
    return builder.mentions()


class PairOptions(Config):
    """What every corpus of mentions can be asked for, whatever its file format."""

    dev_share: float = Field(0.1, ge=0, lt=1)
    """Without dev files: this share of the training pairs is dev, by a hash of the pair."""
    overlap: Literal["keep", "drop"] = "keep"
    """``drop`` takes the pairs that dev or test have out of train; how many there are is counted either way."""


def finish(
    name: str, splits: Mapping[str, Mentions], fingerprint: str, counts: Mapping[str, int], options: PairOptions
) -> Corpus[Mention]:
    """The corpus of these splits: pairs that train shares are counted, and dropped on wish; then dev is cut from train.

    The latter only if there is no dev, and in this order: neither does the count depend on the cut, nor does a dev cut
    from train keep pairs of test that were to be dropped. ``fingerprint`` covers the bytes and all options. Every split
    is cut between pairs, never inside one.
    """
    splits, counted = dict(splits), dict(counts)
    for other in ("dev", "test"):
        if other not in splits:
            continue
        train = splits["train"]
        shared = np.isin(train.pairs, splits[other].pairs)
        if shared.any():
            counted[f"pairs of {other} that train has too"] = len(np.unique(train.pairs[shared]))
        if options.overlap == "drop":
            splits["train"] = train.where(~shared)
    if "dev" not in splits and options.dev_share:
        train = splits["train"]
        pairs, place = np.unique(train.pairs, return_inverse=True)
        names = train.symbols.entities.names
        ends = [(names[pair >> 32], names[pair & 0xFFFFFFFF]) for pair in pairs.tolist()]
        chosen = np.array([_to_dev(head, tail, options.dev_share) for head, tail in ends], dtype=bool)
        splits["dev"], splits["train"] = train.where(chosen[place]), train.where(~chosen[place])
    order = [split for split in ("train", "dev", "test") if split in splits]
    return Corpus(name, {split: splits[split] for split in order}, fingerprint, counted)


def _to_dev(head: str, tail: str, share: float) -> bool:
    return int(digest("dev pair", head, tail)[:8], 16) < share * 2**32
