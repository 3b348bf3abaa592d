"""Probabilities of a split's relations, and its scores with the tables that stay beside them."""

import polars as pl
import torch
from relab.method import Scores
from relab.prepared import Split
from torch import Tensor

from trainables.layers.noise import NO_NOISE
from trainables.metrics.sentence_classification import NA, agreement, by_relation
from trainables.sent.config import METRICS
from trainables.sent.model import SentenceNetwork
from trainables.sentences.data import evaluation_batches


@torch.no_grad()
def probabilities(network: SentenceNetwork, split: Split) -> Tensor:
    """[N, R]: p(r) of each sentence; nothing is dropped. On the CPU."""
    found = torch.zeros(len(split.tensors["labels"]), len(split.vocabulary["relations"]))
    device = network.scores.weight.device
    for batch in evaluation_batches(split, device):
        found[batch.numbers] = network(batch, NO_NOISE).softmax(1).cpu()
    return found


def evaluate(network: SentenceNetwork, split: Split) -> Scores:
    """Score the most probable relation of each sentence against the corpus' label, micro-averaged without NA.

    Tables: ``relations``, counts and scores of each, NA included; ``sentences``, counts of each; ``predictions``.
    """
    found, names = probabilities(network, split), split.vocabulary["relations"]
    gold, (probability, predicted) = split.tensors["labels"], found.max(1)
    counts = agreement(gold, predicted)
    relations = [
        {
            "relation": name,
            "right": own.right,
            "predicted": own.given,
            "gold": own.wanted,
            "precision": own.precision,
            "recall": own.recall,
            "f1": own.f1,
        }
        for name, own in zip(names, by_relation(gold, predicted, len(names)), strict=True)
    ]
    right = (gold == predicted) & (gold != NA)
    sentences = pl.DataFrame(
        {
            "sentence": range(len(gold)),
            "right": right.int().tolist(),
            "predicted": (predicted != NA).int().tolist(),
            "gold": (gold != NA).int().tolist(),
        }
    )
    predictions = pl.DataFrame(
        {
            "sentence": range(len(gold)),
            "gold": [names[label] for label in gold.tolist()],
            "predicted": [names[label] for label in predicted.tolist()],
            "probability": probability.tolist(),
        }
    )
    return Scores(
        {name: float(getattr(counts, name)) for name in METRICS},
        {"relations": pl.DataFrame(relations), "sentences": sentences, "predictions": predictions},
    )
