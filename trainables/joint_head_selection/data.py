"""From tagged sentences to tensors, and from tensors to batches."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from relab.corpus import Corpus, WordVectors
from relab.prepared import Prepared, Split
from torch import Tensor

from trainables.corpora.tagged import TaggedSentence
from trainables.joint_head_selection.config import DataConfig

NO_RELATION, OUTSIDE = "N", "O"


def prepare(corpus: Corpus[TaggedSentence], data: DataConfig) -> Prepared:
    """Index a corpus. Per split, flat with offsets per sentence: word ids, tag ids, class ids, arcs.

    Characters, tags, classes and relations are sorted; relations include ``N``. Words are surface forms, each with its
    row of the word vectors and its characters.
    """
    known = list(corpus.splits) if data.inventory == "all_splits" else ["train"]
    sentences = [sentence for items in corpus.splits.values() for sentence in items]
    words = sorted({token for s in sentences for token in s.tokens})
    spelled = (token for split in known for s in corpus.splits[split] for token in s.tokens)
    characters = sorted({character for token in spelled for character in token})
    tags = sorted({tag for s in sentences for tag in s.tags} | {OUTSIDE})
    relations = sorted({name for s in sentences for _, name, _ in s.relations} | {NO_RELATION})
    classes = sorted({_type(tag) for tag in tags})
    vocabulary = {
        "words": tuple(words),
        "characters": tuple(characters),
        "tags": tuple(tags),
        "classes": tuple(classes),
        "relations": tuple(relations),
    }
    index = {kind: {symbol: place for place, symbol in enumerate(symbols)} for kind, symbols in vocabulary.items()}
    shared = _characters(words, index["characters"]) | _vectors(
        words, corpus, {t for s in corpus.splits["train"] for t in s.tokens}
    )
    return Prepared({name: _split(items, index) for name, items in corpus.splits.items()}, shared, vocabulary)


def _type(tag: str) -> str:
    """The entity type of a BIO tag; types may hold hyphens themselves."""
    return tag if tag == OUTSIDE else tag.partition("-")[2]


def _split(items: Sequence[TaggedSentence], index: Mapping[str, Mapping[str, int]]) -> dict[str, Tensor]:
    """Flat tensors of one split."""
    return {
        "offsets": _offsets([len(s.tokens) for s in items]),
        "words": _ids([t for s in items for t in s.tokens], index["words"]),
        "tags": _ids([t for s in items for t in s.tags], index["tags"]),
        "classes": _ids([_type(t) for s in items for t in s.tags], index["classes"]),
        "root": torch.tensor([s.root for s in items], dtype=torch.bool),
        "arc_offsets": _offsets([len(s.relations) for s in items]),
        "arcs": torch.tensor(
            [(token, head, index["relations"][name]) for s in items for token, name, head in s.relations],
            dtype=torch.long,
        ).reshape(-1, 3),
    }


def _offsets(lengths: Sequence[int]) -> Tensor:
    return torch.tensor([0, *np.cumsum(lengths, dtype=np.int64).tolist()], dtype=torch.long)


def _ids(symbols: Sequence[str], index: Mapping[str, int]) -> Tensor:
    return torch.tensor([index[symbol] for symbol in symbols], dtype=torch.long)


def _characters(words: Sequence[str], index: Mapping[str, int]) -> dict[str, Tensor]:
    """[words, longest] character ids from 1, 0 for padding and for characters outside the inventory; lengths from 1."""
    longest = max((len(word) for word in words), default=1)
    table = torch.zeros(len(words), longest, dtype=torch.long)
    for row, word in enumerate(words):
        table[row, : len(word)] = torch.tensor([index.get(character, -1) + 1 for character in word])
    return {"characters": table, "character_lengths": torch.tensor([len(word) for word in words], dtype=torch.long)}


def _vectors(words: Sequence[str], corpus: Corpus[TaggedSentence], trained_words: set[str]) -> dict[str, Tensor]:
    """``word_row`` gives each word's row of ``vectors``; without pre-trained vectors a row of a table to be drawn, in
    which row 0 serves the words that training never sees."""
    vectors = corpus.vectors
    if vectors is None:
        row = {word: place for place, word in enumerate(sorted(trained_words), 1)}
        return {
            "word_row": torch.tensor([row.get(word, 0) for word in words]),
            "drawn_rows": torch.tensor([len(row) + 1]),
        }
    rows = _lookup(words, vectors)
    used = sorted(set(rows) - {-1})
    place = {row: number for number, row in enumerate(used, 1)}
    matrix = np.concatenate([_unknown_vector(vectors)[None], vectors.matrix[used]]).astype(np.float32)
    return {"word_row": torch.tensor([place.get(row, 0) for row in rows]), "vectors": torch.from_numpy(matrix)}


def _lookup(words: Sequence[str], vectors: WordVectors) -> list[int]:
    """Each word's row of the vectors, −1 for none, by the code's rule: exact; else digits alone as ``0``, lower-case
    words in title case, all others in lower case."""
    index = {word: row for row, word in enumerate(vectors.words)}
    return [index.get(word, index.get(_fallback(word), -1)) for word in words]


def _fallback(word: str) -> str:
    if word.isdecimal():
        return "0"
    return word.title() if word.islower() else word.lower()


def _unknown_vector(vectors: WordVectors) -> npt.NDArray[np.float32]:
    """One fixed vector for all unknown words, uniform in ±√(1/V) with the code's seed 123456."""
    limit = math.sqrt(1 / len(vectors.words))
    drawn = np.random.default_rng(123456).uniform(-limit, limit, (vectors.matrix.shape[1],))
    return np.asarray(drawn, dtype=np.float32)


