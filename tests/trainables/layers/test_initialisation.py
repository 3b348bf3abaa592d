"""Initial values: their limits, their streams, and what is left alone."""

import math

import pytest
import torch
from relab.corpus import digest
from torch import Tensor, nn

from trainables.layers.initialisation import initialise
from trainables.layers.recurrent import BidirectionalLSTM


class Network(nn.Module):
    """One of each kind of parameter."""

    def __init__(self, labels: int = 9) -> None:
        super().__init__()
        self.table = nn.Embedding(60, 25)
        self.lstm = BidirectionalLSTM(25, 64)
        self.hidden = nn.Linear(128, 64)
        self.scores = nn.Linear(64, labels)
        self.transitions = nn.Parameter(torch.empty(labels, labels))


def stream(name: str) -> torch.Generator:
    return torch.Generator().manual_seed(int(digest("a seed", name)[:15], 16))


def initial(network: nn.Module, *, keep: tuple[str, ...] = (), zero_biases: bool = False) -> dict[str, Tensor]:
    initialise(network, stream, keep=keep, zero_biases=zero_biases)
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def assert_uniform(values: Tensor, limit: float) -> None:
    """Inside ±limit, up to it, and with a uniform distribution's deviation."""
    assert float(values.abs().max()) <= limit
    assert float(values.abs().max()) > limit * (1 - 12 / values.numel())
    assert abs(float(values.mean())) < 5 * limit / math.sqrt(3 * values.numel())


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("table.weight", math.sqrt(6 / (60 + 25))),
        ("hidden.weight", math.sqrt(6 / (128 + 64))),
        ("scores.weight", math.sqrt(6 / (64 + 9))),
        ("transitions", math.sqrt(6 / (9 + 9))),
        ("hidden.bias", 0.2165),
        ("scores.bias", 0.5774),
        ("lstm.left_to_right.weight_ih_l0", math.sqrt(6 / (25 + 5 * 64))),
        ("lstm.left_to_right.weight_hh_l0", math.sqrt(6 / (25 + 5 * 64))),
        ("lstm.right_to_left.weight_ih_l0", math.sqrt(6 / (25 + 5 * 64))),
        ("lstm.right_to_left.weight_hh_l0", math.sqrt(6 / (25 + 5 * 64))),
    ],
)
def test_limits_are_glorots(name: str, limit: float) -> None:
    values = initial(Network())[name]
    assert 0.5 * limit < float(values.abs().max()) < limit + 5e-5
    if values.numel() > 1000:
        assert_uniform(values, limit)


@pytest.mark.parametrize("length", [9, 64, 2000])
def test_a_vector_counts_as_a_square_matrix(length: int) -> None:
    """√(3/n), as `get_variable` has it; √(6/n) or zero would be other conventions."""
    vector = nn.Parameter(torch.empty(length))
    draws = []
    for seed in range(20):
        initialise(nn.ParameterList([vector]), lambda name, seed=seed: torch.Generator().manual_seed(seed))  # type: ignore[misc]
        draws.append(vector.detach().clone())
    assert_uniform(torch.cat(draws), math.sqrt(3 / length))


def test_the_forget_gates_bias_is_one_and_all_others_of_an_lstm_are_zero() -> None:
    values = initial(Network())
    for direction in ("left_to_right", "right_to_left"):
        bias = values[f"lstm.{direction}.bias_ih_l0"] + values[f"lstm.{direction}.bias_hh_l0"]
        take, forget, candidate, show = bias.view(4, 64)
        assert torch.equal(forget, torch.ones(64))
        assert not any(gate.any() for gate in (take, candidate, show))


def test_the_forget_gate_is_the_one_that_keeps_the_cell() -> None:
    """With a bias of one and no weights a cell of 1 goes on at sigmoid(1), and takes nothing new."""
    lstm = nn.LSTM(2, 3)
    initialise(lstm, stream)
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            if "weight" in name:
                parameter.zero_()
        _, (_, cell) = lstm(torch.ones(1, 2), (torch.zeros(1, 3), torch.ones(1, 3)))
    torch.testing.assert_close(cell, torch.full((1, 3), 1 / (1 + math.exp(-1))))


def test_zero_biases_changes_biases_alone() -> None:
    drawn, zero = initial(Network()), initial(Network(), zero_biases=True)
    assert {name for name in drawn if not torch.equal(drawn[name], zero[name])} == {"hidden.bias", "scores.bias"}
    assert not zero["hidden.bias"].any()
    assert not zero["scores.bias"].any()


def test_each_parameter_has_its_own_stream_and_the_next_one_does_not_depend_on_its_size() -> None:
    small, large = initial(Network(labels=3)), initial(Network(labels=9))
    differing = {name for name in small if small[name].shape != large[name].shape}
    assert differing == {"scores.weight", "scores.bias", "transitions"}
    assert all(torch.equal(small[name], large[name]) for name in small.keys() - differing)
    assert not torch.equal(large["lstm.left_to_right.weight_ih_l0"], large["lstm.right_to_left.weight_ih_l0"])


def test_what_the_network_held_before_does_not_matter_but_for_what_is_kept() -> None:
    network = Network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(7)
    values = initial(network, keep=("table.weight",))
    reference = initial(Network())
    assert torch.equal(values.pop("table.weight"), torch.full((60, 25), 7.0))
    assert all(torch.equal(value, reference[name]) for name, value in values.items())
