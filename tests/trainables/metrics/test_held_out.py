"""Held-out evaluation against worked answers (X1, X2, A7) and a slow reference."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.metrics.held_out import by_relation, held_out

LABELS = np.array([[1, 0, 1, 1, 0, 0, 1, 0]], dtype=bool)
"""The ranked list of X1 and X2."""
DOWNWARDS = -np.arange(8.0)[None]


def slow(scores: list[float], gold: list[bool]) -> list[tuple[float, float]]:
    """Recall and precision at each positive, by walking the list."""
    ranked = [gold[place] for place in sorted(range(len(scores)), key=lambda place: (-scores[place], place))]
    points, found = [], 0
    for rank, right in enumerate(ranked, 1):
        found += right
        if right:
            points.append((found / sum(gold), found / rank))
    return points


def test_x1_average_precision_and_no_trapezoid() -> None:
    found = held_out(DOWNWARDS, LABELS)
    assert found.average_precision == pytest.approx(0.747024, abs=5e-7)
    assert found.recall.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.precision.tolist() == [1, 2 / 3, 3 / 4, 4 / 7]
    assert found.curve().rows() == list(zip(found.recall, found.precision, strict=True))


@pytest.mark.parametrize(("recall", "first"), [(0.25, 1), (0.5, 2 / 3), (0.6, 0.75), (0.75, 0.75), (1.0, 4 / 7)])
def test_x2_precision_where_a_recall_is_first_reached(recall: float, first: float) -> None:
    assert held_out(DOWNWARDS, LABELS).precision_at(recall) == first


def test_x2_interpolated_is_the_highest_precision_from_there_on() -> None:
    found = held_out(DOWNWARDS, LABELS)
    assert [found.precision_at(t, interpolated=True) for t in (0.25, 0.5, 1.0)] == [1, 0.75, 4 / 7]


@pytest.mark.parametrize("positives", [10, 100, 30])
def test_a_recall_of_exactly_a_tenth_is_reached_by_a_tenth_of_the_positives(positives: int) -> None:
    """As the papers' P@.1 to P@.4: 3 of 30 reach 0.1, whatever 0.1 is in binary."""
    found = held_out(-np.arange(positives)[None] / 1.0, np.ones((1, positives)))
    for tenth in range(1, 11):
        place = np.flatnonzero(found.recall >= tenth / 10)[0]
        assert place + 1 == tenth * positives // 10
        assert found.precision_at(tenth / 10) == 1.0


def test_a7_without_the_column_of_no_relation() -> None:
    scores = np.array([[-1.0, -2.0, -3.0], [-0.5, -2.5, -4.0]])
    gold = np.array([[0, 1, 0], [1, 0, 0]])
    assert held_out(scores[:, 1:], gold[:, 1:]).average_precision == 1.0
    assert held_out(scores, gold).average_precision == pytest.approx(0.8333, abs=5e-5), "the mistake that A7 names"


SCORED = st.lists(
    st.tuples(st.floats(-1e3, 1e3, width=32) | st.sampled_from([0.0, -1.0, -np.inf]), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(SCORED)
def test_it_is_what_walking_the_list_gives_ties_in_order(scored: list[tuple[float, bool]]) -> None:
    scores, gold = [score for score, _ in scored], [right for _, right in scored]
    found, points = held_out(np.array(scores)[:, None], np.array(gold)[:, None]), slow(scores, gold)
    assert list(zip(found.recall.tolist(), found.precision.tolist(), strict=True)) == points
    expected = sum(precision for _, precision in points) / len(points) if points else 0.0
    assert found.average_precision == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30, unique=True), st.data())
def test_without_ties_the_order_of_the_bags_does_not_matter(values: list[float], data: st.DataObject) -> None:
    scores = np.array(values)[:, None]
    gold = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))[:, None]
    order = np.array(data.draw(st.permutations(range(len(values)))))
    assert held_out(scores, gold).precision.tolist() == held_out(scores[order], gold[order]).precision.tolist()


def test_with_ties_it_does() -> None:
    gold = np.array([[1.0], [0.0]])
    assert held_out(np.zeros((2, 1)), gold).average_precision == 1.0
    assert held_out(np.zeros((2, 1)), gold[::-1]).average_precision == 0.5


def test_a_long_list_of_ties_keeps_its_order() -> None:
    """Sorts that are not stable often are so on short lists."""
    gold = np.zeros((1000, 3))
    gold[::7, 1] = 1
    ranks = np.flatnonzero(gold.ravel()) + 1
    assert held_out(np.zeros_like(gold), gold).precision.tolist() == (np.arange(1, len(ranks) + 1) / ranks).tolist()


def test_tensors_and_arrays_give_the_same() -> None:
    scores, gold = torch.randn(20, 3, generator=torch.Generator().manual_seed(1)), torch.eye(20, 3)
    found = held_out(scores.requires_grad_(), gold)
    assert found.average_precision == held_out(scores.detach().numpy(), gold.bool().numpy()).average_precision


def test_nothing_to_find_scores_nothing() -> None:
    found = held_out(np.zeros((4, 2)), np.zeros((4, 2)))
    assert (found.average_precision, found.precision_at(0.1), len(found.curve())) == (0.0, 0.0, 0)
    assert held_out(np.zeros((0, 2)), np.zeros((0, 2))).average_precision == 0.0


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[2, 3\] for gold of shape \[2, 2\]"):
        held_out(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(FloatingPointError, match="not a number"):
        held_out(np.array([[0.0, np.nan]]), np.ones((1, 2)))


def test_each_relation_has_a_ranking_of_its_own() -> None:
    scores, gold = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]]), np.array([[0, 0, 0], [1, 1, 0]])
    table = by_relation(scores, gold, ("a", "b", "c"))
    assert table.rows() == [("a", 1, 0.5), ("b", 1, 1.0), ("c", 0, 0.0)]
