"""What turns an instance, a sentence with two of its entities, into one vector.

Whatever lies beyond a sentence's length is left out: no vector depends on padding, or on what else is in the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.layers.recurrent import BidirectionalGRU


@dataclass(frozen=True)
class Distances:
    """How far the tokens of a sentence are from one entity, for each of M entities, and whose instances are whose.

    ``index`` [M, T] are rows of ``table`` [V, D]; instance n is of entity ``row`` [N]. Every entity has an instance.
    """

    index: Tensor
    table: Tensor
    row: Tensor


def activated(x: Tensor, activation: Literal["none", "relu", "tanh"]) -> Tensor:
    """``x`` after one of the activations between which the paper leaves the choice."""
    return {"none": lambda: x, "relu": x.relu, "tanh": x.tanh}[activation]()


class MultiWindowConvolution(nn.Module):
    """Convolutions over several window sizes, an activation, the maximum of each filter; if asked for, its mean too.

    Beyond a sentence's ends a window sees zeros, so that there are as many windows as tokens; a window of even size
    sees one token more on the right.
    """

    def __init__(
        self,
        inputs: int,
        filters: int,
        windows: Sequence[int],
        activation: Literal["relu", "tanh"],
        *,
        mean: bool = False,
    ) -> None:
        super().__init__()
        self.kernels = nn.ParameterList(torch.empty(filters, inputs, window) for window in windows)
        self.bias = nn.Parameter(torch.empty(filters * len(windows)))
        self.activation, self.mean = activation, mean
        self.size = filters * len(windows) * (1 + mean)

    def forward(self, tokens: Tensor, sentence: Tensor, distances: Sequence[Distances], lengths: Tensor) -> Tensor:
        """[N, size] for instances of ``lengths`` [N] and ``sentence`` [N], a row of ``tokens`` [S, T, D].

        All maxima, then, with ``mean``, the means over the instance's tokens: filters · windows of each.
        The input of an instance is its tokens' features and those of their ``distances``, side by side. Convolution
        being linear, each sentence and each entity is convolved once, for all its instances; the results are summed.
        """
        place = torch.arange(tokens.shape[1], device=lengths.device)
        own = lengths.new_zeros(len(tokens)).index_copy(0, sentence, lengths)
        parts = [(self._of_tokens(tokens * (place < own[:, None])[..., None]), sentence)]
        first = tokens.shape[2]
        for side in distances:
            own = lengths.new_zeros(len(side.index)).index_copy(0, side.row, lengths)
            index = side.index.masked_fill(place >= own[:, None], len(side.table))
            parts.append((self._of_distances(index, side.table, first), side.row))
            first += side.table.shape[1]
        outside = (place >= lengths[:, None])[..., None]
        with torch.set_grad_enabled(self.mean and torch.is_grad_enabled()):  # a maximum's gradient is its place's alone
            hidden = _summed(parts)
        places = hidden.detach().masked_fill(outside, -torch.inf).max(1).indices  # argmax takes three times as long
        largest = sum(part[row[:, None], places, torch.arange(part.shape[2], device=row.device)] for part, row in parts)
        largest = activated(largest + self.bias, self.activation)  # which rises, so the maximum may come first
        if not self.mean:
            return largest
        every = activated(hidden + self.bias, self.activation).masked_fill(outside, 0)
        return torch.cat([largest, every.sum(1) / lengths[:, None]], 1)

    def _of_tokens(self, tokens: Tensor) -> Tensor:
        """[S, T, filters · windows]: the part of features [S, T, D] that are zero beyond the sentence."""
        x, size = tokens.mT.contiguous(), tokens.shape[2]
        sides = [((kernel.shape[2] - 1) // 2, kernel.shape[2] // 2) for kernel in self.kernels]
        convolved = [
            F.conv1d(F.pad(x, side), kernel[:, :size]) for side, kernel in zip(sides, self.kernels, strict=True)
        ]
        return torch.cat(convolved, 1).mT

    def _of_distances(self, index: Tensor, table: Tensor, first: int) -> Tensor:
        """[M, T, filters · windows]: the part of distances ``index`` [M, T], one beyond the table for none.

        Rows are few: each is multiplied with the kernels once, and the products are looked up.
        """
        widest = max(kernel.shape[2] for kernel in self.kernels)
        left, right = (widest - 1) // 2, widest // 2
        wide = [
            F.pad(kernel[:, first : first + table.shape[1]], (left - (size - 1) // 2, right - size // 2))
            for kernel in self.kernels
            for size in kernel.shape[2:]
        ]
        products = torch.einsum("vd,cdn->nvc", F.pad(table, (0, 0, 0, 1)), torch.cat(wide))
        seen = F.pad(index, (left, right), value=len(table)).unfold(1, widest, 1)
        seen = seen + products.shape[1] * torch.arange(widest, device=index.device)
        summed = F.embedding_bag(seen.flatten(0, 1), products.flatten(0, 1), mode="sum")
        return summed.view(*index.shape, -1)


def _summed(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """[N, T, C]: for each instance the sum over ``parts``, [M, T, C] of which it has row ``row`` [N]."""
    (part, row), *others = parts
    total = part.index_select(0, row)
    for part, row in others:
        total += part.index_select(0, row)
    return total


class EntityAttentionGRU(nn.Module):
    """Eatt-BiGRU (Qin et al. 2017): a bidirectional GRU, and attention over its states with the entities as the query.

    u_t = vᵀ tanh(W_h h_t + W_e [e1; e2]), the vector is Σ softmax(u)_t h_t; e1 and e2 are the means of the entities'
    word vectors.
    """

    def __init__(self, inputs: int, hidden: int, word: int) -> None:
        super().__init__()
        self.recurrence = BidirectionalGRU(inputs, hidden, "pytorch")
        self.size = 2 * hidden
        self.of_state = nn.Linear(self.size, self.size)
        self.of_entities = nn.Linear(2 * word, self.size, bias=False)
        self.score = nn.Linear(self.size, 1, bias=False)

    def forward(self, x: Tensor, words: Tensor, lengths: Tensor, spans: Tensor) -> Tensor:
        """[N, 2·hidden] for inputs ``x`` [N, T, D], word vectors [N, T, W] and the entities' ``spans`` [N, 4]."""
        states: Tensor = self.recurrence.states(x, lengths)
        entities = torch.cat([_mean(words, spans[:, :2]), _mean(words, spans[:, 2:])], 1)
        scores: Tensor = self.score((self.of_state(states) + self.of_entities(entities)[:, None]).tanh())[..., 0]
        place = torch.arange(x.shape[1], device=x.device)
        weights = scores.masked_fill(place >= lengths[:, None], -torch.inf).softmax(1)
        return (weights[..., None] * states).sum(1)


def _mean(words: Tensor, span: Tensor) -> Tensor:
    """[N, W]: the mean of the vectors within each span [begin, end)."""
    place = torch.arange(words.shape[1], device=words.device)
    inside = ((place >= span[:, :1]) & (place < span[:, 1:])).to(words.dtype)
    return torch.einsum("nt,ntw->nw", inside, words) / inside.sum(1, keepdim=True)
