"""A linear-chain conditional random field over padded batches, without start and end scores (as TensorFlow 1's)."""

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
    """[B]: log of the sum over all tag sequences of the exponent of their score.

    A sequence's steps are K × K matrices, multiplied in pairs, then pairs of pairs: log₂ T rounds, no chain of T.
    Each matrix is kept scaled to a largest entry of 1, in double precision, where scores may lie 700 apart.
    """
    exact = emissions.double()
    steps = transitions.double() + exact[:, 1:, None]
    inside = torch.arange(1, emissions.shape[1], device=lengths.device) < lengths[:, None]
    largest = steps.detach().amax((2, 3))
    identity = torch.eye(len(transitions), dtype=exact.dtype, device=exact.device)
    product = torch.where(inside[:, :, None, None], (steps - largest[:, :, None, None]).exp(), identity)
    scale = (largest * inside).sum(1)
    while product.shape[1] > 1:
        pairs = product.shape[1] // 2
        rest = product[:, 2 * pairs :]
        product = product[:, : 2 * pairs : 2] @ product[:, 1 : 2 * pairs : 2]
        largest = product.detach().amax((2, 3))
        product, scale = product / largest[:, :, None, None], scale + largest.log().sum(1)
        product = torch.cat([product, rest], 1)
    first = exact[:, 0]
    total = (
        torch.logsumexp(first, 1) if not product.shape[1] else torch.logsumexp(first + product[:, 0].sum(2).log(), 1)
    )
    return (total + scale).to(emissions.dtype)


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
