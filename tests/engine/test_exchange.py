"""How a batch is shared out; what workers tell each other is tested with two of them, in tests/trainables."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relab.exchange import ALONE, Exchange


@given(items=st.integers(1, 60), workers=st.integers(1, 9))
def test_the_shares_of_a_batch_are_all_of_it_once_and_count_as_much_as_they_hold(items: int, workers: int) -> None:
    shares = [Exchange(rank, workers).share(items) for rank in range(workers)]
    batch = list(range(items))
    assert [item for share in shares if share.counts for item in share.of(batch)] == batch
    sizes = [len(share.of(batch)) for share in shares]
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1, "every worker has something to compute"
    assert sum(share.in_mean for share in shares) == pytest.approx(1)
    assert sum(share.in_sum for share in shares) == min(items, workers)
    assert all(share.in_mean == share.in_sum * size / items for share, size in zip(shares, sizes, strict=True))


def test_one_worker_exchanges_nothing() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    assert ALONE.sum(x) is x and ALONE.first(x) is x
    assert torch.equal(ALONE.mean(x), x.mean(0))
    metrics = {"dev/f1": 0.1}
    assert ALONE.scores(metrics) is metrics
    share = ALONE.share(5)
    assert (share.begin, share.end, share.in_sum, share.in_mean) == (0, 5, 1.0, 1.0)
