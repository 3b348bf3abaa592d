"""Which items make a batch: shuffled, yet of similar length, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence

import torch

BUCKETS = 50
"""Batches are cut from so many batches' worth of shuffled items, sorted by length: little padding, much mixing."""


def cut(
    lengths: Sequence[int], batch_size: int, generator: torch.Generator | None, groups: Sequence[int] | None = None
) -> Iterator[list[int]]:
    """Numbers of the items of each batch: in file order without a generator, else shuffled, by similar length.

    Items of one of the ``groups`` (a number from 0 for each item) are of one length and are shuffled as one.
    """
    if generator is None:
        order = list(range(len(lengths)))
        yield from (order[at : at + batch_size] for at in range(0, len(order), batch_size))
        return
    if groups is None:
        order = torch.randperm(len(lengths), generator=generator).tolist()
    else:
        group = torch.tensor(groups, dtype=torch.long)
        rank = torch.randperm(max(groups, default=-1) + 1, generator=generator)
        order = rank[group].argsort(stable=True).tolist()
    if batch_size > 1:
        pool = BUCKETS * batch_size
        order = [n for at in range(0, len(order), pool) for n in sorted(order[at : at + pool], key=lengths.__getitem__)]
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    for place in torch.randperm(len(batches), generator=generator).tolist() if batch_size > 1 else range(len(batches)):
        yield batches[place]
