"""The CRF against enumeration of every tag sequence: partition, gradient, best sequence, and no effect of padding."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.layers.crf import log_partition, negative_log_likelihood, viterbi

EXAMPLES = settings(max_examples=25, deadline=None)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Emissions [B, T, K], transitions, lengths from 1 to 5, gold tags; the padding has large scores and tags too."""
    lengths = torch.tensor(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    tags, generator = draw(st.integers(2, 4)), torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    longest = int(lengths.max())
    emissions = 3 * torch.randn(len(lengths), longest, tags, generator=generator, dtype=torch.float64)
    emissions[torch.arange(longest) >= lengths[:, None]] *= 100
    transitions = 3 * torch.randn(tags, tags, generator=generator, dtype=torch.float64)
    gold = torch.randint(tags, (len(lengths), longest), generator=generator)
    return emissions, transitions, lengths, gold


def sequences(tags: int, length: int) -> Tensor:
    """[tags^length, length]: all there are."""
    return torch.tensor(list(product(range(tags), repeat=length)))


def scores_of(candidates: Tensor, emissions: Tensor, transitions: Tensor) -> Tensor:
    """[candidates]: emissions and transitions along each, added up; no start and no end scores."""
    along = emissions[torch.arange(candidates.shape[1]), candidates].sum(1)
    return along + transitions[candidates[:, :-1], candidates[:, 1:]].sum(1)


def enumerated_partition(emissions: Tensor, transitions: Tensor, lengths: Tensor) -> Tensor:
    """[B]: the logarithm of the sum over all sequences, one by one."""
    rows = []
    for row, length in zip(emissions, lengths.tolist(), strict=True):
        scores = scores_of(sequences(len(transitions), length), row[:length], transitions)
        rows.append(torch.logsumexp(scores, 0))
    return torch.stack(rows)


@EXAMPLES
@given(problems())
def test_partition_and_its_gradient_equal_the_sum_over_all_sequences(
    problem: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    emissions, transitions, lengths, _ = problem
    inputs = (emissions.requires_grad_(), transitions.requires_grad_())
    weights = torch.arange(1, len(lengths) + 1, dtype=torch.float64)
    found, expected = log_partition(*inputs, lengths), enumerated_partition(*inputs, lengths)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    got = torch.autograd.grad((found * weights).sum(), inputs, materialize_grads=True)
    wanted = torch.autograd.grad((expected * weights).sum(), inputs, materialize_grads=True)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@EXAMPLES
@given(problems())
def test_the_loss_is_minus_the_log_of_the_gold_sequences_share(problem: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    emissions, transitions, lengths, gold = problem
    loss = negative_log_likelihood(emissions, gold, transitions, lengths)
    own = [
        scores_of(gold[row : row + 1, :length], emissions[row, :length], transitions)[0]
        for row, length in enumerate(lengths.tolist())
    ]
    expected = enumerated_partition(emissions, transitions, lengths) - torch.stack(own)
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-9)


@EXAMPLES
@given(problems())
def test_viterbi_finds_the_best_of_all_sequences_and_zeros_beyond_it(
    problem: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    emissions, transitions, lengths, _ = problem
    found = viterbi(emissions, transitions, lengths)
    assert found.shape == emissions.shape[:2]
    for row, length in enumerate(lengths.tolist()):
        candidates = sequences(len(transitions), length)
        best = scores_of(candidates, emissions[row, :length], transitions).argmax()
        assert found[row, :length].tolist() == candidates[best].tolist()
        assert not found[row, length:].any()


@EXAMPLES
@given(problems(), st.floats(0.5, 40))
def test_what_stands_in_the_padding_changes_neither_loss_nor_gradient_nor_tags(
    problem: tuple[Tensor, Tensor, Tensor, Tensor], value: float
) -> None:
    emissions, transitions, lengths, gold = problem
    padding = torch.arange(emissions.shape[1]) >= lengths[:, None]
    other, other_gold = emissions.clone(), gold.clone()
    other[padding] = value
    other_gold[padding] = 0
    first, second = emissions.requires_grad_(), other.requires_grad_()
    losses = [
        negative_log_likelihood(scores, tags, transitions, lengths)
        for scores, tags in ((first, gold), (second, other_gold))
    ]
    assert torch.equal(losses[0], losses[1])
    (gradient,), (other_gradient,) = (
        torch.autograd.grad(loss.sum(), scores) for loss, scores in zip(losses, (first, second), strict=True)
    )
    assert torch.equal(gradient, other_gradient)
    assert not gradient[padding].any()
    assert torch.equal(viterbi(first, transitions, lengths), viterbi(second, transitions, lengths))


@EXAMPLES
@given(problems())
def test_a_padded_batch_equals_each_sentence_alone(problem: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    emissions, transitions, lengths, gold = problem
    together = negative_log_likelihood(emissions, gold, transitions, lengths)
    tags = viterbi(emissions, transitions, lengths)
    for row, length in enumerate(lengths.tolist()):
        own = emissions[row : row + 1, :length]
        alone = negative_log_likelihood(own, gold[row : row + 1, :length], transitions, lengths[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-12, atol=1e-12)
        assert torch.equal(tags[row, :length], viterbi(own, transitions, lengths[row : row + 1])[0])


def test_transitions_go_from_row_to_column() -> None:
    emissions, transitions = torch.zeros(1, 2, 2), torch.tensor([[0.0, 5.0], [0.0, 0.0]])
    lengths = torch.tensor([2])
    assert viterbi(emissions, transitions, lengths).tolist() == [[0, 1]]
    right, wrong = (
        negative_log_likelihood(emissions, torch.tensor([tags]), transitions, lengths) for tags in ([0, 1], [1, 0])
    )
    assert float(wrong - right) == pytest.approx(5, abs=1e-5)


def test_long_sentences_with_large_scores_stay_finite_in_single_precision() -> None:
    """Neither the exponent of a score above 1000 nor a product of 300 matrices is in the range of any float."""
    generator = torch.Generator().manual_seed(0)
    emissions = (1000 + 30 * torch.randn(2, 300, 9, generator=generator)).requires_grad_()
    transitions, lengths = 30 * torch.randn(9, 9, generator=generator), torch.tensor([300, 299])
    found = log_partition(emissions, transitions, lengths)
    reference = []
    for row, length in zip(emissions.detach().double(), lengths.tolist(), strict=True):
        forward = row[0]
        for step in range(1, length):
            forward = torch.logsumexp(forward[:, None] + transitions.double(), 0) + row[step]
        reference.append(torch.logsumexp(forward, 0))
    torch.testing.assert_close(found.double(), torch.stack(reference), rtol=1e-6, atol=0)
    (gradient,) = torch.autograd.grad(found.sum(), emissions)
    marginals = torch.ones(2, 300)
    marginals[1, 299] = 0
    torch.testing.assert_close(gradient.sum(2), marginals, rtol=0, atol=1e-5)
