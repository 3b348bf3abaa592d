"""Scores of given labels: test Y4, the kinds of errors, and pairs that are never asked about."""

from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.prepared import Prepared, Split
from relab.trial import Trial

from trainables.bio_multitask import evaluation
from trainables.bio_multitask.config import METRICS, PairConfig
from trainables.bio_multitask.evaluation import evaluate, predictions
from trainables.bio_multitask.loop import build
from trainables.bio_multitask.model import PairNetwork

O = 0  # noqa: E741
NAMES = ("NA", "a", "b", "c")


def scored(gold: Sequence[int], predicted: Sequence[int]) -> evaluation.Scores:
    return evaluation.scored(split_of(gold), torch.tensor(predicted, dtype=torch.long))


def split_of(gold: Sequence[int]) -> Split:
    tensors = {"labels": torch.tensor(gold, dtype=torch.long), "counts": torch.tensor([len(gold)])}
    return Split("test", tensors, {}, {"relations": NAMES, "counts": ("pairs",)})


def test_y4() -> None:
    """A positive predicted as another class is a false positive and a false negative."""
    found = scored([1, 1, 2, O], [1, 2, 2, 1]).metrics
    assert found["precision"] == 0.5
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(4 / 7)


def test_macro_averages_are_over_the_relations_that_the_split_has() -> None:
    found = scored([1, 1, 2, O], [1, 2, 2, 1]).metrics
    assert found["macro_precision"] == 0.5
    assert found["macro_recall"] == pytest.approx((0.5 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 2)


def test_the_kinds_of_errors_are_told_apart() -> None:
    found = scored([1, 1, 1, 2, 2, O, O, O, 1], [O, O, 2, O, 2, 1, 3, O, 1])
    shares = [found.metrics[f"{kind}_share"] for kind in ("missed", "spurious", "wrong_class")]
    assert shares == pytest.approx([3 / 6, 2 / 6, 1 / 6])
    assert sorted(found.tables["errors"].rows()) == [
        ("missed", "a", "NA", 2),
        ("missed", "b", "NA", 1),
        ("spurious", "NA", "a", 1),
        ("spurious", "NA", "c", 1),
        ("wrong_class", "a", "b", 1),
    ]
    assert found.tables["relations"].rows() == [
        ("a", 4, 2, 1, pytest.approx(1 / 3)),
        ("b", 2, 2, 1, 0.5),
        ("c", 0, 1, 0, 0.0),
    ]
    assert found.tables["extraction"].rows() == [("pairs", 9)]


def test_what_finds_nothing_has_no_precision() -> None:
    found = scored([1, 2, O], [O, O, O]).metrics
    assert (found["precision"], found["recall"], found["f1"], found["missed_share"]) == (0, 0, 0, 1)
    perfect = scored([1, 2, O], [1, 2, O]).metrics
    assert [perfect[name] for name in METRICS] == [1, 1, 1, 1, 1, 1, 0, 0, 0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_figures_are_those_of_pairs_counted_one_by_one(labels: list[tuple[int, int]]) -> None:
    found = scored(*([pair[side] for pair in labels] for side in (0, 1))).metrics
    right = sum(gold == predicted > 0 for gold, predicted in labels)
    given_, wanted = (sum(pair[side] > 0 for pair in labels) for side in (1, 0))
    assert found["f1"] == pytest.approx(2 * right / max(1, given_ + wanted))
    wrong = sum(gold != predicted for gold, predicted in labels)
    assert sum(found[f"{kind}_share"] for kind in ("missed", "spurious", "wrong_class")) == pytest.approx(
        float(wrong > 0)
    )
    assert all(0 <= value <= 1 for value in found.values())


@pytest.fixture
def made(prepared: Prepared, small: Callable[..., PairConfig], make_trial: Callable[..., Trial]) -> PairNetwork:
    """A network that finds a relation in every pair."""
    return build(small({"classification.threshold": -1e6}), prepared.split("train"), make_trial())


def test_every_instance_gets_its_own_prediction(
    made: PairNetwork, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = prepared.split("dev")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    found = predictions(made, split)
    monkeypatch.setattr(evaluation, "BATCH", 1)
    assert torch.equal(predictions(made, split), found) and len(found.unique()) > 1


def test_what_is_not_judged_is_other(made: PairNetwork, prepared: Prepared) -> None:
    split = prepared.split("dev")
    judged = torch.arange(len(split.tensors["labels"])) % 2 == 0
    changed = Split("dev", {**split.tensors, "judged": judged}, split.shared, split.vocabulary)
    assert torch.equal(predictions(made, changed) > 0, judged)
    positives = split.tensors["labels"] > 0
    missed = int((positives & ~judged).sum())
    assert missed and evaluate(made, changed).metrics["recall"] <= 1 - missed / int(positives.sum())
