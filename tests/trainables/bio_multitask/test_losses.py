"""The ranking loss and its decision rule against the numbers of tests Y1 and Y2."""

import math

import pytest
import torch

from trainables.bio_multitask.losses import decide, ranking_loss

SCORES = torch.tensor([[1.0, 0.3, -0.2]], dtype=torch.float64)
ENGLISH = {"scale": 2.0, "right": 2.5, "wrong": 0.5}
CHINESE = {"scale": 2.0, "right": 4.5, "wrong": -0.5}
OTHER = 0


@pytest.mark.parametrize(
    ("language", "label", "expected"),
    [
        (ENGLISH, 1, 3.048587 + 1.783901),
        (ENGLISH, 2, 4.412202 + 3.048587),
        (ENGLISH, OTHER, 3.048587),
        (CHINESE, 1, 7.000911 + 0.513015),
        (CHINESE, OTHER, 1.313262),
    ],
)
def test_y1(language: dict[str, float], label: int, expected: float) -> None:
    """Other has no column and L⁻ alone (trap 1); the highest wrong relation is never the true one (trap 2)."""
    assert float(ranking_loss(SCORES, torch.tensor([label]), **language)) == pytest.approx(expected, abs=2e-6)


def test_instances_of_a_batch_do_not_see_each_other() -> None:
    scores, labels = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), torch.arange(9) % 5
    together = ranking_loss(scores, labels, **ENGLISH)
    for row in range(9):
        torch.testing.assert_close(together[row : row + 1], ranking_loss(scores[[row]], labels[[row]], **ENGLISH))


def test_its_gradient_raises_the_true_relation_and_lowers_the_highest_wrong_one_alone() -> None:
    scores = SCORES.repeat(3, 1).requires_grad_()
    ranking_loss(scores, torch.tensor([1, 2, OTHER]), **ENGLISH).sum().backward()
    assert scores.grad is not None
    assert scores.grad.sign().tolist() == [[-1, 1, 0], [1, -1, 0], [1, 0, 0]]


def test_of_one_relation_there_is_no_wrong_one() -> None:
    scores = torch.tensor([[1.0], [1.0]], requires_grad=True)
    loss = ranking_loss(scores, torch.tensor([1, OTHER]), **ENGLISH)
    assert loss.tolist() == pytest.approx([math.log1p(math.exp(3)), math.log1p(math.exp(3))])
    loss.sum().backward()
    assert scores.grad is not None and scores.grad.isfinite().all()


def test_it_and_its_gradient_are_finite_for_scores_that_lie_far_apart() -> None:
    scores = torch.tensor([[-500.0, 500.0, 0.0]]).repeat(3, 1).requires_grad_()
    loss = ranking_loss(scores, torch.tensor([1, 2, OTHER]), **ENGLISH).sum()
    loss.backward()
    assert scores.grad is not None and loss.isfinite() and scores.grad.isfinite().all()


@pytest.mark.parametrize(("highest", "label"), [(0.9, OTHER), (1.0, 2), (1.1, 2)])
def test_y2_the_threshold_itself_is_reached(highest: float, label: int) -> None:
    """Trap 3."""
    assert decide(torch.tensor([[-3.0, highest, 0.2]]), 1.0).tolist() == [label]


def test_thresholds_differ_by_language() -> None:
    assert decide(torch.tensor([[0.5, 0.2]]), 0.0).tolist() == [1]
    assert decide(torch.tensor([[0.5, 0.2]]), 1.0).tolist() == [OTHER]