@dataclass(frozen=True)
class Batch:
    """Sentences padded to the longest of them, B × T.

    ``word`` [B, T] indexes ``unique`` [U], the distinct words of the batch, so that a word's characters are read once.
    ``targets`` [B, T, T, R] holds 1 where (token, head, relation) is gold: a token without a relation has ``N`` with
    itself.
    """

    sentences: tuple[int, ...]
    lengths: Tensor
    word: Tensor
    unique: Tensor
    tags: Tensor
    targets: Tensor

    @property
    def mask(self) -> Tensor:
        """[B, T], true for real tokens."""
        return torch.arange(self.word.shape[1], device=self.lengths.device) < self.lengths[:, None]


def batch_of(split: Split, sentences: Sequence[int], labels: str, device: torch.device) -> Batch:
    """The sentences of these numbers as a batch; ``labels`` is ``tags`` or ``classes``."""
    offsets, relations = split.tensors["offsets"], split.vocabulary["relations"]
    spans = [(int(offsets[s]), int(offsets[s + 1])) for s in sentences]
    lengths = torch.tensor([end - start for start, end in spans])
    longest = int(lengths.max())
    words = torch.full((len(spans), longest), int(split.tensors["words"][spans[0][0]]))
    tags = torch.zeros(len(spans), longest, dtype=torch.long)
    targets = torch.zeros(len(spans), longest, longest, len(relations))
    none = relations.index(NO_RELATION)
    for row, ((start, end), number) in enumerate(zip(spans, sentences, strict=True)):
        words[row, : end - start] = split.tensors["words"][start:end]
        tags[row, : end - start] = split.tensors[labels][start:end]
        token, head, relation = arcs_of(split, number).unbind(1)
        targets[row, token, head, relation] = 1
        alone = torch.ones(end - start, dtype=torch.bool)
        alone[token] = False
        free = alone.nonzero().squeeze(1)
        targets[row, free, free, none] = 1
    unique, word = torch.unique(words, return_inverse=True)
    moved = (t.to(device) for t in (lengths, word, unique, tags, targets))
    return Batch(tuple(sentences), *moved)


def arcs_of(split: Split, sentence: int) -> Tensor:
    """[arcs, 3]: token, head, relation of one sentence."""
    start, end = split.tensors["arc_offsets"][sentence : sentence + 2].tolist()
    return split.tensors["arcs"][start:end]


def sizes(split: Split) -> list[int]:
    """Tokens of each sentence."""
    lengths: list[int] = split.tensors["offsets"].diff().tolist()
    return lengths


def joined(first: Split, second: Split) -> Split:
    """Both splits as one, the second's sentences after the first's: what the second phase trains on."""
    tensors = {}
    for name, tensor in first.tensors.items():
        other = second.tensors[name]
        if name in {"offsets", "arc_offsets"}:
            other = other[1:] + tensor[-1]
        tensors[name] = torch.cat([tensor, other])
    return Split(f"{first.name}+{second.name}", tensors, first.shared, first.vocabulary)
