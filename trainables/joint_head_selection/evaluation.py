"""Scores of a network on one split, with a table per type and one of counts per sentence."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import torch
from relab.method import Scores
from relab.prepared import Split
from torch import Tensor

from trainables.corpora.five_column import entities
from trainables.joint_head_selection.config import METRICS, JointConfig
from trainables.joint_head_selection.data import NO_RELATION, OUTSIDE, arcs_of, batch_of, sizes
from trainables.joint_head_selection.model import JointNetwork
from trainables.metrics.joint_extraction import Arc, Counts, JointScores, Sentence, boundaries, relaxed, strict

EVALUATION_BATCH = 32


def evaluate(network: JointNetwork, config: JointConfig, split: Split, shared: Mapping[str, Tensor]) -> Scores:
    """Predict a split and score it; dropout is off and nothing is perturbed."""
    sentences = list(predictions(network, config, split, shared))
    match config.evaluation.matching:
        case "strict":
            scores = strict(sentences)
        case "boundaries":
            scores = boundaries(sentences)
        case "relaxed":
            vocabulary = split.vocabulary
            scores = relaxed(
                sentences, vocabulary["classes"], vocabulary["relations"], count_other=config.evaluation.count_other
            )
    values = {"overall_f1": scores.overall_f1}
    for name, figures in (("entity", scores.entity), ("relation", scores.relation)):
        values |= {f"{name}_f1": figures.f1, f"{name}_precision": figures.precision, f"{name}_recall": figures.recall}
    tables = {"types": _types(scores), "sentences": _sentences(scores), "predictions": _predictions(sentences)}
    return Scores({name: values[name] for name in METRICS}, tables)


@torch.no_grad()
def predictions(
    network: JointNetwork, config: JointConfig, split: Split, shared: Mapping[str, Tensor]
) -> Iterator[Sentence]:
    """Each sentence with its gold and predicted labels and arcs, in the split's order."""
    kind = "tags" if config.entities.scheme == "bio" else "classes"
    lengths, device = sizes(split), shared["word_row"].device
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    found: dict[int, Sentence] = {}
    for at in range(0, len(order), EVALUATION_BATCH):
        batch = batch_of(split, order[at : at + EVALUATION_BATCH], kind, device)
        labels, related = network.predict(network.tokens(batch, shared), batch.lengths)
        inside = batch.mask
        related &= (inside[:, :, None] & inside[:, None])[..., None]
        arcs: dict[int, list[tuple[int, int, int]]] = {}
        for row, token, head, relation in related.nonzero().tolist():
            arcs.setdefault(row, []).append((token, head, relation))
        for row, number in enumerate(batch.sentences):
            predicted = labels[row, : lengths[number]].tolist()
            found[number] = _sentence(split, kind, number, predicted, arcs.get(row, ()))
    for number in range(len(lengths)):
        yield found[number]


def _sentence(
    split: Split, kind: str, number: int, predicted: Sequence[int], arcs: Sequence[tuple[int, int, int]]
) -> Sentence:
    start, end = split.tensors["offsets"][number : number + 2].tolist()
    names = split.vocabulary[kind]
    tags = [split.vocabulary["tags"][tag] for tag in split.tensors["tags"][start:end].tolist()]
    return Sentence(
        gold_labels=[names[label] for label in split.tensors[kind][start:end].tolist()],
        predicted_labels=[names[label] for label in predicted],
        gold_arcs=_named(split, [tuple(arc) for arc in arcs_of(split, number).tolist()]),
        predicted_arcs=_named(split, arcs),
        spans=[(name, first, last) for name, first, last in entities(tags) if name != OUTSIDE],
        root=bool(split.tensors["root"][number]),
    )


def _named(split: Split, arcs: Sequence[tuple[int, ...]]) -> frozenset[Arc]:
    """Arcs with their relations' names; ``N`` is trained, never scored."""
    relations = split.vocabulary["relations"]
    none = relations.index(NO_RELATION)
    return frozenset((token, relations[relation], head) for token, head, relation in arcs if relation != none)


def _types(scores: JointScores) -> pl.DataFrame:
    """One row per entity type and relation."""
    rows = [
        {
            "kind": kind,
            "type": name or "any",
            "tp": c.tp,
            "fp": c.fp,
            "fn": c.fn,
            "precision": c.precision,
            "recall": c.recall,
            "f1": c.f1,
        }
        for kind, types in (("entity", scores.entity_types), ("relation", scores.relation_types))
        for name, c in types.items()
    ]
    counts = dict.fromkeys(("tp", "fp", "fn"), pl.Int64) | dict.fromkeys(("precision", "recall", "f1"), pl.Float64)
    return pl.DataFrame(rows, schema={"kind": pl.String, "type": pl.String} | counts)


def _sentences(scores: JointScores) -> pl.DataFrame:
    """Counts per sentence: what a bootstrap over sentences draws from."""

    def columns(kind: str, counts: Sequence[Counts]) -> dict[str, list[int]]:
        return {f"{kind}_{what}": [getattr(c, what) for c in counts] for what in ("tp", "fp", "fn")}

    return pl.DataFrame(
        {"sentence": list(range(len(scores.entity_sentences)))}
        | columns("entity", scores.entity_sentences)
        | columns("relation", scores.relation_sentences)
    )


def _predictions(sentences: Sequence[Sentence]) -> pl.DataFrame:
    """Gold and predicted labels and arcs of each sentence, as text: ``token:relation:head``."""

    def arcs(found: frozenset[Arc]) -> str:
        return " ".join(f"{token}:{name}:{head}" for token, name, head in sorted(found))

    return pl.DataFrame(
        {
            "sentence": list(range(len(sentences))),
            "gold_labels": [" ".join(s.gold_labels) for s in sentences],
            "predicted_labels": [" ".join(s.predicted_labels) for s in sentences],
            "gold_relations": [arcs(s.gold_arcs) for s in sentences],
            "predicted_relations": [arcs(s.predicted_arcs) for s in sentences],
        }
    )
