"""Scores of sentence classifiers (TACRED's scorer), and of what finds noisy labels (Ma et al. 2021, code).

Labels are numbers, and 0 is NA, which counts neither as an answer nor as something to be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

NA = 0


@dataclass(frozen=True)
class Agreement:
    """How many answers are right, were given, and were to be given."""

    right: int
    given: int
    wanted: int

    @property
    def precision(self) -> float:
        """1 if nothing was answered, as in TACRED's scorer."""
        return self.right / self.given if self.given else 1.0

    @property
    def recall(self) -> float:
        """0 if nothing was to be found."""
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.given + self.wanted) if self.right else 0.0


def agreement(gold: "Tensor", predicted: "Tensor") -> Agreement:
    """Micro-averaged over the labels of sentences [N], without NA on either side (test S5)."""
    right = (gold == predicted) & (gold != NA)
    return Agreement(int(right.sum()), int((predicted != NA).sum()), int((gold != NA).sum()))


def agreement_of_sums(counts: Mapping[str, Any]) -> dict[str, Any]:
    """``f1`` of sums of the columns ``right``, ``predicted`` and ``gold``, as numbers or as arrays of one shape."""
    answers = counts["predicted"] + counts["gold"]
    return {"f1": 2 * counts["right"] / np.maximum(answers, 1)}


def by_relation(gold: "Tensor", predicted: "Tensor", relations: int) -> list[Agreement]:
    """The same for each relation by itself, NA included."""
    right = gold[gold == predicted].bincount(minlength=relations).tolist()
    given = predicted.bincount(minlength=relations).tolist()
    wanted = gold.bincount(minlength=relations).tolist()
    return [Agreement(*counts) for counts in zip(right, given, wanted, strict=True)]


def noise_filter(labels: "Tensor", clean: "Tensor", flagged: "Tensor") -> Agreement:
    """How well ``flagged`` [N] finds the sentences whose label is not the true one (test S6).

    Only labels other than NA can be flagged, and marks of noise on NA are cleared (code). With every sentence flagged
    this is the trivial baseline that Table 3 is to be read beside.
    """
    positive = labels != NA
    noisy, found = positive & (labels != clean), positive & flagged
    return Agreement(int((noisy & found).sum()), int(found.sum()), int(noisy.sum()))


def relabelling(labels: "Tensor", clean: "Tensor", refined: "Tensor") -> Agreement:
    """How often a new label is the true one, and how many noisy labels got it.

    What became NA or was dropped is no answer. To be found are the noisy labels whose truth is a relation; neither
    paper nor code says what its recall counts.
    """
    changed, noisy = (refined != labels) & (refined > NA), labels != clean
    right = changed & (refined == clean)
    return Agreement(int(right.sum()), int(changed.sum()), int((noisy & (clean != NA)).sum()))
