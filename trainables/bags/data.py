"""From mentions to tensors sorted by bag, and from tensors to batches of bags."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from relab.corpus import Corpus, WordVectors
from relab.prepared import Prepared, Split
from torch import Tensor

from trainables.bags.config import BagDataConfig, WordChoice
from trainables.batching import cut, padding
from trainables.corpora.mentions import Mention, Mentions, by_column

UNKNOWN, END, START = 0, 1, 2
"""The first rows of every word table. END follows the last token where a method wants it, and fills what is padding."""
SPECIAL = 3


def prepare_bags(corpus: Corpus[Mention], data: BagDataConfig) -> Prepared:
    """Index a corpus of mentions.

    Per split, mentions sorted by bag: ``words`` flat with ``offsets`` [N + 1]; ``spans`` [N, 4]; ``languages`` [N];
    ``bag_offsets`` [B + 1]; ``labels`` flat with ``label_offsets`` [B + 1]; ``ends`` [B, 2], head and tail.

    A word's number is its row in the table of its language: unknown, end, start, then drawn words, then known ones.
    Shared, per language: ``drawn/<language>`` [1], how many words are drawn; ``vectors/<language>`` [known, D].

    The vocabulary has ``relations`` (NA first, then sorted), ``languages`` (sorted), ``words/<language>`` without the
    special rows, and ``entities``: those of dev and test; in ``ends`` all others, which only train has, are −1.
    """
    splits = {name: _kept(mentions, data, name == "train") for name, mentions in by_column(corpus.splits).items()}
    symbols = next(iter(splits.values())).symbols
    languages = tuple(sorted(symbols.languages))
    tables = {language: _table(language, splits, corpus.vectors, data) for language in languages}
    relation_names = (symbols.relations.names[0], *sorted(symbols.relations.names[1:]))
    evaluated = [mentions for name, mentions in splits.items() if name != "train"]
    entities = np.unique(
        np.concatenate([np.empty(0, np.int32)] + [side for m in evaluated for side in (m.head, m.tail)])
    )
    numbering = _Numbering(
        words={symbols.languages[language]: tables[language].row for language in languages},
        language=_renumber(symbols.languages.names, languages),
        relation=_renumber(symbols.relations.names, relation_names),
        entity=_places(entities, len(symbols.entities)),
    )
    shared: dict[str, Tensor] = {}
    vocabulary: dict[str, tuple[str, ...]] = {
        "relations": relation_names,
        "languages": languages,
        "entities": tuple(symbols.entities.names[number] for number in entities.tolist()),
    }
    for language, table in tables.items():
        shared[f"drawn/{language}"] = torch.tensor([table.drawn])
        if table.vectors is not None:
            shared[f"vectors/{language}"] = torch.from_numpy(table.vectors)
        vocabulary[f"words/{language}"] = table.words
    return Prepared(
        {name: _split(mentions, numbering, data, name == "train") for name, mentions in splits.items()},
        shared,
        vocabulary,
    )


@dataclass(frozen=True)
class WordRows:
    """The word table of one language; ``row`` gives the row of each of the corpus' words."""

    row: npt.NDArray[np.int32]
    words: tuple[str, ...]
    drawn: int
    vectors: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class _Numbering:
    """From the corpus' numbers to the prepared ones."""

    words: Mapping[int, npt.NDArray[np.int32]]
    language: npt.NDArray[np.int32]
    relation: npt.NDArray[np.int32]
    entity: npt.NDArray[np.int32]


def _kept(mentions: Mentions, data: BagDataConfig, training: bool) -> Mentions:
    """Without the sentences that are too long, where they are left out."""
    if data.longer == "truncate" or not (training or data.exclude_in_evaluation):
        return mentions
    return mentions.where(mentions.lengths <= data.max_tokens)


def _table(language: str, splits: Mapping[str, Mentions], vectors: WordVectors | None, data: BagDataConfig) -> WordRows:
    """Which words of a language have a row of their own, and which row."""
    symbols = next(iter(splits.values())).symbols
    counts = {name: _word_counts(mentions, symbols.languages[language]) for name, mentions in splits.items()}
    return word_rows(symbols.words.names, counts, vectors, data)


def word_rows(
    names: Sequence[str],
    counts: Mapping[str, npt.NDArray[np.int64]],
    vectors: WordVectors | None,
    data: WordChoice,
) -> WordRows:
    """Which of the words ``names`` has a row of its own, and which row; ``counts`` says how often each split has it."""
    used = np.flatnonzero(np.sum(list(counts.values()), axis=0))
    known = {}
    if vectors is not None:
        known = {word: place for place, word in enumerate(vectors.words[: data.vocabulary])}
    with_vector = [number for number in used.tolist() if names[number] in known]
    drawn: list[int] = []
    if data.other_words == "drawn" or vectors is None:
        often = counts["train"] >= data.min_count
        drawn = [number for number in used.tolist() if often[number] and names[number] not in known]
    drawn, with_vector = (sorted(numbers, key=names.__getitem__) for numbers in (drawn, with_vector))
    row = np.full(len(names), UNKNOWN, dtype=np.int32)
    row[drawn + with_vector] = np.arange(SPECIAL, SPECIAL + len(drawn) + len(with_vector))
    matrix = None if vectors is None else vectors.matrix[[known[names[number]] for number in with_vector]]
    words = tuple(names[number] for number in drawn + with_vector)
    return WordRows(row, words, len(drawn), None if matrix is None else matrix.astype(np.float32))


