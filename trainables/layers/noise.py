"""Noise put on activations: dropout from a named stream, and adversarial perturbation."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

Noise = Mapping[str, torch.Generator]
"""A dropout stream for each place of a network; nothing is dropped where there is none."""
NO_NOISE: Noise = MappingProxyType({})


def dropout(x: Tensor, rate: float, stream: torch.Generator | None) -> Tensor:
    """Inverted dropout: entries drop at ``rate``, the others are scaled so that the expectation stays."""
    if stream is None or not rate:
        return x
    kept = torch.empty_like(x).bernoulli_(1 - rate, generator=stream)
    return x * kept.mul_(1 / (1 - rate))


def adversarial_perturbation(gradient: Tensor, lengths: Tensor, size: float, groups: Tensor | None = None) -> Tensor:
    """size · g / ‖g‖, the norm over all tokens and dimensions of each sentence of a batch [B, T, D], or of each group.

    ``groups`` [B] numbers from 0 what shares a norm: the sentences of a bag, or (all 0) the whole batch. What lies
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
        norm = torch.zeros_like(squares).index_add(0, groups, squares).sqrt()[groups]
    scale = torch.where(norm > 0, size / norm, torch.zeros_like(norm))
    return (gradient * scale[:, None, None]).to(gradient.dtype)
