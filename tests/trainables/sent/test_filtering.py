"""What is taken for noise and what becomes of it, against worked answers (S3, S4) and invariants."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relab.fields import overlay
from torch import Tensor

from trainables.sent.config import FilterConfig, RelabelConfig
from trainables.sent.filtering import DROPPED, flagged_by, refine, thresholds_of


def of_label(*own: float, label: int = 1, relations: int = 4) -> tuple[Tensor, Tensor]:
    """Sentences of one label with these probabilities of it, the rest spread over the others."""
    values = torch.tensor(own)[:, None]
    probabilities = ((1 - values) / (relations - 1)).repeat(1, relations)
    probabilities[:, label] = values[:, 0]
    return probabilities, torch.full((len(own),), label)


def filtering(**changes: Any) -> FilterConfig:
    return FilterConfig(**changes)


class TestThreshold:
    def test_s3_it_follows_the_largest_probability_and_equal_is_kept(self) -> None:
        probabilities, labels = of_label(0.1, 0.2, 0.8)
        found = thresholds_of(probabilities, labels, filtering(threshold=0.25))
        assert float(found.threshold[1]) == pytest.approx(0.2)
        assert flagged_by(found, probabilities, labels).tolist() == [True, False, False]

    @pytest.mark.parametrize(("double_above", "threshold"), [(None, 0.24875), (0.99, 0.4975), (0.995, 0.24875)])
    def test_s3_the_doubled_one_of_the_code(self, double_above: float | None, threshold: float) -> None:
        probabilities, labels = of_label(0.1, 0.995)
        found = thresholds_of(probabilities, labels, filtering(threshold=0.25, double_above=double_above))
        assert float(found.threshold[1]) == pytest.approx(threshold)

    def test_doubling_is_off_unless_asked_for(self) -> None:
        assert (FilterConfig().double_above, FilterConfig().cutrate) == (None, 0)

    def test_only_the_class_own_sentences_count_for_its_largest_probability(self) -> None:
        """Trap 4: a sentence of another label may have a larger probability of this one."""
        probabilities = torch.tensor([[0.1, 0.4, 0.5], [0.0, 0.9, 0.1], [0.2, 0.2, 0.6]])
        found = thresholds_of(probabilities, torch.tensor([1, 2, 2]), filtering(threshold=0.5))
        assert found.largest.tolist() == pytest.approx([0, 0.4, 0.6])
        assert found.threshold.tolist() == pytest.approx([0, 0.2, 0.3])

    def test_a_rare_class_with_low_probabilities_is_not_emptied(self) -> None:
        """Trap 10: what one threshold for all classes does to it."""
        tail, labels = of_label(0.02, 0.03, label=2)
        head, others = of_label(0.9, 0.8, label=1)
        probabilities, labels = torch.cat([head, tail]), torch.cat([others, labels])
        dynamic = refine(probabilities, labels, filtering(), RelabelConfig())
        fixed = refine(probabilities, labels, filtering(dynamic=False), RelabelConfig(enabled=False))
        assert dynamic.labels.tolist() == [1, 1, 2, 2]
        assert fixed.labels.tolist() == [1, 1, DROPPED, DROPPED]

    @pytest.mark.parametrize(("final", "flagged"), [(False, [False, False]), (True, [True, False])])
    def test_the_cutrate_spares_hopeless_classes_until_the_final_filtering(
        self, final: bool, flagged: list[bool]
    ) -> None:
        probabilities, labels = of_label(0.001, 0.009)
        found = thresholds_of(probabilities, labels, filtering(cutrate=0.01), final=final)
        assert flagged_by(found, probabilities, labels).tolist() == flagged

    def test_na_is_a_class_like_any_other(self) -> None:
        probabilities, labels = of_label(0.1, 0.9, label=0)
        assert refine(probabilities, labels, filtering(), RelabelConfig()).flagged.tolist() == [True, False]

    @given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.floats(0.01, 1), min_size=4, max_size=4)), min_size=1))
    def test_of_each_class_the_surest_sentence_is_kept(self, rows: list[tuple[int, list[float]]]) -> None:
        labels = torch.tensor([label for label, _ in rows])
        probabilities = torch.tensor([values for _, values in rows])
        kept = refine(probabilities, labels, filtering(threshold=1.0), RelabelConfig(enabled=False)).labels
        assert set(kept[kept >= 0].tolist()) == set(labels.tolist())
        assert torch.equal(kept[kept >= 0], labels[kept >= 0])


class TestRelabelling:
    @pytest.mark.parametrize(
        ("largest", "otherwise", "label"),
        [(0.72, "drop", 3), (0.72, "na", 3), (0.65, "drop", DROPPED), (0.65, "na", 0), (0.7, "drop", DROPPED)],
    )
    def test_s4_the_most_probable_label_or_else(self, largest: float, otherwise: str, label: int) -> None:
        probabilities = torch.tensor([[0.0, 0.05, 0.95 - largest, largest], [0.1, 0.8, 0.1, 0.0]])
        settings = RelabelConfig.model_validate({"threshold": 0.7, "otherwise": otherwise})
        found = refine(probabilities, torch.tensor([1, 1]), filtering(), settings)
        assert found.flagged.tolist() == [True, False]
        assert found.labels.tolist() == [label, 1]

    def test_the_two_readings_change_the_balance_of_classes_and_dropping_is_the_default(self) -> None:
        """Trap 3."""
        probabilities, labels = of_label(0.01, 0.02, 0.03, 0.9)
        found = {
            how: refine(probabilities, labels, filtering(), RelabelConfig.model_validate({"otherwise": how})).labels
            for how in ("drop", "na")
        }
        assert found["drop"].tolist() == [DROPPED] * 3 + [1]
        assert found["na"].tolist() == [0] * 3 + [1]
        assert RelabelConfig().otherwise == "drop"

    @pytest.mark.parametrize(("otherwise", "label"), [("drop", DROPPED), ("na", 0)])
    def test_switched_off_nothing_gets_another_label(self, otherwise: str, label: int) -> None:
        settings = RelabelConfig.model_validate({"enabled": False, "otherwise": otherwise})
        probabilities = torch.tensor([[0.0, 0.05, 0.0, 0.95], [0.1, 0.8, 0.1, 0.0]])
        assert refine(probabilities, torch.tensor([1, 1]), filtering(), settings).labels.tolist() == [label, 1]

    def test_a_dropped_sentence_stays_dropped_and_no_class_counts_it(self) -> None:
        probabilities, labels = of_label(0.9, 0.2, 0.1)
        labels[0] = DROPPED
        found = refine(probabilities, labels, filtering(threshold=0.6), RelabelConfig())
        assert found.flagged.tolist() == [False, False, True]
        assert found.labels.tolist() == [DROPPED, 1, DROPPED]


def test_the_thresholds_of_both_forms_differ_in_nothing_else() -> None:
    both = (FilterConfig(), FilterConfig.model_validate(overlay({}, {"dynamic": False})))
    probabilities, labels = of_label(1.0, 0.2)
    assert [float(thresholds_of(probabilities, labels, each).threshold[1]) for each in both] == [0.25, 0.25]
