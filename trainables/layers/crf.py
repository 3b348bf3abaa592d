"""A linear-chain conditional random field over padded batches, without start and end scores (as TensorFlow 1's)."""

from typing import Any

import torch
from torch import Tensor


def negative_log_likelihood(emissions: Tensor, tags: Tensor, transitions: Tensor, lengths: Tensor) -> Tensor:
    """[B]: log of the partition function minus the score of the gold tags.

    ``emissions`` [B, T, K], ``tags`` [B, T], ``transitions`` [K, K] from row to column, ``lengths`` [B].
    """
    mask = torch.arange(emissions.shape[1], device=lengths.device) < lengths[:, None]
    gold = (emissions.gather(2, tags[..., None]).squeeze(2) * mask).sum(1)
    steps = transitions[tags[:, :-1], tags[:, 1:]]
    return log_partition(emissions, transitions, lengths) - gold - (steps * mask[:, 1:]).sum(1)


def log_partition(emissions: Tensor, transitions: Tensor, lengths: Tensor) -> Tensor:
    """[B]: log of the sum over all tag sequences of the exponent of their score."""
    value: Tensor = _LogPartition.apply(emissions, transitions, lengths)
    return value


class _LogPartition(torch.autograd.Function):
    """Forward–backward by hand: the gradient is the marginals, without an autograd graph of a node per step."""

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, transitions: Tensor, lengths: Tensor) -> Tensor:
        batch, longest, _ = emissions.shape
        alphas = [emissions[:, 0]]
        for t in range(1, longest):
            step = torch.logsumexp(alphas[-1][:, :, None] + transitions, 1) + emissions[:, t]
            alphas.append(step if batch == 1 else torch.where((t < lengths)[:, None], step, alphas[-1]))
        log_z = torch.logsumexp(alphas[-1], 1)
        ctx.save_for_backward(emissions, transitions, lengths, torch.stack(alphas, 1), log_z)
        return log_z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        emissions, transitions, lengths, alphas, log_z = ctx.saved_tensors
        (outer,) = gradients
        batch, longest, _ = emissions.shape
        betas = [torch.zeros_like(emissions[:, 0])]
        for t in range(longest - 1, 0, -1):
            step = torch.logsumexp(transitions + (emissions[:, t] + betas[-1])[:, None], 2)
            betas.append(step if batch == 1 else torch.where((t < lengths)[:, None], step, betas[-1]))
        beta = torch.stack(betas[::-1], 1)
        outside = torch.arange(longest, device=lengths.device) >= lengths[:, None]
        nodes = (alphas + beta - log_z[:, None, None]).masked_fill(outside[..., None], float("-inf"))
        edges = alphas[:, :-1, :, None] + transitions + (emissions + beta)[:, 1:, None] - log_z[:, None, None, None]
        edges = edges.masked_fill(outside[:, 1:, None, None], float("-inf"))
        return nodes.exp() * outer[:, None, None], (edges.exp() * outer[:, None, None, None]).sum((0, 1)), None


@torch.no_grad()
def viterbi(emissions: Tensor, transitions: Tensor, lengths: Tensor) -> Tensor:
    """[B, T]: the best tag sequence of each sentence; 0 beyond its length."""
    batch, longest, _ = emissions.shape
    best, back = emissions[:, 0], []
    for t in range(1, longest):
        step, origin = (best[:, :, None] + transitions).max(1)
        inside = (t < lengths)[:, None]
        back.append(origin)
        best = torch.where(inside, step + emissions[:, t], best)
    tags = torch.zeros(batch, longest, dtype=torch.long, device=emissions.device)
    current = best.argmax(1)
    for t in range(longest - 1, -1, -1):
        if t < longest - 1:
            moved = back[t].gather(1, current[:, None]).squeeze(1)
            current = torch.where(t + 1 < lengths, moved, current)
        tags[:, t] = torch.where(t < lengths, current, 0)
    return tags
