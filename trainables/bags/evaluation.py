"""Held-out scores of a split's bags, with the tables that stay beside them."""

from collections.abc import Iterator

import polars as pl
import torch
from relab.method import Scores
from relab.prepared import Split
from torch import Tensor

from trainables.bags.config import METRICS, RECALLS
from trainables.bags.data import Batch, bag_lengths, batch_of
from trainables.metrics.held_out import by_relation, held_out

TOKENS = 20_000
"""Of an evaluation batch, padding included, unless one bag alone has more."""
TOP = 1000
"""Predictions that are kept by name."""


def scored(split: Split, scores: Tensor) -> Scores:
    """Rank all relations but NA of all bags by ``scores`` [B, R], logarithms of probabilities.

    Tables: ``curve``, precision at each positive; ``relations``, average precision of each; ``bags``, the first
    predictions of the ranking with the names of the pair.
    """
    scores, gold = scores[:, 1:], gold_of(split)[:, 1:]
    ranking = held_out(scores, gold)
    values = {"average_precision": ranking.average_precision}
    for recall in RECALLS:
        values[f"precision_at_{recall}"] = ranking.precision_at(recall / 100)
        values[f"interpolated_precision_at_{recall}"] = ranking.precision_at(recall / 100, interpolated=True)
    tables = {
        "curve": ranking.curve(),
        "relations": by_relation(scores, gold, split.vocabulary["relations"][1:]),
        "bags": _top(split, scores, gold),
    }
    return Scores({name: values[name] for name in METRICS}, tables)


def evaluation_batches(split: Split, device: torch.device, *, end: bool = False) -> Iterator[Batch]:
    """All bags once, those of similar length together, as many as ``TOKENS`` allow."""
    sizes, lengths = split.tensors["bag_offsets"].diff().tolist(), bag_lengths(split)
    chosen: list[int] = []
    sentences = 0
    for bag in sorted(range(len(lengths)), key=lengths.__getitem__):
        sentences += sizes[bag]
        if chosen and sentences * lengths[bag] > TOKENS:
            yield batch_of(split, chosen, device, end=end)
            chosen, sentences = [], sizes[bag]
        chosen.append(bag)
    if chosen:
        yield batch_of(split, chosen, device, end=end)


def gold_of(split: Split) -> Tensor:
    """[B, R]: 1 for a bag's relations."""
    labels, counts = split.tensors["labels"], split.tensors["label_offsets"].diff()
    gold = torch.zeros(len(counts), len(split.vocabulary["relations"]))
    gold[torch.repeat_interleave(torch.arange(len(counts)), counts), labels] = 1
    return gold


def _top(split: Split, scores: Tensor, gold: Tensor) -> pl.DataFrame:
    """The first predictions of the ranking."""
    order = scores.flatten().argsort(descending=True, stable=True)[:TOP]
    bag, relation = order // scores.shape[1], order % scores.shape[1]
    names, relations = split.vocabulary["entities"], split.vocabulary["relations"]
    head, tail = ([names[entity] for entity in side] for side in split.tensors["ends"][bag].T.tolist())
    return pl.DataFrame(
        {
            "head": head,
            "relation": [relations[place + 1] for place in relation.tolist()],
            "tail": tail,
            "score": scores[bag, relation].tolist(),
            "gold": (gold[bag, relation] > 0).tolist(),
        },
        schema={"head": pl.String, "relation": pl.String, "tail": pl.String, "score": pl.Float64, "gold": pl.Boolean},
    )
