"""Recurrent layers over padded batches, in which padding changes nothing."""

from typing import cast

import torch
from torch import Tensor, nn


class BidirectionalLSTM(nn.Module):
    """One bidirectional layer, ``hidden`` units per direction.

    Each direction is an LSTM over whole padded sequences, the second over sequences reversed within their lengths, so
    that padding always comes last. Packed sequences would do as well, at several times the cost on a CPU, where PyTorch
    runs them step by step.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.left_to_right = nn.LSTM(inputs, hidden, batch_first=True)
        self.right_to_left = nn.LSTM(inputs, hidden, batch_first=True)
        for name, parameter in self.named_parameters():
            if "bias_hh" in name:  # a second bias beside bias_ih would train at twice the rate: it stays zero
                parameter.requires_grad_(False)
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, D] to [B, T, 2·hidden]; zero beyond each length. A batch of one sentence has no padding."""
        if len(x) == 1:  # nothing to pad
            back = cast(Tensor, self.right_to_left(x.flip(1))[0]).flip(1)
            return torch.cat([self.left_to_right(x)[0], back], dim=2)
        there, back, places = self._both(x, lengths)
        inside = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        return torch.cat([there, _take(back, places)], dim=2) * inside[..., None]

    def last_states(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, 2·hidden]: the forward state at the last token beside the backward state at the first."""
        there, back, _ = self._both(x, lengths)
        row = torch.arange(len(x), device=x.device)
        return torch.cat([there[row, lengths - 1], back[row, lengths - 1]], dim=1)

    def _both(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States of both directions, each in its own order, and the places that reverse every sequence."""
        place = torch.arange(x.shape[1], device=x.device)
        places = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)
        return self.left_to_right(x)[0], self.right_to_left(_take(x, places))[0], places


def _take(x: Tensor, places: Tensor) -> Tensor:
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[2]))
