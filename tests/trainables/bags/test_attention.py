"""Selective attention: the known answer, and that no bag sees another one's sentences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.bags.attention import SelectiveAttention, averaging, segment_softmax, segment_sum

EXAMPLES = settings(max_examples=50, deadline=None)


def attention(queries: list[list[float]] | Tensor, *, squashed: bool) -> SelectiveAttention:
    table = torch.as_tensor(queries)
    made = SelectiveAttention(*table.shape, squashed=squashed).to(table.dtype)
    with torch.no_grad():
        made.queries.copy_(table)
    return made


@pytest.mark.parametrize(
    ("squashed", "weights", "attended"),
    [(True, [0.550436, 0.449564], [0.449564, 1.100872]), (False, [0.731059, 0.268941], [0.268941, 1.462117])],
)
def test_the_known_answer(squashed: bool, weights: list[float], attended: list[float]) -> None:
    """W1: the squashing is in the score, not in what is summed."""
    sentences, bag = torch.tensor([[0.0, 2.0], [1.0, 0.0]]), torch.tensor([0, 0])
    found = attention([[1.0, 1.0]], squashed=squashed)(sentences, bag, 1)
    assert found[:, 0].tolist() == pytest.approx(weights, abs=5e-7)
    assert segment_sum(found * sentences, bag, 1)[0].tolist() == pytest.approx(attended, abs=1e-6)


def test_the_joint_attention_of_two_languages_is_that_of_one_bag() -> None:
    """A1: an English [1, 0] and a Chinese [0, 1], query [ln 3, 0]."""
    sentences, bag = torch.eye(2), torch.tensor([0, 0])
    found = attention(torch.tensor([[3.0, 1.0]]).log(), squashed=False)(sentences, bag, 1)
    assert found[:, 0].tolist() == pytest.approx([0.75, 0.25])


@EXAMPLES
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.booleans(), st.integers(0, 1000))
def test_each_bag_has_the_softmax_of_its_own_sentences(sizes: list[int], squashed: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    bag = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    sentences = torch.randn(len(bag), 3, generator=generator, dtype=torch.float64) * 4
    layer = attention(torch.randn(4, 3, generator=generator, dtype=torch.float64), squashed=squashed)
    weights = layer(sentences, bag, len(sizes))
    keys = sentences.tanh() if squashed else sentences
    for number in range(len(sizes)):
        own = bag == number
        torch.testing.assert_close(weights[own], (keys[own] @ layer.queries.T).softmax(0))
    one = torch.randint(4, (len(sizes),), generator=generator)[bag]
    torch.testing.assert_close(layer(sentences, bag, len(sizes), one), weights.gather(1, one[:, None]).squeeze(1))


def test_one_relation_of_each_sentence_has_a_softmax_over_the_sentences_that_ask_for_it() -> None:
    """A bag's sentences share their relation; the weights are those that this relation has among all."""
    generator = torch.Generator().manual_seed(0)
    sentences, bag = torch.randn(5, 3, generator=generator), torch.tensor([0, 0, 1, 1, 1])
    layer = attention(torch.randn(4, 3, generator=generator), squashed=False)
    relation = torch.tensor([2, 2, 3, 3, 3])
    weights = layer(sentences, bag, 2, relation)
    torch.testing.assert_close(segment_sum(weights, bag, 2), torch.ones(2))
    torch.testing.assert_close(weights, layer(sentences, bag, 2)[torch.arange(5), relation])


def test_scores_that_lie_far_apart_between_and_within_bags_give_finite_weights_and_gradients() -> None:
    scores = torch.tensor([1e4, 0.0, -1e4, -1e4, 5.0], requires_grad=True)
    bag = torch.tensor([0, 0, 1, 1, 2])
    weights = segment_softmax(scores, bag, 3)
    assert weights.tolist() == [1, 0, 0.5, 0.5, 1]
    (gradient,) = torch.autograd.grad((weights * torch.arange(5)).sum(), scores)
    assert gradient.isfinite().all() and gradient[2] != 0


def test_the_gradient_is_that_of_a_softmax() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(6, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    bag = torch.tensor([0, 0, 0, 1, 2, 2])
    weights = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    whole = (segment_softmax(scores, bag, 3) * weights).sum()
    parts = sum(((scores[bag == b].softmax(0) * weights[bag == b]).sum() for b in range(3)), torch.zeros(()))
    torch.testing.assert_close(*(torch.autograd.grad(value, scores)[0] for value in (whole, parts)))


def test_averaging_weighs_all_sentences_of_a_bag_alike() -> None:
    assert averaging(torch.tensor([0, 1, 1, 2, 2, 2, 2]), 3).tolist() == [1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