def _word_counts(mentions: Mentions, language: int) -> npt.NDArray[np.int64]:
    """[words of the corpus]: how often each occurs in one language."""
    inside = np.repeat(mentions.language == language, mentions.lengths)
    return np.bincount(mentions.tokens[inside], minlength=len(mentions.symbols.words))


def _renumber(old: Sequence[str], new: Sequence[str]) -> npt.NDArray[np.int32]:
    place = {name: number for number, name in enumerate(new)}
    return np.array([place[name] for name in old], dtype=np.int32)


def _places(chosen: npt.NDArray[np.int32], size: int) -> npt.NDArray[np.int32]:
    """[size]: each number's place among the chosen, −1 for the others."""
    places = np.full(size, -1, dtype=np.int32)
    places[chosen] = np.arange(len(chosen))
    return places


def _split(mentions: Mentions, numbering: _Numbering, data: BagDataConfig, training: bool) -> dict[str, Tensor]:
    """The tensors of one split."""
    relation = numbering.relation[mentions.relation]
    by_relation = (data.bags if training else data.evaluation_bags) == "pair_relation"
    keys = (relation, mentions.pairs) if by_relation else (mentions.pairs,)
    order, bag_offsets = _bags(keys)
    if training or data.split_in_evaluation:
        order, bag_offsets = _chunked(order, bag_offsets, data.max_mentions, data.chunks)
    first = order[bag_offsets[:-1]]
    labels, label_offsets = _labels(relation[order], bag_offsets)
    sorted_mentions = mentions.take(order)
    lengths = np.minimum(sorted_mentions.lengths, data.max_tokens)
    words, offsets = _words(sorted_mentions, lengths, numbering)
    return {
        "words": torch.from_numpy(words),
        "offsets": torch.from_numpy(offsets),
        "spans": torch.from_numpy(np.minimum(sorted_mentions.spans, lengths[:, None])),
        "languages": torch.from_numpy(numbering.language[sorted_mentions.language].astype(np.int8)),
        "bag_offsets": torch.from_numpy(bag_offsets),
        "labels": torch.from_numpy(labels),
        "label_offsets": torch.from_numpy(label_offsets),
        "ends": torch.from_numpy(
            np.stack([numbering.entity[mentions.head[first]], numbering.entity[mentions.tail[first]]], 1)
        ),
    }


