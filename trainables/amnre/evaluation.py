"""Scores of a network on one split: held-out ranking, the languages alone, and what the consistent space looks like."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from relab.method import Scores
from relab.prepared import Split
from torch import Tensor

from trainables.amnre.model import AmnreNetwork, Space
from trainables.bags.data import Batch
from trainables.bags.evaluation import evaluation_batches, gold_of
from trainables.metrics.held_out import by_relation, held_out

SAMPLE = 400
"""Bags whose first sentence in each language is looked at as a vector; spread evenly over the split."""
SHRINKAGE = 0.1
"""Added to the variance of every standardised feature, so that a few hundred vectors suffice."""

Floats = npt.NDArray[np.float32]


def evaluate(network: AmnreNetwork, split: Split, device: torch.device, *, whole: bool = True) -> Scores:
    """Rank all (bag, relation) pairs; dropout is off.

    ``average_precision`` and ``language_accuracy`` always. With ``whole`` also ``average_precision_<language>`` for the
    sentences of one language alone (Table 4), ``cosine_translation`` and ``cosine_others`` (Table 6) if there are bags
    with one sentence in each language, and the tables ``curve`` and one more of each language alone (Figure 3),
    ``relations`` and ``vectors`` (Figure 4).
    """
    alone = dict(zip(network.names, network.languages, strict=True)) if whole else {}
    rankings, sample = score(network, split, device, [None, *alone.values()])
    gold = gold_of(split)[:, 1:]
    ranking = held_out(rankings[0][:, 1:], gold)
    metrics = {"average_precision": ranking.average_precision, "language_accuracy": sample.language_accuracy()}
    if not whole:
        return Scores(metrics)
    tables = {"curve": ranking.curve()}
    for name, scores in zip(alone, rankings[1:], strict=True):
        of_one = held_out(scores[:, 1:], gold)
        metrics[f"average_precision_{name}"] = of_one.average_precision
        tables[f"{name}_curve"] = of_one.curve()
    tables |= {
        "relations": by_relation(rankings[0][:, 1:], gold, split.vocabulary["relations"][1:]),
        "vectors": sample.table(),
    }
    return Scores(metrics | sample.cosines(), tables)


@dataclass
class Sample:
    """Vectors of single sentences, with dropout off: of a bag the first sentence in each language."""

    names: tuple[str, ...]
    """The languages that are used."""
    bag: list[int] = field(default_factory=list)
    language: list[int] = field(default_factory=list)
    """By its place among those that are used."""
    single: list[bool] = field(default_factory=list)
    """Whether it is the bag's only one in its language."""
    vectors: dict[Space, list[Tensor]] = field(default_factory=dict)

    def add(self, network: AmnreNetwork, batch: Batch, vectors: dict[Space, Tensor], wanted: set[int]) -> None:
        """Take what is ``wanted`` of a batch, by the bags' numbers."""
        place = network.places(batch).tolist()
        seen: dict[tuple[int, int], int] = {}
        rows = []
        for row, key in enumerate(zip(batch.bag.tolist(), place, strict=True)):
            seen[key] = seen.get(key, 0) + 1
            if seen[key] == 1 and batch.bags[key[0]] in wanted:
                rows.append((row, key))
        for row, key in rows:
            self.bag.append(batch.bags[key[0]])
            self.language.append(key[1])
            self.single.append(seen[key] == 1)
            for space, x in vectors.items():
                self.vectors.setdefault(space, []).append(x[row].cpu())

    def matrix(self, space: Space) -> npt.NDArray[np.float64]:
        """[N, D]."""
        return torch.stack(self.vectors[space]).double().numpy()

    def language_accuracy(self) -> float:
        """How often a linear classifier tells the language of a consistent vector: 1/n if they are perfectly mixed.

        Regularised least squares on one half of the bags, mean recall of the languages on the other, and the other way
        around. Without a consistent space it is about the individual vectors; 1/n too where a half lacks a language.
        """
        languages = len(self.names)
        chance = 1 / languages
        if languages == 1 or not self.bag:
            return chance
        x = self.matrix("consistent" if "consistent" in self.vectors else "individual")
        language, half = np.array(self.language), np.unique(self.bag, return_inverse=True)[1] % 2
        halves = [half == side for side in range(2)]
        if any(len(np.unique(language[side])) < languages for side in halves):
            return chance
        recalls = [
            np.mean(predicted[language[other] == n] == n)
            for own, other in (halves, halves[::-1])
            for predicted in [_classified(x[own], language[own], x[other])]
            for n in range(languages)
        ]
        return float(np.mean(recalls))

    def cosines(self) -> dict[str, float]:
        """Mean cosine of the consistent vectors of a bag's sentence in the first language and its one in the second;
        and of that first one with the other bags' sentences in its own language.

        Only bags with exactly one sentence in each: taken for translations of each other (Table 6).
        """
        if len(self.names) != 2 or "consistent" not in self.vectors:
            return {}
        by_bag: dict[int, list[int]] = {}
        for row, (bag, single) in enumerate(zip(self.bag, self.single, strict=True)):
            if single:
                by_bag.setdefault(bag, []).append(row)
        pairs = np.array([rows for rows in by_bag.values() if len(rows) == 2]).reshape(-1, 2)
        if len(pairs) < 2:
            return {}
        x = self.matrix("consistent")
        x /= np.linalg.norm(x, axis=1, keepdims=True).clip(1e-12)
        order = np.array(self.language)[pairs].argsort(1)
        first, second = np.take_along_axis(pairs, order, 1).T
        among = x[first] @ x[first].T
        others = (among.sum() - among.trace()) / (len(first) * (len(first) - 1))
        return {"cosine_translation": float((x[first] * x[second]).sum(1).mean()), "cosine_others": float(others)}

    def table(self) -> pl.DataFrame:
        """A row per sentence and space: ``space``, ``language``, ``bag``, ``vector``."""
        return pl.DataFrame(
            [
                {"space": space, "language": self.names[language], "bag": bag, "vector": vector.tolist()}
                for space, vectors in self.vectors.items()
                for bag, language, vector in zip(self.bag, self.language, vectors, strict=True)
            ],
            schema={"space": pl.String, "language": pl.String, "bag": pl.Int64, "vector": pl.List(pl.Float32)},
        )


