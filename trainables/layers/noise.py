"""Noise put on activations: dropout from a named stream, and adversarial perturbation."""

import torch
from torch import Tensor


def dropout(x: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Inverted dropout: entries drop at ``rate``, the others are scaled so that the expectation stays."""
    if not rate:
        return x
    kept = torch.empty_like(x).bernoulli_(1 - rate, generator=generator)
    return x * kept.mul_(1 / (1 - rate))


def adversarial_perturbation(gradient: Tensor, lengths: Tensor, size: float) -> Tensor:
    """size · g / ‖g‖ for each sentence of a batch [B, T, D], the norm over all its tokens and dimensions.

    A batch of one sentence has no padding. Padding gets exactly zero, and so does a sentence whose gradient is exactly
    zero. TensorFlow's ``l2_normalize`` has a floor (1e-12 under the root) that leaves small gradients short of
    ``size``; that is not copied.
    """
    if len(gradient) > 1:
        mask = torch.arange(gradient.shape[1], device=gradient.device) < lengths[:, None]
        gradient = gradient * mask[..., None]
    norm = gradient.flatten(1).norm(dim=1)
    scale = torch.where(norm > 0, size / norm, torch.zeros_like(norm))
    return gradient * scale[:, None, None]
