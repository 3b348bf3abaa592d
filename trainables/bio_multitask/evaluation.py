"""Scores of a network on one split: related pairs found, and what kind of mistakes the others are."""

from collections.abc import Sequence

import polars as pl
import torch
from relab.method import Scores
from relab.prepared import Split
from torch import Tensor

from trainables.bio_multitask.config import ERRORS, METRICS
from trainables.bio_multitask.data import batches
from trainables.bio_multitask.model import PairNetwork
from trainables.metrics.sentence_classification import Agreement, agreement, by_relation

BATCH = 256


def evaluate(network: PairNetwork, split: Split) -> Scores:
    """Classify all instances of a split; nothing is dropped."""
    return scored(split, predictions(network, split))


def scored(split: Split, predicted: Tensor) -> Scores:
    """Compare labels ``predicted`` [N] with a split's own.

    F1, precision and recall are micro averages over the relations, Other excluded (test Y4); the macro averages are
    over the relations that the split has. Shares are of all errors, 0 without any.

    Tables: ``relations`` and ``errors``, counted, and ``extraction``, what became of the split's pairs.
    """
    gold = split.tensors["labels"]
    names = split.vocabulary["relations"]
    each = by_relation(gold, predicted, len(names))[1:]
    kinds = [(gold > 0) & (predicted == 0), (gold == 0) & (predicted > 0), (gold > 0) & (predicted > 0)]
    kinds[2] &= gold != predicted
    found = [int(kind.sum()) for kind in kinds]
    values = _figures("", [agreement(gold, predicted)]) | _figures("macro_", [one for one in each if one.wanted])
    values |= {f"{error}_share": count / max(1, sum(found)) for error, count in zip(ERRORS, found, strict=True)}
    tables = {
        "relations": _relations(names[1:], each),
        "errors": _errors(names, gold, predicted, kinds),
        "extraction": pl.DataFrame(
            {"what": list(split.vocabulary["counts"]), "count": split.tensors["counts"].tolist()},
            schema={"what": pl.String, "count": pl.Int64},
        ),
    }
    return Scores({name: values[name] for name in METRICS}, tables)


def predictions(network: PairNetwork, split: Split) -> Tensor:
    """[N]: the label of each instance; those that are not judged are Other."""
    predicted = torch.zeros(len(split.tensors["labels"]), dtype=torch.long)
    device = network.words.own.device
    for batch in batches(split, BATCH, device):
        predicted[batch.instances.cpu()] = network.predict(batch).cpu()
    return predicted * split.tensors["judged"]


def _figures(prefix: str, found: Sequence[Agreement]) -> dict[str, float]:
    """Means; the precision of what is never predicted is 0, unlike in TACRED's scorer, which gives 1."""
    number = max(1, len(found))
    return {
        f"{prefix}f1": sum(one.f1 for one in found) / number,
        f"{prefix}precision": sum(one.precision for one in found if one.given) / number,
        f"{prefix}recall": sum(one.recall for one in found) / number,
    }


def _relations(names: Sequence[str], found: Sequence[Agreement]) -> pl.DataFrame:
    """One row per relation."""
    return pl.DataFrame(
        {
            "relation": list(names),
            "gold": [one.wanted for one in found],
            "predicted": [one.given for one in found],
            "right": [one.right for one in found],
            "f1": [one.f1 for one in found],
        },
        schema={
            "relation": pl.String,
            "gold": pl.Int64,
            "predicted": pl.Int64,
            "right": pl.Int64,
            "f1": pl.Float64,
        },
    )


def _errors(names: Sequence[str], gold: Tensor, predicted: Tensor, kinds: Sequence[Tensor]) -> pl.DataFrame:
    """How often each relation is taken for each other; ``NA`` stands for Other."""
    rows = []
    for error, kind in zip(ERRORS, kinds, strict=True):
        pairs, counts = torch.unique(torch.stack([gold[kind], predicted[kind]], 1), dim=0, return_counts=True)
        for (true, given), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            rows.append({"error": error, "gold": names[true], "predicted": names[given], "count": count})
    schema = {"error": pl.String, "gold": pl.String, "predicted": pl.String, "count": pl.Int64}
    return pl.DataFrame(rows, schema=schema)
