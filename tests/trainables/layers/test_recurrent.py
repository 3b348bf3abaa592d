"""The bidirectional layers against a step written out by hand, and batches against their sentences alone."""

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainables.layers.recurrent import BidirectionalGRU, BidirectionalLSTM, PyTorchGRU, TensorFlowGRU

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


Form = Literal["tensorflow", "pytorch"]
FORMS: tuple[Form, ...] = ("tensorflow", "pytorch")


def gru(inputs: int, hidden: int, form: Form, seed: int = 0) -> BidirectionalGRU:
    made, generator = BidirectionalGRU(inputs, hidden, form).double(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return made


def gru_by_hand(x: Tensor, cell: nn.Module) -> Tensor:
    """The last state of one sentence [T, D], step by step.

    TensorFlow's GRUCell: [r, u] = σ([x, h] W + b), c = tanh([x, r h] V + a), h ← u h + (1 − u) c.
    """
    if isinstance(cell, PyTorchGRU):
        last: Tensor = nn.GRU.forward(cell, x[:, None])[1][0, 0]
        return last
    assert isinstance(cell, TensorFlowGRU)
    hidden = len(cell.candidate)
    h = torch.zeros(hidden, dtype=x.dtype)
    for word in x:
        gates = torch.sigmoid(torch.cat([word, h]) @ cell.gates.T + cell.gate_bias)
        reset, update = gates[:hidden], gates[hidden:]
        candidate = torch.tanh(torch.cat([word, reset * h]) @ cell.candidate.T + cell.candidate_bias)
        h = update * h + (1 - update) * candidate
    return h


@EXAMPLES
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 1000), st.sampled_from(FORMS))
def test_the_last_states_of_a_gru_equal_its_steps_gradients_included(lengths: list[int], seed: int, form: Form) -> None:
    layer, x = gru(3, 4, form, seed), padded(lengths, 3, seed).requires_grad_()
    inputs = (x, *layer.parameters())
    states = layer(x, torch.tensor(lengths))
    alone = torch.stack(
        [
            torch.cat(
                [
                    gru_by_hand(x[row, :length], layer.left_to_right),
                    gru_by_hand(x[row, :length].flip(0), layer.right_to_left),
                ]
            )
            for row, length in enumerate(lengths)
        ]
    )
    torch.testing.assert_close(states, alone)
    weights = torch.arange(1, states.numel() + 1).view_as(states).sin()
    found = torch.autograd.grad((states * weights).sum(), inputs)
    expected = torch.autograd.grad((alone * weights).sum(), inputs)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_both_forms_of_a_gru_are_two_functions() -> None:
    """With the same kernels and no biases they differ as soon as there is a state to reset, in the second token."""
    tensorflow, pytorch = gru(3, 4, "tensorflow"), gru(3, 4, "pytorch")
    for one, other in (
        (tensorflow.left_to_right, pytorch.left_to_right),
        (tensorflow.right_to_left, pytorch.right_to_left),
    ):
        assert isinstance(one, TensorFlowGRU) and isinstance(other, PyTorchGRU)
        with torch.no_grad():
            one.gate_bias.zero_()
            one.candidate_bias.zero_()
            other.bias_ih_l0.zero_()
            other.bias_hh_l0.zero_()
            kernels = torch.cat([one.gates, one.candidate])
            other.weight_ih_l0.copy_(kernels[:, :3])
            other.weight_hh_l0.copy_(kernels[:, 3:])
    x = padded([2], 3)
    first, both = torch.tensor([1]), torch.tensor([2])
    torch.testing.assert_close(tensorflow(x[:, :1], first), pytorch(x[:, :1], first))
    assert float((tensorflow(x, both) - pytorch(x, both)).detach().abs().max()) > 0.01


@pytest.mark.parametrize("form", FORMS)
def test_no_sentence_gives_no_state(form: Form) -> None:
    assert gru(3, 4, form)(torch.empty(0, 0, 3, dtype=torch.float64), torch.empty(0, dtype=torch.long)).shape == (0, 8)


@pytest.mark.parametrize("form", FORMS)
def test_all_states_end_in_the_last_ones_and_are_those_of_shorter_sentences(form: Form) -> None:
    made, lengths = gru(3, 4, form), torch.tensor([2, 6, 1, 6, 4])
    x = torch.randn(5, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    states, row = made.states(x, lengths), torch.arange(5)
    assert states.shape == (5, 8, 8)
    torch.testing.assert_close(torch.cat([states[row, lengths - 1, :4], states[:, 0, 4:]], 1), made(x, lengths))
    for end in range(1, 7):
        cut_off = made(x, lengths.clamp(max=end))
        torch.testing.assert_close(states[row, lengths.clamp(max=end) - 1, :4], cut_off[:, :4])
    assert not states[torch.arange(8) >= lengths[:, None]].any()
