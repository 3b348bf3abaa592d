"""What turns the tokens of a sentence into one vector, and what says where its two entities are.

Whatever lies beyond a sentence's length is left out: no vector depends on padding, or on what else is in the batch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def relative_positions(spans: Tensor, width: int, limit: int) -> Tensor:
    """[S, width]: how far each token is from the span [begin, end) of ``spans`` [S, 2], cut at ± limit, from 0 (W7).

    Before the span negative, 0 inside, 1 for the first token after it; then ``limit`` is added.
    """
    place = torch.arange(width, device=spans.device)
    begin, end = spans[:, :1], spans[:, 1:]
    before = (place - begin).clamp(max=0)
    after = (place - torch.maximum(end, begin + 1) + 1).clamp(min=0)
    return (before + after).clamp(-limit, limit) + limit


class PositionEmbedding(nn.Module):
    """An embedding of each token's distance from the head, and one of that from the tail."""

    def __init__(self, limit: int, size: int, *, shared: bool) -> None:
        """``shared``: one table for both entities (Wu et al. 2017, code), else one each (Wang et al. 2018)."""
        super().__init__()
        self.limit = limit
        self.tables = nn.ParameterList(torch.empty(2 * limit + 1, size) for _ in range(1 if shared else 2))
        self.size = 2 * size

    def forward(self, spans: Tensor, width: int) -> Tensor:
        """[S, width, 2·size] for ``spans`` [S, 4]."""
        sides = (relative_positions(pair, width, self.limit) for pair in spans.split_with_sizes((2, 2), 1))
        tables = (self.tables[0], self.tables[-1])
        return torch.cat([F.embedding(side, table) for side, table in zip(sides, tables, strict=True)], 2)


class EntityIndicator(nn.Module):
    """Constants that mark the tokens of the entities.

    ``marked`` (Wu et al. 2017, paper): ``size`` ones in a token of either entity, else zeros. ``told_apart`` (their
    code): ``size`` ones and as many zeros in the head's tokens, the other way around in the tail's, which take
    precedence where both overlap.
    """

    def __init__(self, size: int, *, told_apart: bool) -> None:
        super().__init__()
        self.each, self.told_apart = size, told_apart
        self.size = 2 * size if told_apart else size

    def forward(self, spans: Tensor, width: int) -> Tensor:
        """[S, width, size] for ``spans`` [S, 4]."""
        place = torch.arange(width, device=spans.device)
        head, tail = ((place >= spans[:, at, None]) & (place < spans[:, at + 1, None]) for at in (0, 2))
        marks = [head & ~tail, tail] if self.told_apart else [head | tail]
        return torch.stack(marks, 2).float().repeat_interleave(self.each, 2)


class PiecewiseConvolution(nn.Module):
    """PCNN (Zeng et al. 2015): convolution over three tokens, the maximum of each of three pieces, ReLU."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(channels, inputs, 3))
        self.bias = nn.Parameter(torch.empty(channels))
        self.size = 3 * channels

    def forward(self, x: Tensor, lengths: Tensor, spans: Tensor) -> Tensor:
        """[S, T, D] to [S, 3·channels]: all channels of the first piece, then of the second and of the third.

        The pieces are [0, b), [b, d), [d, length) with b and d the ends of the entities, the smaller one first; a piece
        without a token gives 0. Beyond a sentence's ends the window sees zeros.
        """
        hidden = _convolved(x, lengths, lengths, self.kernel, self.bias, before=1)
        ends = spans[:, 1::2].sort(1).values
        pieces = torch.stack([ends[:, 0], ends[:, 1] - ends[:, 0], lengths - ends[:, 1]], 1).flatten()
        largest = torch.segment_reduce(hidden, "max", lengths=pieces, initial=0)
        return largest.relu().view(len(x), self.size)


class Convolution(nn.Module):
    """CNN (Wang et al. 2018): convolution over three tokens, the maximum of each channel, tanh."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(channels, inputs, 3))
        self.bias = nn.Parameter(torch.empty(channels))
        self.size = channels

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[S, T, D] to [S, channels].

        The window stays inside the sentence; one of fewer than three tokens is filled up to three with zeros.
        """
        if not len(x):  # segment_reduce refuses to reduce nothing to nothing
            return x.new_zeros(0, self.size)
        windows = (lengths - 2).clamp(min=1)
        hidden = _convolved(x, lengths, windows, self.kernel, self.bias, before=0)
        return torch.segment_reduce(hidden, "max", lengths=windows).tanh()


def _convolved(x: Tensor, lengths: Tensor, windows: Tensor, kernel: Tensor, bias: Tensor, *, before: int) -> Tensor:
    """[sum of ``windows``, channels]: a kernel of three at the first ``windows`` [S] places of each sentence.

    The first window begins ``before`` tokens ahead of the sentence. A product over the windows that there are takes
    half the time of a convolution over padded sentences, and the pieces of a sentence then lie side by side.
    """
    place = torch.arange(x.shape[1], device=x.device)
    padded = F.pad(x * (place < lengths[:, None])[..., None], (0, 0, before, 2 - before))
    row, start = (place < windows[:, None]).nonzero(as_tuple=True)
    first = row * padded.shape[1] + start
    tokens = padded.flatten(0, 1)
    near = torch.cat([tokens.index_select(0, first + n) for n in range(3)], 1)
    return F.linear(near, kernel.transpose(1, 2).flatten(1), bias)
