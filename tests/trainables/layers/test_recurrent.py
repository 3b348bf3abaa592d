"""The bidirectional LSTM against a step written out by hand, and batches against their sentences alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainables.layers.recurrent import BidirectionalLSTM

EXAMPLES = settings(max_examples=25, deadline=None)


def network(inputs: int, hidden: int, seed: int = 0) -> BidirectionalLSTM:
    made, generator = BidirectionalLSTM(inputs, hidden).double(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "bias_hh" not in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return made


def padded(lengths: list[int], dimension: int, seed: int = 0) -> Tensor:
    """Input with something large in the padding."""
    x = torch.randn(
        len(lengths), max(lengths), dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    x[torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]] *= 1000
    return x


def by_hand(x: Tensor, lstm: nn.LSTM) -> list[Tensor]:
    """States of one sentence [T, D], gate by gate, by the equations of a basic LSTM cell without peepholes."""
    hidden, values = lstm.hidden_size, dict(lstm.named_parameters())
    of_input, of_state = values["weight_ih_l0"], values["weight_hh_l0"]
    bias = values["bias_ih_l0"] + values["bias_hh_l0"]
    state, cell, states = torch.zeros(hidden, dtype=x.dtype), torch.zeros(hidden, dtype=x.dtype), []
    for word in x:
        take, forget, candidate, show = (of_input @ word + of_state @ state + bias).view(4, hidden)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(take) * torch.tanh(candidate)
        state = torch.sigmoid(show) * torch.tanh(cell)
        states.append(state)
    return states


@EXAMPLES
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 1000))
def test_states_and_last_states_equal_the_steps_written_out_by_hand(lengths: list[int], seed: int) -> None:
    layer, x = network(3, 2, seed), padded(lengths, 3, seed)
    states, last = layer(x, torch.tensor(lengths)), layer.last_states(x, torch.tensor(lengths))
    assert states.shape == (len(lengths), max(lengths), 4)
    for row, length in enumerate(lengths):
        there = by_hand(x[row, :length], layer.left_to_right)
        back = by_hand(x[row, :length].flip(0), layer.right_to_left)
        expected = torch.cat([torch.stack(there), torch.stack(back).flip(0)], 1)
        torch.testing.assert_close(states[row, :length], expected)
        torch.testing.assert_close(last[row], torch.cat([there[-1], back[-1]]))
        assert not states[row, length:].any()


@EXAMPLES
@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.integers(0, 1000))
def test_a_padded_batch_equals_each_sentence_alone_gradients_included(lengths: list[int], seed: int) -> None:
    layer, x = network(3, 4, seed), padded(lengths, 3, seed).requires_grad_()
    parameters = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    inputs = (x, *parameters)

    def weighted(states: Tensor, last: Tensor) -> Tensor:
        """A sum in which no two states weigh the same."""
        return (states * torch.arange(1, states.numel() + 1).view_as(states).sin()).sum() + (last**2).sum()

    states, last = layer(x, torch.tensor(lengths)), layer.last_states(x, torch.tensor(lengths))
    together = alone = torch.zeros((), dtype=x.dtype)
    for row, length in enumerate(lengths):
        own, size = x[row : row + 1, :length], torch.tensor([length])
        single, single_last = layer(own, size)[0], layer.last_states(own, size)[0]
        torch.testing.assert_close(states[row, :length], single)
        torch.testing.assert_close(last[row], single_last)
        together = together + weighted(states[row, :length], last[row])
        alone = alone + weighted(single, single_last)
    for a, b in zip(torch.autograd.grad(together, inputs), torch.autograd.grad(alone, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_padding_gets_no_gradient() -> None:
    layer, x = network(3, 2), padded([4, 1, 2], 3).requires_grad_()
    lengths = torch.tensor([4, 1, 2])
    (gradient,) = torch.autograd.grad(layer(x, lengths).sum() + layer.last_states(x, lengths).sum(), x)
    padding = torch.arange(4) >= lengths[:, None]
    assert not gradient[padding].any()
    assert gradient[~padding].any(dim=1).all()


@pytest.mark.parametrize("inputs", [1, 5])
def test_one_trained_bias_per_gate(inputs: int) -> None:
    """PyTorch's second bias would double the step of every bias under SGD, and is not in the original's cell."""
    layer = BidirectionalLSTM(inputs, 3)
    seconds = {name: parameter for name, parameter in layer.named_parameters() if "bias_hh" in name}
    assert len(seconds) == 2
    assert not any(parameter.requires_grad or parameter.any() for parameter in seconds.values())
