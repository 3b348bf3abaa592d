"""Losses with their known answers, the network against the formula written out, and bags alone and in batches."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from relab.prepared import Prepared
from relab.trial import Trial
from torch import Tensor
from torch.nn import functional as F

from trainables.adversarial_bag.config import BagConfig
from trainables.adversarial_bag.loop import build
from trainables.adversarial_bag.model import BagNetwork, bag_loss, log_probabilities, term_weights
from trainables.bags.data import Batch, batch_of

CPU = torch.device("cpu")

Small = Callable[..., BagConfig]
MakeTrial = Callable[..., Trial]

ENCODERS: dict[str, dict[str, Any]] = {
    "pcnn": {},
    "pcnn marked": {"position.kind": "marked"},
    "gru": {"encoder.kind": "gru", "position.kind": "told_apart"},
    "gru embedding": {"encoder.kind": "gru"},
    "gru none": {"encoder.kind": "gru", "position.kind": "none"},
}


class TestW2:
    """Three relations, s⁰ = [.5, −.5], s¹ = [1, 0], s² = [0, 1], labels {1, 2}."""

    ATTENDED = torch.tensor([[0.5, -0.5], [1.0, 0.0], [0.0, 1.0]])
    MATRIX = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    BIAS = torch.tensor([0.1, 0.0, 0.0])
    BOTH, NEITHER = torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]])

    def all_logits(self) -> Tensor:
        return F.linear(self.ATTENDED, self.MATRIX, self.BIAS)[None]

    def own_logits(self) -> Tensor:
        return (self.ATTENDED * self.MATRIX).sum(1)[None]

    def test_the_papers_probabilities_and_loss(self) -> None:
        probabilities = log_probabilities("own_softmax", self.all_logits()).exp()
        assert probabilities[0].tolist() == pytest.approx([0.249475, 0.778268, 0.563555], abs=5e-7)
        loss = bag_loss("own_softmax", self.all_logits(), self.BOTH, torch.ones(1, 3))
        assert float(loss) == pytest.approx(0.824174, abs=5e-7)

    def test_a_bag_without_a_relation_contributes_the_probability_of_none(self) -> None:
        loss = bag_loss("own_softmax", self.all_logits(), self.NEITHER, torch.ones(1, 3))
        assert float(loss) == pytest.approx(-torch.tensor(0.249475).log().item(), abs=5e-6)

    @pytest.mark.parametrize(("labels", "expected"), [(BOTH, 0.440190), (NEITHER, 3.440190)])
    def test_the_codes_default_is_a_sigmoid_per_relation_without_the_column_of_none(
        self, labels: Tensor, expected: float
    ) -> None:
        assert self.own_logits().tolist() == [[0, 2, 1]]
        loss = bag_loss("sigmoid", self.own_logits(), labels, term_weights(labels, 0, None))
        assert float(loss) == pytest.approx(expected, abs=5e-7)

    def test_the_joint_softmax_takes_the_share_of_all_true_relations(self) -> None:
        loss = bag_loss("joint_softmax", self.own_logits(), self.BOTH, torch.ones(1, 3))
        assert float(loss) == pytest.approx(0.094344, abs=5e-7)

    def test_sampled_terms_are_those_of_the_sigmoid(self) -> None:
        """With K = 1 the one positive alone, σ(2); with K = 2 the one negative as well, with −3 three times."""
        labels = torch.tensor([[0.0, 1.0, 0.0]])
        positive, negative = F.softplus(torch.tensor(-2.0)), F.softplus(torch.tensor(1.0))
        for negatives, expected in ((1, positive), (2, positive + negative), (-3, positive + 3 * negative)):
            weights = term_weights(labels, negatives, torch.Generator().manual_seed(0))
            loss = bag_loss("sampled_sigmoid", self.own_logits(), labels, weights)
            torch.testing.assert_close(loss[0], expected)

    @pytest.mark.parametrize("form", ["own_softmax", "joint_softmax", "sigmoid"])
    def test_the_loss_and_its_gradient_are_finite_for_scores_that_lie_far_apart(self, form: str) -> None:
        shape = (1, 3, 3) if form == "own_softmax" else (1, 3)
        logits = torch.linspace(-300, 300, 9)[: torch.Size(shape).numel()].view(shape).requires_grad_()
        loss = bag_loss(form, logits, self.BOTH, term_weights(self.BOTH, 0, None)).sum()
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and gradient.isfinite().all()


class TestTerms:
    LABELS = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 1]])

    def test_none_never_counts_and_all_else_does(self) -> None:
        assert term_weights(self.LABELS, 0, None).tolist() == [[0, 1, 1, 1, 1, 1]] * 3

    @pytest.mark.parametrize(("negatives", "drawn"), [(1, [1, 0, 0]), (3, [3, 2, 0]), (9, [5, 4, 2])])
    def test_so_many_negatives_are_drawn_that_there_are_k_terms(self, negatives: int, drawn: list[int]) -> None:
        weights = term_weights(self.LABELS, negatives, torch.Generator().manual_seed(0))
        assert set(weights.flatten().tolist()) <= {0, 1} and not weights[:, 0].any()
        assert (weights * self.LABELS)[:, 1:].sum(1).tolist() == [0, 1, 3], "every positive"
        assert (weights * (1 - self.LABELS)).sum(1).tolist() == drawn

    def test_every_negative_is_drawn_equally_often(self) -> None:
        generator = torch.Generator().manual_seed(0)
        draws = torch.stack([term_weights(self.LABELS[1:2], 3, generator)[0] for _ in range(600)]).mean(0)
        assert draws[:2].tolist() == [0, 1]
        torch.testing.assert_close(draws[2:], torch.full((4,), 0.5), atol=0.1, rtol=0)

    def test_weighted_negatives_weigh_k_times_the_positives_and_one_without_any(self) -> None:
        weights = term_weights(self.LABELS, -2, None)
        assert weights.tolist() == [[0, 1, 1, 1, 1, 1], [0, 1, 0.5, 0.5, 0.5, 0.5], [0, 1, 1, 3, 3, 1]]


def whole(prepared: Prepared, split: str = "train") -> Batch:
    chosen = prepared.split(split)
    return batch_of(chosen, range(len(chosen.tensors["ends"])), CPU, end=True)


def network(config: BagConfig, prepared: Prepared, trial: Trial) -> BagNetwork:
    """One whose parameters are large enough to tell its bags apart."""
    made = build(config, prepared.split("train"), trial).double()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=trial.rng("test", name), dtype=torch.float64) / 2)
    return made


@pytest.mark.parametrize("attention", ["selective", "average"])
@pytest.mark.parametrize("bias", [True, False])
def test_logits_are_those_of_attended_vectors_written_out(
    attention: str, bias: bool, small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    """A s^r + b, s^r = Σ α_i s_i with α the softmax of tanh(s_i) · q_r over the bag's sentences."""
    config = small({"attention": attention, "loss.bias": bias})
    made, batch = network(config, prepared, make_trial()), whole(prepared)
    sentences = made.sentences(made.embed(batch, {}), made.places(batch, {}), batch)
    found = made.logits(sentences, batch)
    own = network(small({"attention": attention, "loss.bias": bias, "loss.form": "sigmoid"}), prepared, make_trial())
    torch.testing.assert_close(own.logits(sentences, batch), found.diagonal(dim1=1, dim2=2))
    assert (batch.bag.bincount() > 1).any(), "some bag has several sentences"
    for bag in range(len(batch.labels)):
        members = sentences[batch.bag == bag]
        for relation in range(batch.labels.shape[1]):
            if attention == "selective":
                alpha = (members.tanh() @ made.attention.queries[relation]).softmax(0)
            else:
                alpha = torch.full((len(members),), 1 / len(members), dtype=torch.float64)
            attended = (alpha[:, None] * members).sum(0)
            expected = made.classifier.weight @ attended + (made.classifier.bias if bias else 0)
            torch.testing.assert_close(found[bag, relation], expected)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_bag_is_scored_alike_in_any_batch(
    encoder: str, small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    made = network(small(ENCODERS[encoder]), prepared, make_trial())
    together = made.predict(whole(prepared))
    assert float(together.std(0).min()) > 1e-3, "bags differ"
    for bag in range(len(together)):
        alone = made.predict(batch_of(prepared.split("train"), [bag], CPU, end=True))
        torch.testing.assert_close(alone[0], together[bag])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_end_token_is_read_and_padding_is_not(
    encoder: str, small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    made, batch = network(small(ENCODERS[encoder]), prepared, make_trial()), whole(prepared)
    words = made.embed(batch, {}).detach().requires_grad_()
    sentences = made.sentences(words, made.places(batch, {}), batch)
    (gradient,) = torch.autograd.grad((sentences * torch.randn_like(sentences)).sum(), words)
    place = torch.arange(words.shape[1])
    assert gradient[place == batch.lengths[:, None]].any()
    assert not gradient[place > batch.lengths[:, None]].any()
    assert (place > batch.lengths[:, None]).any()


def test_position_features_tell_which_entity_is_where_where_they_are_said_to(
    small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    """Swapping head and tail shows in told-apart marks and distances, not in common marks, and not without any."""
    batch = whole(prepared)
    swapped = Batch(*(getattr(batch, name) for name in ("bags", "words", "lengths")), batch.spans.roll(2, 1),
                    *(getattr(batch, name) for name in ("languages", "bag", "labels")))  # fmt: skip
    for kind, differs in (("embedding", True), ("told_apart", True), ("marked", False), ("none", False)):
        made = network(small({"position.kind": kind}), prepared, make_trial(kind))
        assert torch.equal(made.predict(batch), made.predict(swapped)) != differs


@pytest.mark.parametrize(
    ("rates", "places"), [({"words": 0.5}, ["words"]), ({"position": 0.5}, ["position"]), ({}, [])]
)
def test_each_rate_drops_in_its_place_alone(
    rates: dict[str, float], places: list[str], small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    trial = make_trial()
    made, batch = network(small({"dropout": rates}), prepared, trial), whole(prepared)
    noise = {place: trial.rng("dropout", place) for place in ("words", "position")}
    for place, features in (("words", made.embed), ("position", made.places)):
        clean, dropped = features(batch, {}), features(batch, noise)
        assert clean is not None and dropped is not None
        if place in places:
            kept = dropped != 0
            assert 0.3 < float(kept.double().mean()) < 0.7
            torch.testing.assert_close(dropped[kept], 2 * clean[kept])
        else:
            assert torch.equal(clean, dropped)
