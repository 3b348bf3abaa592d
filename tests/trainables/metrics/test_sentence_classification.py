"""Scores of sentence classifiers and of noise filters against worked answers (S5, S6) and counts by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainables.metrics.sentence_classification import agreement, by_relation, noise_filter, relabelling

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=30)


def labels(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.long)


def test_s5_na_counts_on_neither_side() -> None:
    found = agreement(labels(1, 1, 2, 0), labels(1, 2, 0, 2))
    assert (found.right, found.given, found.wanted) == (1, 3, 3)
    assert found.precision == found.recall == found.f1 == pytest.approx(1 / 3)


def test_s5_without_an_answer_precision_is_one() -> None:
    found = agreement(labels(1, 1, 2, 0), labels(0, 0, 0, 0))
    assert (found.precision, found.recall, found.f1) == (1, 0, 0)


def test_s6_flagging_everything_on_the_shipped_file() -> None:
    """312 of 463 positive labels are noise; 57 are NA, of which two are marked as noise."""
    given = labels(*[1] * 463, *[0] * 57)
    clean = labels(*[0] * 312, *[1] * 151, *[0] * 55, 2, 2)
    found = noise_filter(given, clean, torch.ones(520, dtype=torch.bool))
    assert (found.right, found.given, found.wanted) == (312, 463, 312)
    assert 100 * found.precision == pytest.approx(67.39, abs=5e-3)
    assert found.recall == 1
    assert 100 * found.f1 == pytest.approx(80.52, abs=5e-3)


def test_a_new_label_counts_if_it_is_the_true_relation() -> None:
    given, clean, refined = labels(1, 1, 2, 2, 0, 3), labels(2, 0, 2, 1, 3, 0), labels(2, 3, 3, -1, 0, 0)
    found = relabelling(given, clean, refined)
    assert (found.right, found.given) == (1, 3), "dropped labels and those that became NA are no answer"
    assert found.wanted == 3, "two of the five noisy labels hide no relation"


@given(LABELS)
def test_each_count_is_what_a_walk_over_the_sentences_gives(rows: list[tuple[int, int, bool]]) -> None:
    gold, predicted = labels(*(row[0] for row in rows)), labels(*(row[1] for row in rows))
    flagged = torch.tensor([row[2] for row in rows], dtype=torch.bool)
    found = agreement(gold, predicted)
    assert found.right == sum(a == b != 0 for a, b, _ in rows)
    assert (found.given, found.wanted) == (sum(b > 0 for _, b, _ in rows), sum(a > 0 for a, _, _ in rows))
    assert found.f1 <= 1 and (found.f1 > 0) == (found.right > 0)
    if found.right:
        assert found.f1 == pytest.approx(2 / (1 / found.precision + 1 / found.recall))
    parts = by_relation(gold, predicted, 4)
    for part, whole in (("right", found.right), ("given", found.given), ("wanted", found.wanted)):
        assert sum(getattr(own, part) for own in parts[1:]) == whole
    noise = noise_filter(gold, predicted, flagged)
    assert noise.given == sum(f for a, _, f in rows if a > 0)
    assert noise.wanted == sum(a != b for a, b, _ in rows if a > 0)
    assert noise.right == sum(f and a != b for a, b, f in rows if a > 0)
