"""Recurrent layers over padded batches, in which padding changes nothing."""

from itertools import pairwise
from typing import Literal, cast

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


class TensorFlowGRU(nn.Module):
    """The parameters of TensorFlow's GRUCell, kernels transposed; its gates are ``reset``, ``update`` in this order."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.empty(2 * hidden, inputs + hidden))
        self.candidate = nn.Parameter(torch.empty(hidden, inputs + hidden))
        self.gate_bias = nn.Parameter(torch.ones(2 * hidden))
        self.candidate_bias = nn.Parameter(torch.zeros(hidden))

    def joined(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[3·hidden, inputs], [3·hidden, hidden], [3·hidden], and [hidden], the bias within the reset product: 0."""
        hidden = len(self.candidate)
        inputs = self.gates.shape[1] - hidden
        of_input, of_state = torch.split(torch.cat([self.gates, self.candidate]), [inputs, hidden], 1)
        bias = torch.cat([self.gate_bias, self.candidate_bias])
        return of_input, of_state, bias, torch.zeros_like(self.candidate_bias)


class PyTorchGRU(nn.GRU):
    """The parameters of PyTorch's GRU, one layer, one direction."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def joined(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As of ``TensorFlowGRU``."""
        gates, inside = torch.split(self.bias_hh_l0, [2 * self.hidden_size, self.hidden_size])
        bias = self.bias_ih_l0 + torch.cat([gates, torch.zeros_like(inside)])
        return self.weight_ih_l0, self.weight_hh_l0, bias, inside


class BidirectionalGRU(nn.Module):
    """One bidirectional layer, ``hidden`` units per direction: its last states, or all of them.

    With r, z = σ(W [x; h] + b) a step is h ← z h + (1 − z) c. In TensorFlow's form c = tanh(V x + U (r h) + a), in
    PyTorch's c = tanh(V x + a + r (U h + a')), which no choice of parameters makes equal.

    Both directions go at once, over the real tokens of the sentences that have not ended: about twice the speed of
    ``nn.GRU`` over padded sentences on one core, in either form.
    """

    def __init__(self, inputs: int, hidden: int, form: Literal["tensorflow", "pytorch"]) -> None:
        super().__init__()
        self.form, self.hidden = form, hidden
        cell = TensorFlowGRU if form == "tensorflow" else PyTorchGRU
        self.left_to_right = cell(inputs, hidden)
        self.right_to_left = cell(inputs, hidden)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, D] to [B, 2·hidden]: the forward state at the last token beside the backward state at the first."""
        order, _, _, found = self._run(x, lengths)
        steps = ((state, after.shape[1]) for state, after in pairwise(found))
        ended = [state[:, left:] for state, left in steps if left < state.shape[1]]
        states = torch.cat([found[-1], *reversed(ended)], 1)
        return torch.empty_like(states).index_copy(1, order, states).transpose(0, 1).flatten(1)

    def states(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, D] to [B, T, 2·hidden]; zero beyond each length."""
        _, row, time, found = self._run(x, lengths)
        there, back = torch.cat(found[1:], 1)
        result = x.new_zeros(2, *x.shape[:2], self.hidden)
        result = result.index_put((torch.zeros_like(row), row, time), there)
        result = result.index_put((torch.ones_like(row), row, lengths[row] - 1 - time), back)
        return torch.cat([result[0], result[1]], 2)

    def _run(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """The rows of the batch from long to short; the row and step of each state; the states [2, going, hidden] after
        each step, before the first one zero."""
        order = lengths.argsort(descending=True, stable=True)
        sorted_lengths = lengths[order]
        going = sorted_lengths > torch.arange(x.shape[1], device=x.device)[:, None]
        counts = going.sum(1).tolist()
        time, row = going.nonzero(as_tuple=True)
        both = torch.stack([x[order[row], time], x[order[row], sorted_lengths[row] - 1 - time]])
        parts = zip(self.left_to_right.joined(), self.right_to_left.joined(), strict=True)
        of_input, of_state, bias, inside = (torch.stack(part) for part in parts)
        steps = torch.split(torch.baddbmm(bias[:, None], both, of_input.mT), counts, 1)
        found = [x.new_zeros(2, len(x), self.hidden)]
        for step in steps:
            found.append(self._next(step, found[-1][:, : step.shape[1]], of_state, inside))
        return order, order[row], time, found

    def _next(self, step: Tensor, state: Tensor, of_state: Tensor, inside: Tensor) -> Tensor:
        """The states after a step whose products with the input are ``step`` [2, B, 3·hidden]."""
        size = [2 * self.hidden, self.hidden]
        of_gates, of_candidate = torch.split(step, size, 2)
        if self.form == "tensorflow":
            to_gates, to_candidate = torch.split(of_state, size, 1)
            reset, update = torch.baddbmm(of_gates, state, to_gates.mT).sigmoid().chunk(2, 2)
            candidate = torch.baddbmm(of_candidate, reset * state, to_candidate.mT).tanh()
        else:
            to_gates, to_candidate = torch.split(torch.bmm(state, of_state.mT), size, 2)
            reset, update = (of_gates + to_gates).sigmoid().chunk(2, 2)
            candidate = (of_candidate + reset * (to_candidate + inside[:, None])).tanh()
        return torch.lerp(candidate, state, update)