def _classified(
    x: npt.NDArray[np.float64], language: npt.NDArray[np.int_], new: npt.NDArray[np.float64]
) -> npt.NDArray[np.int_]:
    """The language of each ``new`` vector, by least squares on the standardised ``x``; languages weigh the same."""
    mean, spread = x.mean(0), x.std(0) + 1e-6
    x, new = (x - mean) / spread, (new - mean) / spread
    weight = 1 / np.bincount(language)[language] / len(np.unique(language))
    targets = np.eye(language.max() + 1)[language]
    x, new = (np.concatenate([part, np.ones((len(part), 1))], 1) for part in (x, new))
    penalty = SHRINKAGE * np.eye(x.shape[1])
    penalty[-1, -1] = 0
    solution = np.linalg.solve(x.T @ (weight[:, None] * x) + penalty, x.T @ (weight[:, None] * targets))
    predicted: npt.NDArray[np.int_] = (new @ solution).argmax(1)
    return predicted


@torch.no_grad()
def score(
    network: AmnreNetwork, split: Split, device: torch.device, rankings: Sequence[int | None]
) -> tuple[list[Floats], Sample]:
    """[B, R] log-probabilities for each of ``rankings``, all languages (None) or the sentences of one; and a sample.

    A bag without a sentence that counts is ranked last: −∞ throughout.
    """
    bags = len(split.tensors["bag_offsets"]) - 1
    found = [np.full((bags, len(split.vocabulary["relations"])), -np.inf, np.float32) for _ in rankings]
    sample = Sample(network.names)
    wanted = set(np.linspace(0, bags - 1, min(bags, SAMPLE)).astype(int).tolist())
    for everything in evaluation_batches(split, device):
        batch = network.restricted(everything)
        if not len(batch.lengths):
            continue
        vectors = {space: network.vectors(batch, space, {}) for space in network.spaces}
        for scores, language in zip(found, rankings, strict=True):
            if language is None:
                scores[list(batch.bags)] = network.scores(batch, vectors).cpu().numpy()
                continue
            own = batch.languages == language
            part = {space: x[own] for space, x in vectors.items()}
            scores[list(batch.bags)] = network.scores(batch.where(own), part, (language,)).cpu().numpy()
        sample.add(network, batch, vectors, wanted)
    return found, sample
