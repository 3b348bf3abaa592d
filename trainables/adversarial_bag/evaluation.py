"""Held-out scores of a network on one split."""

import torch
from relab.method import Scores
from relab.prepared import Split

from trainables.adversarial_bag.model import BagNetwork
from trainables.bags.evaluation import evaluation_batches, scored


def evaluate(network: BagNetwork, split: Split) -> Scores:
    """Score every relation of a split's bags by log P(r|X); nothing is dropped or perturbed."""
    bags, device = len(split.tensors["bag_offsets"]) - 1, network.words.own.device
    scores = torch.zeros(bags, len(split.vocabulary["relations"]), dtype=torch.float64)
    for batch in evaluation_batches(split, device, end=True):
        scores[list(batch.bags)] = network.predict(batch).cpu()
    return scored(split, scores)
