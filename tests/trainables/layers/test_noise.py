"""Dropout and the adversarial perturbation: sizes, expectations, and what a sentence owes to its batch mates."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.layers.noise import adversarial_perturbation, dropout

EXAMPLES = settings(max_examples=50, deadline=None)


def gradients(seed: int, lengths: list[int], dimension: int) -> Tensor:
    """Gradients with something in the padding too."""
    return torch.randn(len(lengths), max(lengths), dimension, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("dimension", "norm"), [(100, 0.1), (150, 0.122474), (250, 0.158114)])
def test_the_norm_over_the_whole_sentence_is_alpha_times_the_root_of_the_dimension(dimension: int, norm: float) -> None:
    moved = adversarial_perturbation(gradients(0, [7], dimension), torch.tensor([7]), 0.01 * math.sqrt(dimension))
    assert float(moved.norm()) == pytest.approx(norm, abs=5e-7)
    assert all(float(token) < 0.9 * norm for token in moved[0].norm(dim=1)), "no token takes the sentence's norm alone"


@EXAMPLES
@given(
    st.integers(0, 2**31),
    st.lists(st.integers(1, 6), min_size=2, max_size=5),
    st.integers(1, 8),
    st.floats(1e-4, 10),
)
def test_each_sentence_is_moved_along_its_own_gradient_whoever_its_batch_mates_are(
    seed: int, lengths: list[int], dimension: int, size: float
) -> None:
    found = gradients(seed, lengths, dimension)
    moved = adversarial_perturbation(found, torch.tensor(lengths), size)
    for row, length in enumerate(lengths):
        own = found[row, :length]
        alone = adversarial_perturbation(own[None], torch.tensor([length]), size)[0]
        torch.testing.assert_close(moved[row, :length], alone, rtol=1e-5, atol=0)
        torch.testing.assert_close(alone, size * own / own.norm(), rtol=1e-5, atol=0)
        assert not moved[row, length:].any()


def test_a_zero_gradient_gives_exactly_zero_beside_a_sentence_that_is_moved() -> None:
    found = gradients(1, [3, 3], 4)
    found[0] = 0
    moved = adversarial_perturbation(found, torch.tensor([3, 3]), 0.5)
    assert torch.equal(moved[0], torch.zeros(3, 4))
    assert float(moved[1].norm()) == pytest.approx(0.5, rel=1e-6)
    assert torch.equal(adversarial_perturbation(found[:1], torch.tensor([3]), 0.5), torch.zeros(1, 3, 4))


def test_a_zero_gradient_in_the_sentence_counts_as_zero_whatever_the_padding_holds() -> None:
    found = gradients(1, [4, 2], 3)
    found[1, :2] = 0
    assert not adversarial_perturbation(found, torch.tensor([4, 2]), 0.5)[1].any()


def test_small_gradients_get_the_full_size_without_a_floor_under_the_norm() -> None:
    """TensorFlow's l2_normalize would divide by 1e-6 here, and leave a perturbation of a thousandth of its size."""
    found = gradients(2, [5], 10)
    tiny = found * (1e-9 / found.norm())
    assert float(adversarial_perturbation(tiny, torch.tensor([5]), 0.1).norm()) == pytest.approx(0.1, rel=1e-5)


def test_alpha_zero_gives_exactly_zero() -> None:
    assert not adversarial_perturbation(gradients(3, [4], 6), torch.tensor([4]), 0.0).any()


def test_a_sentence_alone_with_room_behind_it_is_moved_in_its_tokens_only() -> None:
    found = gradients(5, [4], 3)
    moved = adversarial_perturbation(found, torch.tensor([3]), 0.5)
    assert not moved[0, 3:].any()
    assert float(moved.norm()) == pytest.approx(0.5, rel=1e-6)


