"""Attention over the sentences of a bag, and what a relation's attended vector says of it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.bags.attention import SelectiveAttention, segment_sum
from trainables.bags.data import ranges


class Head(nn.Module):
    """Queries and a classifier: p(r | s) = softmax(M s + d)[r], s the sum of the sentences as r's query weighs them.

    The code adds query · s to all logits, which the softmax takes out again (test A2); that is not repeated.
    """

    def __init__(self, relations: int, size: int, *, tied: bool) -> None:
        super().__init__()
        self.attention = SelectiveAttention(relations, size, squashed=False)
        if not tied:
            self.weight = nn.Parameter(torch.empty(relations, size))
        self.bias = nn.Parameter(torch.empty(relations))

    @property
    def matrix(self) -> Tensor:
        """[R, D]: M, which is the queries where both are tied."""
        return getattr(self, "weight", self.attention.queries)

    def log_likelihood(self, sentences: Tensor, bag: Tensor, bags: Tensor, relations: Tensor) -> Tensor:
        """[P]: log p(r | s) of P pairs of a bag and a relation, each with the relation's own query.

        ``sentences`` [S, D] with ``bag`` [S] in ascending order; ``bags`` and ``relations`` [P]. A bag without a
        sentence has s = 0 (test A3).
        """
        offsets = torch.searchsorted(bag, torch.arange(int(bags.max()) + 2, device=bag.device))
        place, pair = ranges(offsets, bags)
        chosen = sentences[place]
        weights = self.attention(chosen, pair, len(bags), relations[pair])
        attended = segment_sum(weights[:, None] * chosen, pair, len(bags))
        logits = F.linear(attended, self.matrix, self.bias)
        return F.log_softmax(logits, 1).gather(1, relations[:, None]).squeeze(1)

    def scores(self, sentences: Tensor, bag: Tensor, bags: int) -> Tensor:
        """[bags, R]: log p(r | s) of every relation, each with its own query; they do not sum to one over r.

        A relation's attended vector times M is the same sum of the sentences' products with M: the vectors themselves,
        bags × R × D numbers, are never made.
        """
        weights = self.attention(sentences, bag, bags)
        own = padded(weights, bag, bags).mT @ padded(sentences @ self.matrix.T, bag, bags)
        return F.log_softmax(own + self.bias, 2).diagonal(dim1=1, dim2=2)


def padded(values: Tensor, bag: Tensor, bags: int) -> Tensor:
    """[bags, largest, R]: the rows [S, R] by bag, zeros behind them."""
    counts = torch.bincount(bag, minlength=bags)
    place = torch.arange(len(bag), device=bag.device) - (counts.cumsum(0) - counts)[bag]
    largest = int(counts.max()) if len(bag) else 0
    return values.new_zeros(bags, largest, values.shape[1]).index_put((bag, place), values)
