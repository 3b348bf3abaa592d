"""The losses against worked answers (S1, S2), and a network whose scores depend on its sentence alone."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from relab.prepared import Prepared
from relab.trial import Trial
from torch import Tensor

from trainables.layers.noise import NO_NOISE
from trainables.sent.config import SentConfig
from trainables.sent.evaluation import evaluate, probabilities
from trainables.sent.loop import Progress, build, draw
from trainables.sent.model import SentenceNetwork, complementary_labels, negative_loss, positive_loss
from trainables.sentences.data import batch_of

CPU = torch.device("cpu")
KINDS = ("entity_bilstm", "attention_bilstm", "cnn", "pcnn")
Small = Callable[..., SentConfig]
MakeTrial = Callable[..., Trial]


def drawn_from(
    labels: list[int], relations: int, count: int, *, with_replacement: bool = True, seed: int = 0
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return complementary_labels(torch.tensor(labels), relations, count, generator, with_replacement=with_replacement)


def network(config: SentConfig, prepared: Prepared, trial: Trial) -> SentenceNetwork:
    made = build(config, prepared.split("train"), final=False)
    draw(made, trial, Progress())
    return made


class TestComplementaryLabels:
    @pytest.mark.parametrize("label", [0, 2, 4])
    def test_s1_each_other_label_is_drawn_as_often_as_any_and_the_label_never(self, label: int) -> None:
        found = torch.bincount(drawn_from([label] * 1000, 5, 1000).flatten(), minlength=5)
        assert found[label] == 0
        expected, deviation = 1e6 / 4, math.sqrt(1e6 * 0.25 * 0.75)
        others = found[torch.arange(5) != label]
        assert (others - expected).abs().max() < 5 * deviation

    def test_with_replacement_more_may_be_drawn_than_there_are(self) -> None:
        assert drawn_from([1, 0], 3, 50).shape == (2, 50)

    def test_without_it_no_label_comes_twice(self) -> None:
        found = drawn_from([1, 0, 4], 5, 4, with_replacement=False)
        assert [sorted(row) for row in found.tolist()] == [[0, 2, 3, 4], [1, 2, 3, 4], [0, 1, 2, 3]]

    def test_without_it_each_other_label_is_as_likely(self) -> None:
        found = torch.bincount(drawn_from([2] * 100_000, 5, 2, with_replacement=False).flatten(), minlength=5)
        assert found[2] == 0
        deviation = math.sqrt(1e5 * 0.5 * 0.5)
        assert (found[[0, 1, 3, 4]] - 5e4).abs().max() < 5 * deviation

    def test_each_sentence_of_a_batch_has_draws_of_its_own(self) -> None:
        found = drawn_from([1] * 20, 30, 6)
        assert len({tuple(row) for row in found.tolist()}) == 20


class TestLosses:
    def test_s2(self) -> None:
        logits = torch.tensor([[0.7, 0.2, 0.1]]).log()
        assert float(negative_loss(logits, torch.tensor([[1, 2]]))) == pytest.approx(0.164252, abs=5e-7)
        assert float(positive_loss(logits, torch.tensor([0]))) == pytest.approx(0.356675, abs=5e-7)

    def test_negative_training_is_the_mean_over_sentences_and_labels(self) -> None:
        logits, complements = torch.randn(3, 4), torch.tensor([[1, 2], [3, 3], [0, 2]])
        p = logits.softmax(1)
        by_hand = [-math.log(1 - float(p[row, k])) for row, own in enumerate(complements.tolist()) for k in own]
        assert float(negative_loss(logits, complements)) == pytest.approx(sum(by_hand) / 6, rel=1e-5)

    def test_a_sure_mistake_has_a_finite_loss_and_gradient(self) -> None:
        logits = torch.tensor([[100.0, 0.0, 0.0]], requires_grad=True)
        loss = negative_loss(logits, torch.tensor([[0]]))
        loss.backward()
        assert loss.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
class TestNetwork:
    def test_a_sentence_has_the_same_scores_alone_and_among_longer_ones(
        self, kind: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        made, train = network(small({"encoder.kind": kind}), prepared, make_trial()).double(), prepared.split("train")
        together = batch_of(train, range(20), CPU)
        assert not together.mask.all()
        found = made(together, NO_NOISE)
        for number in range(20):
            torch.testing.assert_close(made(batch_of(train, [number], CPU), NO_NOISE)[0], found[number])

    def test_every_parameter_is_reached_by_the_loss(
        self, kind: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        made, batch = network(small({"encoder.kind": kind}), prepared, make_trial()), prepared.split("train")
        given = batch_of(batch, range(60), CPU)
        positive_loss(made(given, NO_NOISE), batch.tensors["labels"]).backward()
        still = {
            name for name, p in made.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())
        }
        assert not still

    def test_places_and_types_of_the_entities_matter(
        self, kind: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        made, train = network(small({"encoder.kind": kind}), prepared, make_trial()), prepared.split("train")
        tensors = dict(train.tensors)
        found = made(batch_of(train, [0], CPU), NO_NOISE)
        for name, other in (("spans", train.tensors["spans"][:, [2, 3, 0, 1]]), ("tags", train.tensors["tags"] * 0)):
            changed = type(train)("train", tensors | {name: other}, train.shared, train.vocabulary)
            assert not torch.allclose(found, made(batch_of(changed, [0], CPU), NO_NOISE))

    def test_dropout_is_off_when_scoring_and_drawn_from_streams_when_training(
        self, kind: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """Trap 7; a network is in training mode all the time."""
        made, train = network(small({"encoder.kind": kind}), prepared, make_trial()), prepared.split("train")
        batch = batch_of(train, range(8), CPU)
        assert torch.equal(probabilities(made, train), probabilities(made, train))
        for place in ("input", "output"):
            noisy = [made(batch, {place: torch.Generator().manual_seed(seed)}) for seed in (1, 1, 2)]
            assert torch.equal(noisy[0], noisy[1])
            assert not torch.equal(noisy[0], noisy[2])
            assert not torch.equal(noisy[0], made(batch, NO_NOISE))


def test_a_corpus_without_tags_has_no_table_of_them(small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
    bare = Prepared(prepared.splits, prepared.shared, {**prepared.vocabulary, "tags": ("",)})
    assert not any("tags" in name for name, _ in network(small(), bare, make_trial()).named_parameters())


def test_without_the_hidden_layer_scores_are_linear_in_the_sentence(
    small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    made = network(small({"head": None}), prepared, make_trial())
    vectors = torch.randn(2, made.encoder.size)
    torch.testing.assert_close(made.classify(vectors), made.scores(vectors))


def test_bags_of_one_sentence_are_scored_as_sentences(small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
    changes: Mapping[str, Any] = {
        "bags": True,
        "loss.form": "positive",
        "schedule.iterations": 0,
        "final.enabled": False,
        "encoder.kind": "pcnn",
    }
    made, train = network(small(changes), prepared, make_trial()), prepared.split("train")
    batch, labels = batch_of(train, range(5), CPU), train.tensors["labels"][:5]
    torch.testing.assert_close(made.of_bags(batch, torch.arange(5), labels, NO_NOISE), made(batch, NO_NOISE))
    joined = made.of_bags(batch, torch.tensor([0, 0, 0, 1, 1]), labels[[0, 3]], NO_NOISE)
    assert joined.shape == (2, len(train.vocabulary["relations"]))
    weights = (made.vectors(batch, NO_NOISE)[:3] @ made.attention.queries[labels[0]]).softmax(0)
    by_hand = made.classify((weights[:, None] * made.vectors(batch, NO_NOISE)[:3]).sum(0)[None])
    torch.testing.assert_close(joined[:1], by_hand)


def test_tables_agree_with_the_scores(small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
    found = evaluate(network(small(), prepared, make_trial()), prepared.split("train"))
    sentences, relations = found.tables["sentences"], found.tables["relations"]
    right, predicted, gold = (int(sentences[name].sum()) for name in ("right", "predicted", "gold"))
    assert found.metrics["precision"] == (right / predicted if predicted else 1)
    assert found.metrics["recall"] == right / gold
    assert relations.height == 5 and relations["gold"].sum() == found.tables["predictions"].height == 60
    assert relations["gold"][1:].sum() == gold
