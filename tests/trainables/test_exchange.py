"""What two workers tell each other."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from relab.exchange import Exchange
from torch import Tensor, nn

Both = Callable[[Callable[[Exchange], Any]], list[Any]]

ROWS = torch.tensor([[1.0, 2.0], [3.0, 5.0], [8.0, 13.0]], dtype=torch.float64)


def first_of_all(exchange: Exchange) -> tuple[Any, ...]:
    own = torch.tensor([exchange.rank, 7])
    return exchange.first(own), exchange.scores({"dev/f1": 0.1 + exchange.rank, "dev/loss": 1 / 3})


def test_the_first_workers_word_counts(both_workers: Both) -> None:
    for tensor, metrics in both_workers(first_of_all):
        assert tensor.tolist() == [0, 7]
        assert metrics == {"dev/f1": 0.1, "dev/loss": 1 / 3}


def largest_and_means(exchange: Exchange) -> tuple[Any, ...]:
    numbers = torch.tensor([2, 5, 1]) if exchange.rank == 0 else torch.tensor([], dtype=torch.long)
    rows = ROWS[:1] if exchange.rank == 0 else ROWS[1:]
    return exchange.largest(numbers), exchange.mean(rows), exchange.mean(ROWS if exchange.rank else ROWS[:0])


def test_a_worker_may_have_no_rows(both_workers: Both) -> None:
    for largest, uneven, one_sided in both_workers(largest_and_means):
        assert largest == 5
        torch.testing.assert_close(uneven, ROWS.mean(0))
        torch.testing.assert_close(one_sided, ROWS.mean(0))


def gradient_of_a_norm(exchange: Exchange) -> Tensor:
    """Of Σ over the workers of (rank + 1) · ‖Σ x‖²."""
    x = (ROWS[0] if exchange.rank == 0 else ROWS[1]).clone().requires_grad_()
    ((exchange.rank + 1) * exchange.sum(x).square().sum()).backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    return x.grad


def test_gradients_pass_a_sum_to_where_they_came_from(both_workers: Both) -> None:
    for gradient in both_workers(gradient_of_a_norm):
        torch.testing.assert_close(gradient, 3 * 2 * (ROWS[0] + ROWS[1]))


def gradients(exchange: Exchange) -> list[list[float] | None]:
    one, other, nobodys, fixed = (nn.Parameter(torch.zeros(2, 1)) for _ in range(4))
    fixed.requires_grad_(False)
    one.grad = torch.full_like(one, 1.0 + exchange.rank)
    if exchange.rank:
        other.grad = torch.full_like(other, 8.0)
    exchange.gradients([one, other, nobodys, fixed], 0.25 + 0.5 * exchange.rank)
    return [None if p.grad is None else p.grad.flatten().tolist() for p in (one, other, nobodys, fixed)]


def test_gradients_are_added_by_weight_and_those_that_nobody_has_stay_away(both_workers: Both) -> None:
    for found in both_workers(gradients):
        assert found == [[1.75, 1.75], [6.0, 6.0], None, None]


def gradients_without_an_item(exchange: Exchange) -> float:
    parameter = nn.Parameter(torch.zeros(()))
    parameter.grad = torch.tensor(float("inf") if exchange.rank else 2.0)
    exchange.gradients([parameter], 0.0 if exchange.rank else 1.0)
    return float(parameter.grad)


def test_what_does_not_count_leaves_no_trace_of_what_it_is(both_workers: Both) -> None:
    assert both_workers(gradients_without_an_item) == [pytest.approx(2.0)] * 2
