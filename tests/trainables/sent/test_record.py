"""How good the filter is, and the tables of Figures 3, 4 and 5, counted by hand."""

from collections.abc import Callable, Mapping

import polars as pl
import pytest
import torch
from relab.prepared import Prepared, Split
from relab.trial import Trial
from torch import Tensor

from trainables.metrics.sentence_classification import noise_filter
from trainables.sent.config import QUALITY, FilterConfig, SentConfig
from trainables.sent.filtering import Refined, Thresholds
from trainables.sent.loop import train
from trainables.sent.record import Record, filter_quality, flagged_labels, quality, quality_on_noise_split

NAMES = ("NA", "a", "b")


def split(labels: list[int], clean: list[int]) -> Split:
    return Split("train", {"labels": torch.tensor(labels), "clean": torch.tensor(clean)}, {}, {"relations": NAMES})


def refined(labels: list[int], flagged: list[int]) -> Refined:
    return Refined(torch.tensor(labels), torch.tensor(flagged, dtype=torch.bool))


def probabilities(of_own: list[float], labels: list[int]) -> Tensor:
    found = torch.zeros(len(labels), 3)
    for row, (value, label) in enumerate(zip(of_own, labels, strict=True)):
        found[row] = (1 - value) / 2
        found[row, label] = value
    return found


def test_quality_of_a_filtering() -> None:
    given = split([1, 1, 2, 2, 0, 0], [1, 2, 0, 2, 0, 1])
    found = quality(given, refined([1, 2, 0, -1, 0, 1], [0, 1, 1, 1, 0, 1]))
    assert found == {
        "filter_precision": 2 / 3,
        "filter_recall": 1.0,
        "filter_f1": 0.8,
        "flag_everything_f1": pytest.approx(2 * 0.5 / 1.5),
        "relabel_precision": 1.0,
        "relabel_recall": 1.0,
    }


def test_only_sentences_whose_truth_is_known_count() -> None:
    given = split([1, 1, 2], [-1, 2, -1])
    assert quality(given, refined([-1, -1, -1], [1, 1, 1]))["filter_precision"] == 1
    assert quality(split([1, 1], [-1, -1]), refined([-1, 1], [1, 0])) == dict.fromkeys(QUALITY, 0.0)


def test_flagged_sentences_have_their_label_before_and_after() -> None:
    """Relations that no sentence has, dropped ones and words without a row; the second sentence is not flagged."""
    tensors = {
        "labels": torch.tensor([1, 1, 2]),
        "clean": torch.tensor([3, 1, -1]),
        "words": torch.tensor([3, 4, 0, 3, 4, 4, 3, 4]),
        "offsets": torch.tensor([0, 3, 5, 8]),
        "spans": torch.tensor([[0, 2, 2, 3], [0, 1, 1, 2], [1, 2, 0, 1]]),
    }
    given = Split("train", tensors, {}, {"relations": NAMES, "words/text": ("ada", "met")})
    assert flagged_labels(given, refined([0, 1, -1], [1, 0, 1])).rows() == [
        (0, "[ada met] {_}", "a", "NA", None),
        (2, "{met} [ada] met", "b", None, None),
    ]


def test_the_noise_split_has_thresholds_of_train_or_its_own() -> None:
    given = split([1, 1, 1], [1, 2, 0])
    found = probabilities([0.4, 0.15, 0.05], [1, 1, 1])
    of_train = Thresholds(torch.zeros(3), torch.tensor([0.0, 0.2, 0.0]))
    by_train = quality_on_noise_split(given, found, of_train, FilterConfig())
    own = quality_on_noise_split(given, found, of_train, FilterConfig(noise_thresholds="own"))
    assert (by_train["filter_precision"], by_train["filter_recall"]) == (1, 1)
    assert (own["filter_precision"], own["filter_recall"]) == (1, 0.5)
    flagged = torch.ones(3, dtype=torch.bool)
    trivial = noise_filter(given.tensors["labels"], given.tensors["clean"], flagged).f1
    assert by_train["flag_everything_f1"] == own["flag_everything_f1"] == trivial
    assert filter_quality(given.tensors["labels"], given.tensors["clean"], flagged)["filter_f1"] == trivial


def test_the_tables_hold_what_was_seen() -> None:
    record, tables = Record.empty(3, 3), dict[str, pl.DataFrame]()
    labels = [1, 1, 1, 2, 0]
    given = split(labels, [1, 2, -1, 2, 0])
    record.see(0, given, probabilities([0.97, 0.02, 1.0, 0.5, 0.0], labels))
    found = quality(given, refined([1, -1, 1, 2, 0], [0, 1, 0, 0, 0]))
    record.filtered(0, Thresholds(torch.tensor([0.5, 0.75, 0.25]), torch.tensor([0.125, 0.25, 0.0625])), found, None)
    record.see(1, given, probabilities([0.5] * 5, labels))
    record.keep(NAMES, tables.__setitem__)
    assert tables["probabilities"].sort("phase", "relation", "from").rows() == [
        (0, "NA", 0.0, 1, 0),
        (0, "a", 0.0, 1, 1),
        (0, "a", pytest.approx(0.95), 2, 0),
        (0, "b", 0.5, 1, 0),
        (1, "NA", 0.5, 1, 0),
        (1, "a", 0.5, 3, 1),
        (1, "b", 0.5, 1, 0),
    ]
    assert tables["filtering"].rows() == [(0, "train", *(found[name] for name in QUALITY))]
    assert tables["thresholds"].rows() == [
        (0, "NA", "", 1, 0.5, 0.125),
        (0, "a", "head", 3, 0.75, 0.25),
        (0, "b", "tail", 1, 0.25, 0.0625),
    ]


def test_a_corpus_that_knows_its_noise_from_a_split_of_its_own_reports_that(
    small: Callable[..., SentConfig], prepared: Prepared, make_trial: Callable[..., Trial]
) -> None:
    """As SENT's own release; the rows of train stay, and say nothing."""
    train_split = prepared.splits["train"]
    unknown: Mapping[str, Tensor] = {**train_split, "clean": torch.full_like(train_split["clean"], -1)}
    data = Prepared(
        {"train": unknown, "dev": prepared.splits["dev"], "noise": train_split}, prepared.shared, prepared.vocabulary
    )
    config, known, trial = small({"filter.threshold": 0.9}), make_trial("known"), make_trial("noise")
    train(config, prepared, known)
    train(config, data, trial)
    assert [r["dev/f1"] for r in trial.history] == [r["dev/f1"] for r in known.history]
    for ours, theirs in zip(trial.history[2:], known.history[2:], strict=True):
        for name in ("train/filter_precision", "train/filter_recall", "train/flag_everything_f1"):
            assert ours[name] == theirs[name], "the same sentences with the same thresholds"
    rows = pl.read_parquet(trial.folder / "artifacts" / "filtering.parquet")
    assert rows["split"].to_list() == ["train", "noise"] * 3
    assert rows.filter(split="train").select(QUALITY).sum().row(0) == (0,) * len(QUALITY)
