"""What the phases leave behind for Figures 3, 4 and 5 of Ma et al. (2021), as tensors by phase and as tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl
import torch
from relab.prepared import Split
from torch import Tensor

from trainables.bags.data import SPECIAL
from trainables.metrics.sentence_classification import NA, Agreement, noise_filter, relabelling
from trainables.sent.config import QUALITY, FilterConfig
from trainables.sent.filtering import DROPPED, Refined, Thresholds, flagged_by, thresholds_of
from trainables.sentences.data import TEXT

BINS = 20
"""Of a histogram of probabilities, from 0 to 1."""
NOISE = "noise"
"""A split of sentences that were annotated by hand, in which the filter alone is measured."""
UNKNOWN_QUALITY = dict.fromkeys(QUALITY, 0.0)
"""Where a corpus does not know its noise."""


def filter_quality(labels: Tensor, clean: Tensor, flagged: Tensor) -> dict[str, float]:
    """The part of ``QUALITY`` that is about the filter, over the sentences whose true label is known (not −1)."""
    known = clean >= 0
    labels, clean, flagged = labels[known], clean[known], flagged[known]
    found, trivial = noise_filter(labels, clean, flagged), noise_filter(labels, clean, torch.ones_like(flagged))
    return {**_named("filter", found), "filter_f1": found.f1, "flag_everything_f1": trivial.f1}


def quality(split: Split, refined: Refined) -> dict[str, float]:
    """All of ``QUALITY`` for refined labels of a split; zeros where no true label is known."""
    labels, clean = split.tensors["labels"], split.tensors["clean"]
    known = clean >= 0
    if not known.any():
        return UNKNOWN_QUALITY
    changed = relabelling(labels[known], clean[known], refined.labels[known])
    return filter_quality(labels, clean, refined.flagged) | _named("relabel", changed)


def _named(what: str, counts: Agreement) -> dict[str, float]:
    return {f"{what}_precision": counts.precision, f"{what}_recall": counts.recall}


def quality_on_noise_split(
    split: Split, probabilities: Tensor, of_train: Thresholds, settings: FilterConfig
) -> dict[str, float]:
    """The filter's part of ``QUALITY`` on a split of its own, nothing of which is relabelled."""
    labels = split.tensors["labels"]
    own = settings.noise_thresholds == "own"
    thresholds = thresholds_of(probabilities, labels, settings) if own else of_train
    flagged = flagged_by(thresholds, probabilities, labels)
    return UNKNOWN_QUALITY | filter_quality(labels, split.tensors["clean"], flagged)


def flagged_labels(split: Split, refined: Refined) -> pl.DataFrame:
    """The sentences of a split whose label was taken for noise, with the label before and after (Table 5).

    ``after`` is null where the sentence is dropped, ``truth`` where it is not known or no relation of the corpus. A
    word without a row in the word table is ``_``; entities are marked, [head] and {tail}.
    """
    relations, tensors = split.vocabulary["relations"], split.tensors
    words, offsets = split.vocabulary[f"words/{TEXT}"], tensors["offsets"].tolist()

    def text(number: int) -> str:
        rows = tensors["words"][offsets[number] : offsets[number + 1]].tolist()
        told = [words[row - SPECIAL] if row >= SPECIAL else "_" for row in rows]
        begin, end, tail_begin, tail_end = tensors["spans"][number].tolist()
        for first, last, marks in ((begin, end, "[]"), (tail_begin, tail_end, "{}")):
            told[first] = marks[0] + told[first]
            told[last - 1] += marks[1]
        return " ".join(told)

    def name(label: int) -> str | None:
        return relations[label] if DROPPED < label < len(relations) else None

    chosen = refined.flagged.nonzero().squeeze(1).tolist()
    columns = {"before": tensors["labels"], "after": refined.labels, "truth": tensors["clean"]}
    values = {what: [name(label) for label in labels[chosen].tolist()] for what, labels in columns.items()}
    schema = {"sentence": pl.Int64, "text": pl.String} | dict.fromkeys(columns, pl.String)
    return pl.DataFrame({"sentence": chosen, "text": [text(number) for number in chosen]} | values, schema=schema)


