"""Held-out evaluation of distant supervision: all (bag, relation) scores in one ranking, walked down from the top.

"AUC" in Wu et al. 2017 and in Wang et al. 2018 is what is computed here, average precision, and no trapezoid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from torch import Tensor

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class HeldOut:
    """A ranking of P positives: ``recall`` and ``precision`` [P] at each of them, from the top."""

    recall: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """The mean of the precision at every positive; 0 if there is none."""
        return float(self.precision.mean()) if len(self.precision) else 0.0

    def precision_at(self, recall: float, *, interpolated: bool = False) -> float:
        """Precision where ``recall`` is first reached, or the highest one at that recall or above; 0 without positives.

        Neither paper says which of the two it prints.
        """
        reached = self.precision[np.searchsorted(self.recall, recall) :]
        if not len(reached):
            return 0.0
        return float(reached.max() if interpolated else reached[0])

    def curve(self) -> pl.DataFrame:
        """Columns ``recall`` and ``precision``, a row per positive."""
        return pl.DataFrame({"recall": self.recall, "precision": self.precision})


def held_out(scores: Array | Tensor, gold: Array | Tensor) -> HeldOut:
    """Rank all bags' relations together, ties in the order of bags and relations.

    Args:
        scores: [B, R], without the column of "no relation".
        gold: [B, R], above 0 where the bag has the relation.

    Raises:
        ValueError: unequal shapes.
        FloatingPointError: a score is not a number.
    """
    scores, gold = _array(scores), _array(gold)
    if scores.shape != gold.shape:
        raise ValueError(f"scores of shape {list(scores.shape)} for gold of shape {list(gold.shape)}")
    if np.isnan(scores).any():
        raise FloatingPointError("a score is not a number")
    order = np.argsort(-scores.ravel(), kind="stable")
    ranks = np.flatnonzero(gold.ravel()[order] > 0) + 1
    found = np.arange(1, len(ranks) + 1)
    return HeldOut(found / max(1, len(ranks)), found / ranks)


def by_relation(scores: Array | Tensor, gold: Array | Tensor, names: Sequence[str]) -> pl.DataFrame:
    """Average precision of each column's own ranking: ``relation``, ``positives``, ``average_precision``."""
    scores, gold = _array(scores), _array(gold)
    rankings = [held_out(scores[:, column], gold[:, column]) for column in range(len(names))]
    return pl.DataFrame(
        {
            "relation": list(names),
            "positives": [len(ranking.recall) for ranking in rankings],
            "average_precision": [ranking.average_precision for ranking in rankings],
        },
        schema={"relation": pl.String, "positives": pl.Int64, "average_precision": pl.Float64},
    )


def _array(values: Array | Tensor) -> npt.NDArray[np.float64]:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
