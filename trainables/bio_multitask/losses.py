"""Pairwise ranking (dos Santos et al. 2015) and the decision that goes with it, as Ye et al. 2019 have them.

Scores are of real relations: Other, label 0, has no score; relation r has column r − 1.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def ranking_loss(scores: Tensor, labels: Tensor, *, scale: float, right: float, wrong: float) -> Tensor:
    """[N]: L⁺ + L⁻ of instances with a relation, L⁻ of the others (tests Y1).

    L⁺ = log(1 + exp(γ(m⁺ − s_y))), L⁻ = log(1 + exp(γ(m⁻ + s_c))) with c the highest relation but the true one.

    Args:
        scores: [N, C].
        labels: [N], from 0 (Other) to C.
        scale: γ.
        right: m⁺.
        wrong: m⁻.
    """
    related = labels > 0
    own = F.one_hot(labels, scores.shape[1] + 1)[:, 1:].bool()
    highest_wrong = scores.masked_fill(own, -torch.inf).amax(1)
    positive = F.softplus(scale * (right - (scores * own).sum(1)))
    negative = F.softplus(scale * (wrong + highest_wrong))
    return positive * related + negative


def decide(scores: Tensor, threshold: float) -> Tensor:
    """[N] labels: the highest relation if its score is at least θ, else Other (test Y2)."""
    highest, column = scores.max(1)
    return torch.where(highest >= threshold, column + 1, 0)