def _bags(keys: Sequence[npt.NDArray[np.integer]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Mentions with equal keys side by side, in file order, the bags in the order of their first mentions; offsets."""
    count = len(keys[0])
    if not count:
        return np.empty(0, np.int64), np.zeros(1, np.int64)
    grouped = np.lexsort((np.arange(count), *keys))
    new = np.ones(count, dtype=bool)
    new[1:] = np.any([key[grouped][1:] != key[grouped][:-1] for key in keys], axis=0)
    bag_of = np.empty(count, np.int64)
    bag_of[grouped] = grouped[new][np.cumsum(new) - 1]
    order = np.lexsort((np.arange(count), bag_of))
    sizes = np.unique(bag_of, return_counts=True)[1]
    return order, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _chunked(
    order: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], largest: int, how: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The same bags, those of more than ``largest`` mentions in parts (test W5)."""
    if np.diff(offsets).max(initial=0) <= largest:
        return order, offsets
    parts: list[tuple[int, int]] = []
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        parts += ((begin + a, begin + b) for a, b in chunks(end - begin, largest, how))
    chunked = np.concatenate([order[begin:end] for begin, end in parts])
    return chunked, np.concatenate([[0], np.cumsum([end - begin for begin, end in parts])]).astype(np.int64)


def chunks(size: int, largest: int, how: str) -> Iterator[tuple[int, int]]:
    """The parts [begin, end) of a bag of ``size`` mentions: a ``partition``, or the last one may ``overlap``."""
    for begin in range(0, size, largest):
        end = min(begin + largest, size)
        yield (end - largest if how == "overlap" and size > largest else begin), end


def _labels(
    relation: npt.NDArray[np.int32], bag_offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The sorted label set of each bag, flat with offsets; NA only where a bag has nothing else."""
    bag = np.repeat(np.arange(len(bag_offsets) - 1), np.diff(bag_offsets))
    both = np.unique(np.stack([bag, relation], 1), axis=0) if len(bag) else np.empty((0, 2), np.int64)
    positive = np.zeros(len(bag_offsets) - 1, dtype=bool)
    positive[both[both[:, 1] > 0, 0]] = True
    both = both[(both[:, 1] > 0) | ~positive[both[:, 0]]]
    counts = np.bincount(both[:, 0], minlength=len(bag_offsets) - 1)
    return both[:, 1].astype(np.int64), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _words(
    mentions: Mentions, lengths: npt.NDArray[np.int32], numbering: _Numbering
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Word rows of all mentions, each cut to its length, flat with offsets."""
    inside = np.arange(mentions.offsets[-1]) - np.repeat(mentions.offsets[:-1], mentions.lengths)
    kept = inside < np.repeat(lengths, mentions.lengths)
    tokens, language = mentions.tokens[kept], np.repeat(mentions.language, lengths)
    rows = np.full(len(tokens), UNKNOWN, dtype=np.int32)
    for number, table in numbering.words.items():
        rows[language == number] = table[tokens[language == number]]
    return rows, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@dataclass(frozen=True)
class Batch:
    """The sentences of some bags: S sentences of B bags, padded to the longest of them.

    ``words`` [S, T] are rows of the word table of each sentence's language, END beyond ``lengths`` [S]; ``spans``
    [S, 4]; ``languages`` [S]; ``bag`` [S] is the sentence's bag, from 0 to B − 1; ``labels`` [B, R] is 1 for the bag's
    relations.
    """

    bags: tuple[int, ...]
    words: Tensor
    lengths: Tensor
    spans: Tensor
    languages: Tensor
    bag: Tensor
    labels: Tensor

    @property
    def mask(self) -> Tensor:
        """[S, T], true for real tokens."""
        return torch.arange(self.words.shape[1], device=self.words.device) < self.lengths[:, None]

    def where(self, chosen: Tensor) -> "Batch":
        """The sentences for which ``chosen`` [S] is true; bags and labels as they are."""
        names = ("words", "lengths", "spans", "languages", "bag")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def of_bags(self, begin: int, end: int) -> "Batch":
        """The bags from ``begin`` to before ``end``, padded to their own longest sentence."""
        own = self.where((self.bag >= begin) & (self.bag < end))
        longest = int(own.lengths.max()) + self.words.shape[1] - int(self.lengths.max())
        bags, labels = self.bags[begin:end], self.labels[begin:end]
        return replace(own, bags=bags, words=own.words[:, :longest], bag=own.bag - begin, labels=labels)

    def of_language(self, language: int) -> "Batch":
        """The sentences of one language, padded to their own longest."""
        own = self.where(self.languages == language)
        longest = int(own.lengths.max()) + self.words.shape[1] - int(self.lengths.max()) if len(own.lengths) else 0
        return replace(own, words=own.words[:, :longest])


def batch_of(split: Split, bags: Sequence[int], device: torch.device, *, end: bool = False) -> Batch:
    """The bags of these numbers as a batch; with ``end`` each sentence has room for an END token after its last."""
    tensors = split.tensors
    chosen = torch.tensor(bags, dtype=torch.long)
    mentions, bag = ranges(tensors["bag_offsets"], chosen)
    rows = padding(tensors["offsets"], mentions, room=end)
    lengths, words = rows.lengths, rows.of(tensors["words"], END)
    label, owner = ranges(tensors["label_offsets"], chosen)
    labels = torch.zeros(len(bags), len(split.vocabulary["relations"]))
    labels[owner, tensors["labels"][label]] = 1
    spans, languages = tensors["spans"][mentions].long(), tensors["languages"][mentions].long()
    moved = (t.to(device) for t in (words, lengths, spans, languages, bag, labels))
    return Batch(tuple(bags), *moved)


def ranges(offsets: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """All places of the chosen ranges, one after the other, and which of the chosen each belongs to."""
    counts = offsets[chosen + 1] - offsets[chosen]
    owner = torch.repeat_interleave(torch.arange(len(chosen), device=chosen.device), counts)
    before = torch.cumsum(counts, 0) - counts
    return (offsets[chosen] - before)[owner] + torch.arange(len(owner), device=chosen.device), owner


def bag_lengths(split: Split) -> list[int]:
    """The longest sentence of each bag, in tokens."""
    lengths, offsets = split.tensors["offsets"].diff().numpy(), split.tensors["bag_offsets"].numpy()
    longest: list[int] = np.maximum.reduceat(lengths, offsets[:-1]).tolist() if len(offsets) > 1 else []
    return longest


def batches(
    split: Split, batch_size: int, device: torch.device, generator: torch.Generator | None, *, end: bool = False
) -> Iterator[Batch]:
    """All bags of a split, ``batch_size`` at a time: in order without a generator, else shuffled, by similar length."""
    for bags in cut(bag_lengths(split), batch_size, generator):
        yield batch_of(split, bags, device, end=end)
