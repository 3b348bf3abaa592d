"""Batches of similar length, each item once, in an order that the stream decides."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.batching import cut


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), max_size=40), st.integers(1, 6), st.one_of(st.none(), st.integers(0, 99)))
def test_each_item_is_in_one_batch_and_no_batch_but_one_is_short(
    lengths: list[int], size: int, seed: int | None
) -> None:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    batches = list(cut(lengths, size, generator))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert sum(len(batch) < size for batch in batches) <= 1
    if seed is None:
        assert [number for batch in batches for number in batch] == list(range(len(lengths)))


@pytest.mark.parametrize("size", [1, 8])
def test_the_order_is_the_streams(size: int) -> None:
    lengths = [5 + n % 7 for n in range(100)]
    first, again, other = (list(cut(lengths, size, torch.Generator().manual_seed(seed))) for seed in (0, 0, 1))
    assert first == again != other
    assert first != list(cut(lengths, size, None))


def test_items_of_a_batch_are_of_similar_length() -> None:
    lengths = [1 + n % 50 for n in range(400)]
    batches = list(cut(lengths, 8, torch.Generator().manual_seed(0)))
    padding = sum(8 * max(lengths[n] for n in batch) - sum(lengths[n] for n in batch) for batch in batches)
    assert padding < 0.05 * sum(lengths)
    longest = [max(lengths[n] for n in batch) for batch in batches]
    assert longest != sorted(longest), "batches come in any order, not from short to long"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(2, 6), st.integers(0, 99))
def test_items_of_a_group_stay_together(sizes: list[int], size: int, seed: int) -> None:
    """A group is parted by the cut between two batches at most where it fits into one, and by a pool's end."""
    groups = [group for group, count in enumerate(sizes) for _ in range(count)]
    lengths = [1 + group % 3 for group in groups]
    batches = list(cut(lengths, size, torch.Generator().manual_seed(seed), groups))
    assert sorted(number for batch in batches for number in batch) == list(range(len(groups)))
    for batch in batches:
        runs = [
            groups[number]
            for place, number in enumerate(batch)
            if not place or groups[number] != groups[batch[place - 1]]
        ]
        assert len(runs) == len(set(runs))
    parted = sum(
        len({place for place, batch in enumerate(batches) for n in batch if groups[n] == g}) - 1 for g in set(groups)
    )
    assert parted < len(batches)
