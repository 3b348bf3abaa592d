"""Initial values: their limits, their streams, and what is left alone."""

import math

import pytest
import torch
from relab.corpus import digest
from torch import Tensor, nn

from trainables.layers.initialisation import Draw, constant, glorot, initialise, normal, orthogonal, uniform
from trainables.layers.recurrent import BidirectionalGRU, BidirectionalLSTM


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


def drawn(draw: Draw, *shape: int) -> Tensor:
    parameter = nn.Parameter(torch.full(shape, 7.0))
    with torch.no_grad():
        draw(parameter, stream("a parameter"))
    return parameter.detach()


@pytest.mark.parametrize("deviation", [1.0, 0.01])
def test_normal_has_mean_zero_and_this_deviation_not_variance(deviation: float) -> None:
    values = drawn(normal(deviation), 100, 200)
    assert float(values.std()) == pytest.approx(deviation, rel=0.03)
    assert abs(float(values.mean())) < 5 * deviation / math.sqrt(values.numel())
    assert float(values.abs().max()) > 3 * deviation, "not cut off"


@pytest.mark.parametrize("shape", [(5, 5), (12, 4), (4, 12)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape: tuple[int, int]) -> None:
    values = drawn(orthogonal, *shape)
    product = values @ values.T if shape[0] <= shape[1] else values.T @ values
    torch.testing.assert_close(product, torch.eye(min(shape)))


def test_uniform_and_constant() -> None:
    assert_uniform(drawn(uniform(0.3), 50, 60), 0.3)
    assert torch.equal(drawn(constant(1.5), 3), torch.full((3,), 1.5))


@pytest.mark.parametrize("shape", [(230, 60, 3), (60, 230, 3)])
def test_every_place_of_a_convolution_counts_as_inputs_and_as_outputs(shape: tuple[int, int, int]) -> None:
    """Xavier for convolutions: √(6 / (3·60 + 3·230))."""
    assert_uniform(drawn(glorot, *shape), math.sqrt(6 / (3 * 290)))


@pytest.mark.parametrize("zero_biases", [False, True])
def test_the_gates_of_tensorflows_gru_start_open_and_its_kernels_are_drawn_one_by_one(zero_biases: bool) -> None:
    gru = BidirectionalGRU(25, 64, "tensorflow")
    values = initial(gru, zero_biases=zero_biases)
    for direction in ("left_to_right", "right_to_left"):
        assert torch.equal(values[f"{direction}.gate_bias"], torch.ones(128))
        assert torch.equal(values[f"{direction}.candidate_bias"], torch.zeros(64))
        assert_uniform(values[f"{direction}.gates"], math.sqrt(6 / (25 + 64 + 2 * 64)))
        assert_uniform(values[f"{direction}.candidate"], math.sqrt(6 / (25 + 64 + 64)))


def test_the_first_pattern_that_matches_says_how_and_all_else_stays() -> None:
    network, reference = Network(), initial(Network())
    draws = {
        "table.*": normal(1.0),
        "hidden.weight": constant(2.0),
        "hidden.*": constant(3.0),
        "*.bias_ih_l0": uniform(9),
    }
    initialise(network, stream, draws=draws)
    values = {name: parameter.detach() for name, parameter in network.named_parameters()}
    assert float(values["table.weight"].std()) > 0.9
    assert torch.equal(values["hidden.weight"], torch.full((64, 128), 2.0))
    assert torch.equal(values["hidden.bias"], torch.full((64,), 3.0))
    assert float(values["lstm.left_to_right.bias_ih_l0"].abs().max()) > 2, "even of what belongs to a cell"
    changed = {name for name in values if not torch.equal(values[name], reference[name])}
    assert changed == {"table.weight", "hidden.weight", "hidden.bias"} | {
        f"lstm.{direction}.bias_ih_l0" for direction in ("left_to_right", "right_to_left")
    }


def test_a_pattern_changes_how_a_stream_is_used_and_not_which() -> None:
    """A draw of one parameter leaves all other parameters' draws as they were, and is the same wherever it is asked."""
    one, other = Network(labels=3), Network(labels=9)
    for network in (one, other):
        initialise(network, stream, draws={"table.weight": normal(0.1)})
    assert torch.equal(one.table.weight, other.table.weight)
