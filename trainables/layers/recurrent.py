"""Recurrent layers over padded batches, in which padding changes nothing."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class BidirectionalLSTM(nn.Module):
    """One bidirectional layer, ``hidden`` units per direction."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, bidirectional=True, batch_first=True)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_hh"):  # a second bias beside bias_ih would train at twice the rate: it stays zero
                parameter.requires_grad_(False)
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, D] to [B, T, 2·hidden]; zero beyond each length."""
        if len(x) == 1:  # nothing to pad: the plain call is faster
            return cast(Tensor, self.lstm(x)[0])
        states, _ = self.lstm(self._packed(x, lengths))
        return pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])[0]

    def last_states(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, 2·hidden]: the forward state at the last token beside the backward state at the first."""
        _, (last, _) = self.lstm(self._packed(x, lengths))
        return torch.cat([last[0], last[1]], dim=1)

    def _packed(self, x: Tensor, lengths: Tensor) -> PackedSequence:
        return pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
