"""Selective attention over the sentences of a bag (Lin et al. 2016), for all bags of a batch at once."""

import torch
from torch import Tensor, nn


def segment_sum(values: Tensor, bag: Tensor, bags: int) -> Tensor:
    """[bags, …]: the sum of ``values`` [S, …] over the sentences of each bag; ``bag`` [S] is in ascending order."""
    return torch.zeros(bags, *values.shape[1:], dtype=values.dtype, device=values.device).index_add(0, bag, values)


def segment_softmax(scores: Tensor, bag: Tensor, bags: int) -> Tensor:
    """[S, …]: softmax of ``scores`` [S, …] over the sentences of each bag."""
    with torch.no_grad():
        index = bag.view(-1, *(1,) * (scores.dim() - 1)).expand_as(scores)
        largest = torch.zeros(bags, *scores.shape[1:], dtype=scores.dtype, device=scores.device)
        largest.scatter_reduce_(0, index, scores, "amax", include_self=False)
    raised = (scores - largest[bag]).exp()
    return raised / segment_sum(raised, bag, bags)[bag]


def averaging(bag: Tensor, bags: int) -> Tensor:
    """[S]: the weights of a plain mean over each bag's sentences."""
    return 1 / torch.bincount(bag, minlength=bags)[bag]


class SelectiveAttention(nn.Module):
    """Weights of the sentences of a bag, for each relation by a query of its own."""

    def __init__(self, relations: int, size: int, *, squashed: bool) -> None:
        """``squashed``: a sentence's score is q · tanh(s) (Wu et al. 2017) in place of q · s (Lin 2016, Wang 2018)."""
        super().__init__()
        self.queries = nn.Parameter(torch.empty(relations, size))
        self.squashed = squashed

    def forward(self, sentences: Tensor, bag: Tensor, bags: int, relation: Tensor | None = None) -> Tensor:
        """Weights that sum to 1 within each bag: [S, R] for all relations, or [S] for one ``relation`` [S] each.

        ``sentences`` [S, D] with ``bag`` [S], from 0 to ``bags`` − 1 in ascending order.
        """
        keys = torch.tanh(sentences) if self.squashed else sentences
        scores = keys @ self.queries.T if relation is None else (keys * self.queries[relation]).sum(1)
        return segment_softmax(scores, bag, bags)
