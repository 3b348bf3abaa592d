"""From annotated sentences to tensors of instances, and from tensors to batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from relab.corpus import Corpus
from relab.prepared import Prepared, Split
from torch import Tensor

from trainables.bags.data import END, word_rows
from trainables.batching import cut, padding
from trainables.bio_multitask.config import PairDataConfig
from trainables.bio_multitask.extraction import COUNTS, entity_types, extract
from trainables.corpora.sentences import NO_RELATION, AnnotatedSentence, Entity

TEXT = "text"
"""What the one word table of the corpus is called."""
OUTSIDE = 0


def prepare_pairs(corpus: Corpus[AnnotatedSentence], data: PairDataConfig) -> Prepared:
    """Index a corpus of annotated sentences.

    Per split, S sentences with N instances, ascending: ``words`` and ``tags`` flat with ``offsets`` [S + 1];
    ``sentence`` [N], ``spans`` [N, 4], ``labels`` [N] (0 for Other) and ``judged`` [N] as ``Instances`` has them;
    ``counts`` as vocabulary ``counts`` names them. A word's number is its row of the word table.

    Relations and entity types are those of all splits; words with a row of their own are train's.
    """
    items = [item for split in corpus.splits.values() for item in split]
    named = {name for item in items for _, name, _ in item.relations} - {NO_RELATION}
    relations, types = (NO_RELATION, *sorted(named)), entity_types(corpus.splits)
    words = sorted({token for item in items for token in item.tokens})
    number = {word: place for place, word in enumerate(words)}
    tokens = {
        name: np.array([number[token] for item in split for token in item.tokens], dtype=np.int64)
        for name, split in corpus.splits.items()
    }
    counts = {name: np.bincount(ids, minlength=len(words)) for name, ids in tokens.items()}
    rows = word_rows(words, counts, corpus.vectors, data)
    inside = "I" if data.inside_tags == "shared" else None
    tags = ("O", *dict.fromkeys(tag for kind in types for tag in (f"B-{kind}", inside or f"I-{kind}")))
    instances = extract(corpus.splits, relations, data)
    splits = {}
    for name, split in corpus.splits.items():
        found = instances[name]
        splits[name] = {
            "offsets": torch.tensor(np.cumsum([0, *(len(item.tokens) for item in split)])),
            "words": torch.from_numpy(rows.row[tokens[name]]),
            "tags": torch.from_numpy(_tags(split, tags, inside)),
            "sentence": torch.from_numpy(found.sentence.astype(np.int32)),
            "spans": torch.from_numpy(found.spans.astype(np.int32)),
            "labels": torch.from_numpy(found.label),
            "judged": torch.from_numpy(found.judged),
            "counts": torch.tensor([found.counts[what] for what in COUNTS]),
        }
    shared = {f"drawn/{TEXT}": torch.tensor([rows.drawn])}
    if rows.vectors is not None:
        shared[f"vectors/{TEXT}"] = torch.from_numpy(rows.vectors)
    vocabulary = {"relations": relations, "types": types, "tags": tags, "words": rows.words, "counts": tuple(COUNTS)}
    return Prepared(splits, shared, vocabulary)


def _tags(items: Sequence[AnnotatedSentence], tags: Sequence[str], inside: str | None) -> npt.NDArray[np.int16]:
    """Flat tag numbers of all sentences."""
    number = {tag: place for place, tag in enumerate(tags)}
    flat: list[int] = []
    for item in items:
        own = [OUTSIDE] * len(item.tokens)
        for entity in tagged(item.entities):
            rest = number[inside or f"I-{entity.type}"]
            own[entity.begin : entity.end] = [number[f"B-{entity.type}"]] + [rest] * (entity.end - entity.begin - 1)
        flat += own
    return np.array(flat, dtype=np.int16)


def tagged(entities: Sequence[Entity]) -> list[Entity]:
    """The entities that are seen in the tags: of those that share a token the longest, of equally long ones the first.

    Not stated. An entity that loses has no tag at all; its pairs are instances all the same.
    """
    taken: set[int] = set()
    kept = []
    for entity in sorted(entities, key=lambda entity: (entity.begin - entity.end, entity.begin)):
        tokens = range(entity.begin, entity.end)
        if taken.isdisjoint(tokens):
            taken.update(tokens)
            kept.append(entity)
    return kept


@dataclass(frozen=True)
class Batch:
    """N instances of S sentences, which are padded to the longest of them.

    ``words`` [S, T] are rows of the word table, END beyond ``lengths`` [S]; ``tags`` [S, T]; ``sentence`` [N], from 0
    to S − 1; ``spans`` [N, 4]; ``labels`` [N]. ``instances`` [N] are their places in the split.
    """

    instances: Tensor
    words: Tensor
    tags: Tensor
    lengths: Tensor
    sentence: Tensor
    spans: Tensor
    labels: Tensor


def batch_of(split: Split, instances: Sequence[int], device: torch.device) -> Batch:
    """The instances of these numbers as a batch, each of their sentences once."""
    tensors = split.tensors
    chosen = torch.tensor(instances, dtype=torch.long)
    sentences, sentence = torch.unique(tensors["sentence"][chosen].long(), return_inverse=True)
    rows = padding(tensors["offsets"], sentences)
    words, tags = rows.of(tensors["words"], END), rows.of(tensors["tags"], OUTSIDE)
    spans, labels = tensors["spans"][chosen].long(), tensors["labels"][chosen]
    return Batch(*(t.to(device) for t in (chosen, words, tags, rows.lengths, sentence, spans, labels)))


def batches(
    split: Split, batch_size: int, device: torch.device, generator: torch.Generator | None = None
) -> Iterator[Batch]:
    """All instances of a split: by length without a generator, else shuffled, by similar length.

    The instances of a sentence stay together, so that what they share is computed once; only the cut between two
    batches may part them.
    """
    sentence = split.tensors["sentence"].tolist()
    sizes = split.tensors["offsets"].diff().tolist()
    lengths = [sizes[number] for number in sentence]
    if generator is None:
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        for at in range(0, len(order), batch_size):
            yield batch_of(split, order[at : at + batch_size], device)
        return
    for instances in cut(lengths, batch_size, generator, groups=sentence):
        yield batch_of(split, instances, device)
