"""Attention and prediction against worked answers (A1 to A3) and a reference bag by bag."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainables.amnre.heads import Head, padded

NONE = torch.zeros(0, 2)
NO_BAG = torch.zeros(0, dtype=torch.long)


def head(relations: int = 3, size: int = 2, *, tied: bool = False, seed: int = 0) -> Head:
    made = Head(relations, size, tied=tied)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(generator=generator)
    return made


def by_hand(made: Head, sentences: Tensor) -> Tensor:
    """[R]: log p(r | s) of one bag, relation by relation."""
    queries, found = made.attention.queries, []
    for relation in range(len(queries)):
        weights = (sentences @ queries[relation]).softmax(0)
        attended = weights @ sentences
        found.append((made.matrix @ attended + made.bias).log_softmax(0)[relation])
    return torch.stack(found)


def test_a1_the_consistent_attention_weighs_all_languages_together() -> None:
    made = head(1)
    with torch.no_grad():
        made.attention.queries[:] = torch.tensor([[math.log(3), 0.0]])
    english_and_chinese, one_bag = torch.eye(2), torch.tensor([0, 0])
    weights = made.attention(english_and_chinese, one_bag, 1)
    torch.testing.assert_close(weights, torch.tensor([[0.75], [0.25]]))
    alone = [made.attention(english_and_chinese[[row]], torch.tensor([0]), 1).item() for row in range(2)]
    assert alone == [1.0, 1.0]


def test_a2_the_query_times_the_vector_added_to_all_logits_changes_nothing() -> None:
    made, sentences, bag = head(), torch.randn(3, 2), torch.tensor([0, 0, 0])
    weights = made.attention(sentences, bag, 1)
    for relation in range(3):
        attended = weights[:, relation] @ sentences
        logits = made.matrix @ attended + made.bias + made.attention.queries[relation] @ attended
        assert made.scores(sentences, bag, 1)[0, relation].item() == pytest.approx(
            logits.log_softmax(0)[relation].item(), abs=1e-6
        )
    torch.testing.assert_close(torch.tensor([1.0, 2, 3]).softmax(0), torch.tensor([6.0, 7, 8]).softmax(0))


def test_a3_a_bag_without_a_sentence_is_judged_by_the_bias() -> None:
    made = head()
    with torch.no_grad():
        made.bias[:] = torch.tensor([0.2, 0.0, -0.2])
    expected = torch.tensor([-0.911901, -1.111901, -1.311901])
    torch.testing.assert_close(made.scores(NONE, NO_BAG, 2), expected.expand(2, 3), atol=5e-7, rtol=0)
    pairs = made.log_likelihood(NONE, NO_BAG, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]))
    torch.testing.assert_close(pairs, expected, atol=5e-7, rtol=0)


SIZES = st.lists(st.integers(0, 4), min_size=1, max_size=5)


@given(SIZES, st.booleans())
def test_scores_are_those_of_each_bag_and_relation_by_hand(sizes: list[int], tied: bool) -> None:
    made = head(tied=tied)
    sentences = torch.randn(sum(sizes), 2, generator=torch.Generator().manual_seed(1))
    bag = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    found = made.scores(sentences, bag, len(sizes))
    for number in range(len(sizes)):
        expected = by_hand(made, sentences[bag == number])
        torch.testing.assert_close(found[number], expected, rtol=1e-4, atol=1e-5)


@given(SIZES)
def test_training_reads_the_same_scores_at_the_gold_relations(sizes: list[int]) -> None:
    """Every pair of a bag and a relation, one bag several times, in any order."""
    made = head()
    sentences = torch.randn(sum(sizes), 2, generator=torch.Generator().manual_seed(1))
    bag = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    bags, relations = torch.cartesian_prod(torch.arange(len(sizes)), torch.arange(3)).flip(0).unbind(1)
    found = made.log_likelihood(sentences, bag, bags, relations)
    expected = made.scores(sentences, bag, len(sizes))[bags, relations]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_every_candidate_has_its_own_query_so_that_scores_do_not_sum_to_one() -> None:
    made, sentences, bag = head(), 3 * torch.randn(4, 2), torch.zeros(4, dtype=torch.long)
    total = made.scores(sentences, bag, 1).exp().sum().item()
    assert abs(total - 1) > 1e-3


def test_a_tied_head_has_one_vector_per_relation() -> None:
    made = head(tied=True)
    assert {name for name, _ in made.named_parameters()} == {"attention.queries", "bias"}
    assert made.matrix is made.attention.queries
    untied = head()
    assert {name for name, _ in untied.named_parameters()} == {"attention.queries", "weight", "bias"}
    assert untied.matrix is untied.weight


def test_padding_by_bag() -> None:
    values = torch.tensor([[1.0], [2.0], [3.0]])
    assert padded(values, torch.tensor([0, 2, 2]), 4).squeeze(2).tolist() == [[1, 0], [0, 0], [2, 3], [0, 0]]
    assert padded(torch.zeros(0, 1), NO_BAG, 2).shape == (2, 0, 1)