@dataclass
class Record:
    """By phase, in rows of equal number: R relations, ``BINS`` bins of the probability of the corpus' label.

    ``histograms`` [phases, R, 2, BINS] counts all sentences, and those known to be noisy; ``largest`` and
    ``thresholds`` [phases, R] are those of the filtering; ``quality`` [phases, 2·QUALITY] is measured on train and on
    the split ``noise``. Rows of phases that did not come, or filter nothing, are −1.
    """

    histograms: Tensor
    largest: Tensor
    thresholds: Tensor
    quality: Tensor

    @classmethod
    def empty(cls, phases: int, relations: int) -> "Record":
        """No phase has ended."""
        return cls(
            torch.full((phases, relations, 2, BINS), -1),
            torch.full((phases, relations), -1.0),
            torch.full((phases, relations), -1.0),
            torch.full((phases, 2 * len(QUALITY)), -1.0, dtype=torch.float64),
        )

    def tensors(self) -> Mapping[str, Tensor]:
        """For a checkpoint."""
        return vars(self)

    def see(self, phase: int, split: Split, probabilities: Tensor) -> None:
        """Count the probabilities of train's labels after a phase."""
        labels, clean = split.tensors["labels"], split.tensors["clean"]
        own = probabilities.gather(1, labels[:, None]).squeeze(1)
        bins = (own * BINS).long().clamp(max=BINS - 1)
        place = labels * BINS + bins
        noisy = (clean >= 0) & (clean != labels)
        cells = self.histograms.shape[1] * BINS
        for side, chosen in enumerate((place, place[noisy])):
            self.histograms[phase, :, side] = torch.bincount(chosen, minlength=cells).view(-1, BINS)

    def filtered(
        self, phase: int, thresholds: Thresholds, train: Mapping[str, float], noise: Mapping[str, float] | None
    ) -> None:
        """What a filtering did."""
        self.largest[phase], self.thresholds[phase] = thresholds.largest, thresholds.threshold
        self.quality[phase, : len(QUALITY)] = torch.tensor([train[name] for name in QUALITY], dtype=torch.float64)
        if noise is not None:
            self.quality[phase, len(QUALITY) :] = torch.tensor([noise[name] for name in QUALITY], dtype=torch.float64)

    def on_noise(self, phase: int) -> dict[str, float]:
        """``QUALITY`` of a phase's filter on the split ``noise``."""
        return dict(zip(QUALITY, self.quality[phase, len(QUALITY) :].tolist(), strict=True))

    def keep(self, relations: tuple[str, ...], keep: Callable[[str, pl.DataFrame], None]) -> None:
        """As tables: ``probabilities`` (Figure 3), ``filtering`` (Figure 4), ``thresholds`` (Figure 5)."""
        keep("probabilities", _long(self.histograms, relations))
        keep("filtering", self._filtering())
        counts = self.histograms[0, :, 0].sum(1)
        keep("thresholds", self._thresholds(counts, relations))

    def _filtering(self) -> pl.DataFrame:
        rows = []
        for phase, values in enumerate(self.quality.tolist()):
            for split, own in (("train", values[: len(QUALITY)]), (NOISE, values[len(QUALITY) :])):
                if own[0] >= 0:
                    rows.append({"phase": phase, "split": split} | dict(zip(QUALITY, own, strict=True)))
        columns = {"phase": pl.Int64, "split": pl.String} | dict.fromkeys(QUALITY, pl.Float64)
        return pl.DataFrame(rows, schema=columns)

    def _thresholds(self, counts: Tensor, relations: tuple[str, ...]) -> pl.DataFrame:
        """With the classes of most and of fewest sentences of train marked, NA apart."""
        places = ["" for _ in relations]
        present = [number for number in range(1, len(relations)) if counts[number] > 0]
        if present:
            places[min(present, key=lambda number: int(counts[number]))] = "tail"
            places[max(present, key=lambda number: int(counts[number]))] = "head"
        rows = [
            {
                "phase": phase,
                "relation": name,
                "place": places[number],
                "sentences": int(counts[number]),
                "largest": float(self.largest[phase, number]),
                "threshold": float(self.thresholds[phase, number]),
            }
            for phase in range(len(self.largest))
            if self.largest[phase, NA] >= 0
            for number, name in enumerate(relations)
        ]
        columns = {"phase": pl.Int64, "relation": pl.String, "place": pl.String, "sentences": pl.Int64}
        return pl.DataFrame(rows, schema=columns | {"largest": pl.Float64, "threshold": pl.Float64})


def _long(histograms: Tensor, relations: tuple[str, ...]) -> pl.DataFrame:
    """A row for each phase, relation and bin in which there is a sentence."""
    phase, relation, place = (histograms[:, :, 0] > 0).nonzero(as_tuple=True)
    columns = {"phase": pl.Int64, "relation": pl.String, "from": pl.Float64, "sentences": pl.Int64, "noisy": pl.Int64}
    values = {
        "phase": phase.tolist(),
        "relation": [relations[number] for number in relation.tolist()],
        "from": (place / BINS).tolist(),
        "sentences": histograms[phase, relation, 0, place].tolist(),
        "noisy": histograms[phase, relation, 1, place].tolist(),
    }
    return pl.DataFrame(values, schema=columns)
