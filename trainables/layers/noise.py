"""Noise put on activations: dropout from a named stream, and adversarial perturbation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """The stream of a whole batch of ``rows`` × ``width``, of which a worker has the rows from ``begin`` on.

    All of it is drawn, so that an item's draws do not depend on how many workers there are.
    """

    generator: torch.Generator
    begin: int
    rows: int
    width: int

    def bernoulli(self, x: Tensor, rate: float) -> Tensor:
        """For x [b, …] or [b, t, …], rows of the worker that may be narrower than the whole: ones at ``rate``."""
        wide = (self.width,) if x.dim() > 2 else ()
        whole = x.new_empty(self.rows, *wide, *x.shape[1 + len(wide) :]).bernoulli_(rate, generator=self.generator)
        return whole[self.begin : self.begin + len(x), : x.shape[1]]


Stream = torch.Generator | Rows
Noise = Mapping[str, Stream]
"""A dropout stream for each place of a network; nothing is dropped where there is none."""
NO_NOISE: Noise = MappingProxyType({})


def of_rows(streams: Noise, begin: int, rows: int, width: int = 1) -> Noise:
    """Whole streams as those of one worker's rows; ``width`` is the number of places in a row of the whole batch."""
    whole = {place: stream for place, stream in streams.items() if isinstance(stream, torch.Generator)}
    return {place: Rows(stream, begin, rows, width) for place, stream in whole.items()}


def dropout(x: Tensor, rate: float, stream: Stream | None) -> Tensor:
    """Inverted dropout: entries drop at ``rate``, the others are scaled so that the expectation stays."""
    if stream is None or not rate:
        return x
    if isinstance(stream, Rows):
        return x * (stream.bernoulli(x, 1 - rate) * (1 / (1 - rate)))
    kept = torch.empty_like(x).bernoulli_(1 - rate, generator=stream)
    return x * kept.mul_(1 / (1 - rate))


def adversarial_perturbation(
    gradient: Tensor,
    lengths: Tensor,
    size: float,
    groups: Tensor | None = None,
    together: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """size · g / ‖g‖, the norm over all tokens and dimensions of each sentence of a batch [B, T, D], or of each group.

    ``groups`` [B] numbers from 0 what shares a norm: the sentences of a bag, or (all 0) the whole batch, whose squares
    ``together`` adds up over the workers that have a part of it each. What lies
    beyond ``lengths`` [B] gets exactly zero, and so does a group whose gradient is exactly zero. TensorFlow's
    ``l2_normalize`` has a floor (1e-12 under the root) that leaves small gradients short of ``size``; that is not
    copied.
    """
    if len(gradient) > 1 or gradient.shape[1] > int(lengths[0]):
        mask = torch.arange(gradient.shape[1], device=gradient.device) < lengths[:, None]
        gradient = gradient * mask[..., None]
    if groups is None:
        norm = gradient.flatten(1).norm(dim=1)
    else:  # in double precision, which loses no square of a small gradient
        squares = torch.linalg.vector_norm(gradient, dim=(1, 2), dtype=torch.float64).square()
        sums = torch.zeros_like(squares).index_add(0, groups, squares)
        norm = (sums if together is None else together(sums[:1])).sqrt()[groups]
    scale = torch.where(norm > 0, size / norm, torch.zeros_like(norm))
    return (gradient * scale[:, None, None]).to(gradient.dtype)
