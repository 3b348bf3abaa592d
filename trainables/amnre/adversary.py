"""What makes the consistent vectors alike across languages, and unlike the individual ones."""

from itertools import pairwise
from typing import Literal

import torch
from relab.exchange import ALONE, Exchange
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Of the leaky rectifier between the discriminator's layers (code); the paper names none."""

Reduction = Literal["sum", "mean"]


class Discriminator(nn.Module):
    """Tells the language of a sentence vector: ``layers`` linear layers with leaky rectifiers between them."""

    def __init__(self, inputs: int, hidden: int, languages: int, layers: int) -> None:
        super().__init__()
        sizes = [inputs, *[hidden] * (layers - 1), languages]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """[S, D] to [S, languages], before the softmax."""
        for number, layer in enumerate(self.layers):
            x = layer(F.leaky_relu(x, SLOPE) if number else x)
        return x


def discriminator_loss(logits: Tensor, languages: Tensor, smoothing: float, reduction: Reduction) -> Tensor:
    """L_D: cross-entropy with the true language, which has the probability 1 − ``smoothing`` in the target.

    ``logits`` [S, n], ``languages`` [S]. For two languages this is the code's binary cross-entropy with targets 0.1 and
    0.9 (test A5).
    """
    others = torch.full_like(logits, smoothing / (logits.shape[1] - 1))
    targets = others.scatter(1, languages[:, None], 1 - smoothing)
    return F.cross_entropy(logits, targets, reduction=reduction)


def encoder_loss(
    logits: Tensor, languages: Tensor, form: Literal["negated", "flipped"], smoothing: float, reduction: Reduction
) -> Tensor:
    """L_E, which a step of the encoders lowers, and with it the probability p of the true language.

    ``negated`` is −L_D (paper): without smoothing its gradient in the true language's logit is 1 − p, and vanishes
    where the discriminator is sure. ``flipped`` is the binary cross-entropy of the true language against all others
    with the targets exchanged (code, for two): its gradient is p − ``smoothing``. A target shared evenly by the other
    languages would not do: where one of them is far ahead, a step towards it raises p.
    """
    if form == "negated":
        return -discriminator_loss(logits, languages, smoothing, reduction)
    true = logits.gather(1, languages[:, None]).squeeze(1)
    others = logits.scatter(1, languages[:, None], -torch.inf).logsumexp(1)
    each = smoothing * F.softplus(others - true) + (1 - smoothing) * F.softplus(true - others)
    return each.sum() if reduction == "sum" else each.mean()


def orthogonality(
    individual: Tensor,
    consistent: Tensor,
    languages: Tensor,
    form: Literal["paper", "code", "code_2018"],
    exchange: Exchange = ALONE,
) -> Tensor:
    """The penalty on what individual and consistent vectors [S, D] of a batch's sentences share (test A6).

    ``paper``: Σ_j ‖I_jᵀ C_j‖²_F over the languages j, rows as they are. ``code``: both matrices over all languages at
    once, centred on the batch's mean, rows scaled to length 1, then the mean of the squared entries of Iᵀ C.
    ``code_2018``: the same of C and C, as in the code up to 2020, which ignored the individual vectors.

    None of them is a sum over sentences, but Iᵀ C is: of several workers each brings the vectors of its own sentences
    and gets the penalty of all.
    """
    if form == "paper":
        total = individual.new_zeros(())
        for language in range(exchange.largest(languages) + 1):
            chosen = languages == language
            total = total + exchange.sum(individual[chosen].T @ consistent[chosen]).square().sum()
        return total
    if form == "code_2018":
        individual = consistent
    return exchange.sum(_centred(individual, exchange).T @ _centred(consistent, exchange)).square().mean()


def _centred(x: Tensor, exchange: Exchange) -> Tensor:
    return F.normalize(x - exchange.mean(x), dim=1)
