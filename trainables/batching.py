"""Which items make a batch: shuffled, yet of similar length, so that little of a batch is padding; and the padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

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


@dataclass(frozen=True)
class Padding:
    """Where the tokens of some sentences stand in flat tensors: B sentences, T places each."""

    lengths: Tensor
    """[B]."""
    inside: Tensor
    """[B, T], true for real tokens."""
    source: Tensor
    """[B, T], each token's place in a flat tensor; 0 beyond a sentence's end."""

    def of(self, flat: Tensor, fill: int) -> Tensor:
        """[B, T]: what a flat tensor of whole numbers has for each token, ``fill`` beyond a sentence's end."""
        return torch.where(self.inside, flat[self.source].long(), fill)


def padding(offsets: Tensor, sentences: Tensor, *, room: int = 0) -> Padding:
    """For these sentences [B] of those that ``offsets`` [S + 1] part; ``room`` places more than the longest has."""
    begin = offsets[sentences]
    lengths = offsets[sentences + 1] - begin
    place = torch.arange(int(lengths.max()) + room)
    inside = place < lengths[:, None]
    return Padding(lengths, inside, torch.where(inside, begin[:, None] + place, 0))