W3 = torch.tensor([[[3.0, 0.0]], [[0.0, 4.0]], [[12.0, 0.0]]])
"""One-token sentences: the first two of one bag, the third of another."""


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (None, [[1, 0], [0, 1], [1, 0]]),
        ([0, 0, 1], [[0.6, 0], [0, 0.8], [1, 0]]),
        ([0, 0, 0], [[3 / 13, 0], [0, 4 / 13], [12 / 13, 0]]),
    ],
    ids=["sentence", "bag", "batch"],
)
def test_the_norm_is_that_of_sentence_bag_or_batch(groups: list[int] | None, expected: list[list[float]]) -> None:
    """W3."""
    given = None if groups is None else torch.tensor(groups)
    moved = adversarial_perturbation(W3, torch.tensor([1, 1, 1]), 1.0, given)
    torch.testing.assert_close(moved[:, 0], torch.tensor(expected, dtype=torch.float32))


@EXAMPLES
@given(st.integers(0, 2**31), st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1, max_size=4))
def test_a_group_has_the_size_together_whatever_else_is_there_and_however_its_gradient_is_scaled(
    seed: int, bags: list[list[int]]
) -> None:
    lengths = torch.tensor([length for bag in bags for length in bag])
    groups = torch.tensor([number for number, bag in enumerate(bags) for _ in bag])
    found = gradients(seed, lengths.tolist(), 3)
    moved = adversarial_perturbation(found, lengths, 0.3, groups)
    for number in range(len(bags)):
        own = groups == number
        assert float(moved[own].norm()) == pytest.approx(0.3, rel=1e-5)
        alone = adversarial_perturbation(found[own] * 1e-7, lengths[own], 0.3, torch.zeros_like(groups[own]))
        torch.testing.assert_close(moved[own], alone, rtol=1e-5, atol=1e-7)
        assert not moved[torch.arange(found.shape[1]) >= lengths[:, None]].any()


@pytest.mark.parametrize("groups", [None, [0, 0, 1]])
def test_the_floor_of_l2_normalize_is_not_there(groups: list[int] | None) -> None:
    """W4: a gradient of norm 1e-8 gets all of ε = 0.02, where the released code gives it 2e-4."""
    found = torch.zeros(3, 1, 2)
    found[0, 0, 0] = 1e-8
    given = None if groups is None else torch.tensor(groups)
    moved = adversarial_perturbation(found, torch.tensor([1, 1, 1]), 0.02, given)
    assert float(moved[0].norm()) == pytest.approx(0.02, rel=1e-6)
    assert not moved[1:].any()


@pytest.mark.parametrize("norm", [1e-20, 1e-30, 1e-41])
def test_a_group_whose_gradient_has_no_square_in_single_precision_is_moved_all_the_same(norm: float) -> None:
    found = torch.tensor([[[norm, 0.0]], [[0.0, norm]]])
    moved = adversarial_perturbation(found, torch.tensor([1, 1]), 2.0, torch.tensor([0, 0]))
    torch.testing.assert_close(moved, torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]]) / 2**0.5, rtol=1e-3, atol=0)


def test_no_gradient_flows_through_the_perturbation_of_a_constant() -> None:
    assert not adversarial_perturbation(gradients(3, [4], 6), torch.tensor([4]), 1.0).requires_grad


@EXAMPLES
@given(st.integers(0, 2**31), st.floats(0.05, 0.95))
def test_dropout_keeps_an_entry_scaled_or_drops_it(seed: int, rate: float) -> None:
    x = torch.rand(40, 50, generator=torch.Generator().manual_seed(seed)) + 1
    dropped = dropout(x, rate, torch.Generator().manual_seed(seed + 1))
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], x[kept] / (1 - rate))
    share, deviation = float(kept.float().mean()), math.sqrt(rate * (1 - rate) / x.numel())
    assert abs(share - (1 - rate)) < 6 * deviation, "the rate is of what is dropped, not of what is kept"


def test_dropout_is_of_its_stream_and_off_at_rate_zero() -> None:
    x = torch.ones(20, 20)
    first, again, other = (dropout(x, 0.5, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    stream = torch.Generator().manual_seed(0)
    before = stream.get_state()
    assert torch.equal(dropout(x, 0.0, stream), x)
    assert torch.equal(stream.get_state(), before), "a rate of zero draws nothing"


def test_gradients_flow_through_kept_entries_alone() -> None:
    x = torch.ones(30, 30, requires_grad=True)
    dropped = dropout(x, 0.25, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(dropped.sum(), x)
    assert torch.equal(gradient, dropped.detach())
