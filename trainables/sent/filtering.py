"""Which labels are taken for noise, and what becomes of them; nothing here draws or trains."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.corpora.sentences import NO_RELATION
from trainables.metrics.sentence_classification import NA
from trainables.sent.config import FilterConfig, RelabelConfig

DROPPED = -1
"""In place of a label: the sentence is not trained on."""

assert NO_RELATION == "NA" and NA == 0


@dataclass(frozen=True)
class Thresholds:
    """For each class [R]: the largest probability that its own label has, and the threshold that follows from it."""

    largest: Tensor
    threshold: Tensor


@dataclass(frozen=True)
class Refined:
    """What a filtering makes of labels [N]: the new ones, ``DROPPED`` among them, and which old ones it flagged."""

    labels: Tensor
    flagged: Tensor


def thresholds_of(probabilities: Tensor, labels: Tensor, settings: FilterConfig, *, final: bool = False) -> Thresholds:
    """The thresholds for probabilities [N, R] and labels [N] of the same sentences (test S3).

    A class without a sentence has a largest probability of 0. The cutrate does not hold for the ``final`` filtering.
    """
    kept = labels != DROPPED
    own = probabilities[kept].gather(1, labels[kept, None]).squeeze(1)
    largest = torch.zeros_like(probabilities[0]).scatter_reduce(0, labels[kept], own, "amax")
    if not settings.dynamic:
        return Thresholds(largest, torch.full_like(largest, settings.threshold))
    threshold = settings.threshold * largest
    if settings.double_above is not None:
        threshold = torch.where(largest > settings.double_above, 2 * threshold, threshold)
    if not final:
        threshold = torch.where(largest < settings.cutrate, 0, threshold)
    return Thresholds(largest, threshold)


def flagged_by(thresholds: Thresholds, probabilities: Tensor, labels: Tensor) -> Tensor:
    """[N]: whether a label's own probability is strictly below the threshold of its class."""
    own = probabilities.gather(1, labels.clamp(min=0)[:, None]).squeeze(1)
    return (labels != DROPPED) & (own < thresholds.threshold[labels.clamp(min=0)])


def refine(
    probabilities: Tensor, labels: Tensor, filtering: FilterConfig, relabel: RelabelConfig, *, final: bool = False
) -> Refined:
    """Filter labels [N] by probabilities [N, R], and label anew what is probable enough (test S4)."""
    flagged = flagged_by(thresholds_of(probabilities, labels, filtering, final=final), probabilities, labels)
    largest, best = probabilities.max(1)
    replaced = torch.full_like(labels, DROPPED if relabel.otherwise == "drop" else NA)
    if relabel.enabled:
        replaced = torch.where(largest > relabel.threshold, best, replaced)
    return Refined(torch.where(flagged, replaced, labels), flagged)
