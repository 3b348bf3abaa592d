"""From labelled sentences to tensors, and from tensors to batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from relab.corpus import Corpus
from relab.errors import RequestError
from relab.prepared import Prepared, Split
from torch import Tensor

from trainables.bags.data import END, word_rows
from trainables.batching import cut, padding
from trainables.corpora.sentences import NO_RELATION, LabelledSentence
from trainables.sentences.config import SentenceDataConfig
from trainables.sentences.pretrained import Pretrained

TEXT = "text"
"""What the table of these words is called where other corpora name a language."""
UNKNOWN_TAG = 0
TOKENS = 20_000
"""Of an evaluation batch, padding included, unless one sentence alone has more."""


def prepare_sentences(corpus: Corpus[LabelledSentence], data: SentenceDataConfig) -> Prepared:
    """Index a corpus of labelled sentences.

    Per split: ``words`` and ``tags``, flat with ``offsets`` [N + 1]; ``spans`` [N, 4], begin and end of head and tail;
    ``labels`` [N]; ``clean`` [N], the true relation, −1 where it is not known and R where it is none of the R
    relations; ``documents`` [N], sentences of one document having one number.

    A word's number is its row in the word table: unknown, end, start, then drawn words, then known ones. Shared:
    ``drawn/text`` [1], how many words are drawn; ``vectors/text`` [known, D]. Words drop to lower case before they are
    looked up. Tag 0 is that of an unknown word; a corpus without tags has no others.

    With an encoder, per split: ``contextual`` [words, D], its vectors in half precision; or ``pieces``, flat with
    ``piece_offsets`` [words + 1]. Shared: ``marks`` [2], the pieces that begin and end its input.

    The vocabulary has ``relations`` (NA first, then sorted), ``tags`` (sorted) and ``words/text``.

    Raises:
        RequestError: a span that is empty or leaves its sentence, another number of tags than of tokens, no relation
            but one in the whole corpus, or no ``transformers`` to load the encoder with.
    """
    splits = {
        name: [
            s for s in _checked(name, items) if _short(s, data) or not (name == "train" or data.exclude_in_evaluation)
        ]
        for name, items in corpus.splits.items()
    }
    everything = [sentence for items in splits.values() for sentence in items]
    relations = (NO_RELATION, *sorted({s.relation for s in everything} - {NO_RELATION}))
    if len({s.relation for s in everything}) < 2:
        raise RequestError(f"{corpus.name} has one label only; a classifier needs two")
    tags = ("", *sorted({tag for s in everything for tag in s.tags}))
    spelled = {name: _spelled(items, data) for name, items in splits.items()}
    names = sorted({word for words in spelled.values() for word in words})
    place = {word: number for number, word in enumerate(names)}
    numbers = {name: np.array([place[word] for word in words], dtype=np.int64) for name, words in spelled.items()}
    counts = {name: np.bincount(number, minlength=len(names)) for name, number in numbers.items()}
    table = word_rows(names, counts, corpus.vectors, data)
    shared = {f"drawn/{TEXT}": torch.tensor([table.drawn])}
    if table.vectors is not None:
        shared[f"vectors/{TEXT}"] = torch.from_numpy(table.vectors)
    tensors = {
        name: {"words": torch.from_numpy(table.row[numbers[name]])} | _split(items, relations, tags)
        for name, items in splits.items()
    }
    if data.encoder is not None:
        pretrained = Pretrained(data.encoder)
        prepare = pretrained.vectors if data.encoder_as == "vectors" else pretrained.pieces
        for name, items in splits.items():
            tensors[name] |= prepare([s.tokens for s in items])
        shared["marks"] = torch.tensor(pretrained.marks)
    return Prepared(tensors, shared, {"relations": relations, "tags": tags, f"words/{TEXT}": table.words})


def _checked(split: str, items: Iterable[LabelledSentence]) -> Iterator[LabelledSentence]:
    for number, sentence in enumerate(items):
        where = f"sentence {number} of {split} ({sentence.document})"
        for entity, (begin, end) in (("head", sentence.head), ("tail", sentence.tail)):
            if not 0 <= begin < end <= len(sentence.tokens):
                raise RequestError(f"{where}: {entity} [{begin}, {end}) in {len(sentence.tokens)} tokens")
        if sentence.tags and len(sentence.tags) != len(sentence.tokens):
            raise RequestError(f"{where}: {len(sentence.tags)} tags for {len(sentence.tokens)} tokens")
        yield sentence


def _short(sentence: LabelledSentence, data: SentenceDataConfig) -> bool:
    return len(sentence.tokens) <= data.max_tokens


def _spelled(items: Iterable[LabelledSentence], data: SentenceDataConfig) -> list[str]:
    return [token.lower() if data.lower else token for s in items for token in s.tokens]


def _split(items: Sequence[LabelledSentence], relations: Sequence[str], tags: Sequence[str]) -> dict[str, Tensor]:
    """All tensors of a split but its words."""
    relation = {name: number for number, name in enumerate(relations)}
    tag = {name: number for number, name in enumerate(tags)}
    documents: dict[str, int] = {}
    return {
        "offsets": torch.from_numpy(_offsets([len(s.tokens) for s in items])),
        "tags": torch.tensor(
            [tag[t] for s in items for t in (s.tags or [tags[UNKNOWN_TAG]] * len(s.tokens))], dtype=torch.int16
        ),
        "spans": torch.tensor([(*s.head, *s.tail) for s in items], dtype=torch.int32).reshape(-1, 4),
        "labels": torch.tensor([relation[s.relation] for s in items], dtype=torch.long),
        "clean": torch.tensor(
            [-1 if s.clean is None else relation.get(s.clean, len(relations)) for s in items], dtype=torch.long
        ),
        "documents": torch.tensor([documents.setdefault(s.document, len(documents)) for s in items], dtype=torch.long),
    }


def _offsets(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


@dataclass(frozen=True)
class Batch:
    """B sentences, padded to the longest of them.

    ``numbers`` [B] are their places in the split; ``words`` and ``tags`` [B, T], END and tag 0 beyond ``lengths`` [B];
    ``spans`` [B, 4]. ``contextual`` [B, T, D] are frozen vectors; ``pieces`` [B, P], padded with −1, are word pieces
    with ``piece_words`` [B, P], the word that each is of.
    """

    numbers: Tensor
    words: Tensor
    tags: Tensor
    lengths: Tensor
    spans: Tensor
    contextual: Tensor | None = None
    pieces: Tensor | None = None
    piece_words: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """[B, T], true for real tokens."""
        return torch.arange(self.words.shape[1], device=self.words.device) < self.lengths[:, None]


def batch_of(split: Split, sentences: Sequence[int] | Tensor, device: torch.device) -> Batch:
    """The sentences of these numbers as a batch."""
    tensors, numbers = split.tensors, torch.as_tensor(sentences, dtype=torch.long)
    rows = padding(tensors["offsets"], numbers)
    words, tags = rows.of(tensors["words"], END), rows.of(tensors["tags"], UNKNOWN_TAG)
    batch = Batch(numbers, *(t.to(device) for t in (words, tags, rows.lengths, tensors["spans"][numbers].long())))
    if "contextual" in tensors:
        vectors = tensors["contextual"][rows.source].float() * rows.inside[..., None]
        return replace(batch, contextual=vectors.to(device))
    if "pieces" in tensors:
        first = tensors["offsets"][numbers]
        pieces, owners = _pieces(tensors["pieces"], tensors["piece_offsets"], first, rows.lengths)
        return replace(batch, pieces=pieces.to(device), piece_words=owners.to(device))
    return batch


def _pieces(pieces: Tensor, piece_offsets: Tensor, first: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """[B, P] word pieces of sentences and [B, P] the words that they are of, both −1 beyond each sentence."""
    begin, end = piece_offsets[first], piece_offsets[first + lengths]
    place = torch.arange(int((end - begin).max()))
    inside = place < (end - begin)[:, None]
    source = torch.where(inside, begin[:, None] + place, 0)
    owner = torch.searchsorted(piece_offsets, source, right=True) - 1 - first[:, None]
    return torch.where(inside, pieces[source].long(), -1), torch.where(inside, owner, -1)


def lengths_of(split: Split) -> list[int]:
    """Tokens of each sentence."""
    lengths: list[int] = split.tensors["offsets"].diff().tolist()
    return lengths


def batches(
    split: Split, sentences: Tensor, batch_size: int, device: torch.device, generator: torch.Generator
) -> Iterator[Batch]:
    """These sentences of a split in random order, ``batch_size`` of similar length at a time."""
    lengths = split.tensors["offsets"].diff()[sentences].tolist()
    for places in cut(lengths, batch_size, generator):
        yield batch_of(split, sentences[places], device)


def evaluation_batches(split: Split, device: torch.device) -> Iterator[Batch]:
    """All sentences once, those of similar length together, as many as ``TOKENS`` allow."""
    lengths = lengths_of(split)
    chosen: list[int] = []
    for sentence in sorted(range(len(lengths)), key=lengths.__getitem__):
        if chosen and (len(chosen) + 1) * lengths[sentence] > TOKENS:
            yield batch_of(split, chosen, device)
            chosen = []
        chosen.append(sentence)
    if chosen:
        yield batch_of(split, chosen, device)
