"""The network: its losses and decisions against plain formulas, and what a sentence or a component changes."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from relab.corpora import read_corpus
from relab.prepared import Prepared, Split
from relab.trial import Trial
from torch import Tensor
from torch.nn import functional

from trainables.joint_head_selection.config import DataConfig, JointConfig
from trainables.joint_head_selection.data import Batch, batch_of, prepare
from trainables.joint_head_selection.loop import build
from trainables.joint_head_selection.model import JointNetwork
from trainables.layers.crf import viterbi
from trainables.layers.noise import NO_NOISE, Noise

CPU = torch.device("cpu")
Small = Callable[..., JointConfig]
MakeTrial = Callable[..., Trial]

VARIANTS = {
    "tags with a CRF": {},
    "tags without": {"entities.crf": False},
    "classes": {"entities.scheme": "classes", "entities.crf": False, "evaluation.matching": "relaxed"},
    "label embeddings": {"label_embedding.enabled": True},
    "gold cells": {"relations.loss": "gold_cells"},
    "relu": {"entities.activation": "relu", "relations.activation": "relu"},
    "no characters": {"characters.enabled": False},
}


@pytest.fixture
def train(prepared: Prepared) -> Split:
    return prepared.split("train")


@pytest.fixture
def network(small: Small, train: Split, make_trial: MakeTrial) -> JointNetwork:
    return build(small(), train, make_trial())


def spread(network: JointNetwork) -> JointNetwork:
    """The same with larger weights, so that its labels and relations vary from word to word."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("words"):
                parameter.mul_(3)
    return network


def unequal(split: Split) -> list[int]:
    """Three sentences of different lengths, the longest neither first nor last."""
    lengths = split.tensors["offsets"].diff().tolist()
    shortest, longest = lengths.index(min(lengths)), lengths.index(max(lengths))
    other = next(n for n in range(len(lengths)) if n not in (shortest, longest))
    assert lengths[shortest] < lengths[longest]
    return [shortest, longest, other]


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_and_decisions_of_a_sentence_do_not_depend_on_its_batch_mates(
    variant: str, small: Small, train: Split, make_trial: MakeTrial
) -> None:
    config = small(VARIANTS[variant])
    network = spread(build(config, train, make_trial()))
    kind = "classes" if config.entities.scheme == "classes" else "tags"
    numbers = unequal(train)
    batch = batch_of(train, numbers, kind, CPU)
    tokens = network.tokens(batch, train.shared)
    losses, (labels, related) = network.loss(tokens, batch), network.predict(tokens, batch.lengths)
    for row, number in enumerate(numbers):
        alone = batch_of(train, [number], kind, CPU)
        own = network.tokens(alone, train.shared)
        length = int(alone.lengths)
        torch.testing.assert_close(tokens[row, :length], own[0])
        torch.testing.assert_close(losses[row], network.loss(own, alone)[0], rtol=1e-5, atol=1e-5)
        own_labels, own_related = network.predict(own, alone.lengths)
        assert torch.equal(labels[row, :length], own_labels[0])
        assert torch.equal(related[row, :length, :length], own_related[0])


def test_the_gradient_at_a_sentences_tokens_is_its_own_and_zero_on_padding(network: JointNetwork, train: Split) -> None:
    """What the perturbation is made of."""
    numbers = unequal(train)
    batch = batch_of(train, numbers, "tags", CPU)
    tokens = network.tokens(batch, train.shared).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.loss(tokens, batch).sum(), tokens)
    assert not gradient[~batch.mask].any()
    for row, number in enumerate(numbers):
        alone = batch_of(train, [number], "tags", CPU)
        own = network.tokens(alone, train.shared).detach().requires_grad_()
        (expected,) = torch.autograd.grad(network.loss(own, alone).sum(), own)
        torch.testing.assert_close(gradient[row, : int(alone.lengths)], expected[0], rtol=1e-4, atol=1e-6)


def test_a_token_is_its_words_vector_and_its_spelling(network: JointNetwork, train: Split) -> None:
    batch = batch_of(train, unequal(train), "tags", CPU)
    tokens = network.tokens(batch, train.shared)
    assert tokens.shape[2] == network.dimension == 20 + 2 * 3
    words = batch.unique[batch.word]
    assert torch.equal(tokens[..., :20], train.shared["vectors"][train.shared["word_row"][words]])
    row, place = 1, 3
    word = int(words[row, place])
    spelled = train.shared["characters"][word, : int(train.shared["character_lengths"][word])][None]
    last = network.spelling.last_states(network.characters(spelled), torch.tensor([spelled.shape[1]]))
    torch.testing.assert_close(tokens[row, place, 20:], last[0])


class TestLosses:
    @pytest.fixture
    def batch(self, train: Split) -> Batch:
        return batch_of(train, [0], "tags", CPU)

    def parts(self, network: JointNetwork, batch: Batch, split: Split) -> tuple[Tensor, Tensor]:
        """Emissions and relation probabilities, as training computes them."""
        states = network.encode(network.tokens(batch, split.shared), batch.lengths, NO_NOISE)
        return network.emissions(states), torch.sigmoid(network.relation_logits(states, batch.tags))

    def test_relations_cost_the_cross_entropy_of_all_cells_summed(
        self, small: Small, train: Split, make_trial: MakeTrial, batch: Batch
    ) -> None:
        network = build(small({"entities.crf": False}), train, make_trial())
        emissions, probability = self.parts(network, batch, train)
        cells = -(batch.targets * probability.log() + (1 - batch.targets) * (1 - probability).log())
        words = -emissions.log_softmax(2).gather(2, batch.tags[..., None])
        loss = network.loss(network.tokens(batch, train.shared), batch)
        torch.testing.assert_close(loss, (words.sum() + cells.sum())[None])

    def test_gold_cells_alone_on_request(self, small: Small, train: Split, make_trial: MakeTrial, batch: Batch) -> None:
        network = build(small({"entities.crf": False, "relations.loss": "gold_cells"}), train, make_trial())
        emissions, probability = self.parts(network, batch, train)
        words = -emissions.log_softmax(2).gather(2, batch.tags[..., None])
        cells = -probability[batch.targets.bool()].log()
        loss = network.loss(network.tokens(batch, train.shared), batch)
        torch.testing.assert_close(loss, (words.sum() + cells.sum())[None])

    def test_the_score_of_a_pair_is_of_token_and_head_in_this_order(
        self, network: JointNetwork, train: Split, batch: Batch
    ) -> None:
        with torch.no_grad():
            network.relation_token.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
        states = network.encode(network.tokens(batch, train.shared), batch.lengths, NO_NOISE)
        logits = network.relation_logits(states, batch.tags)[0]
        token, head = network.relation_token, network.relation_head
        for i, j in ((0, 0), (1, 4), (4, 1)):
            hidden = torch.tanh(token.weight @ states[0, i] + head.weight @ states[0, j] + token.bias)
            torch.testing.assert_close(logits[i, j], network.relation_scores.weight @ hidden)
        assert not torch.allclose(logits[1, 4], logits[4, 1])

    def test_n_loops_are_trained_as_any_other_cell(self, network: JointNetwork, train: Split, batch: Batch) -> None:
        """With its loops as targets a sentence costs less by their logits: −log σ(s) + log(1 − σ(s)) = −s."""
        none = train.vocabulary["relations"].index("N")
        loops = torch.zeros_like(batch.targets, dtype=torch.bool)
        loops[..., none] = batch.targets[..., none].bool()
        tokens = network.tokens(batch, train.shared)
        logits = network.relation_logits(network.encode(tokens, batch.lengths, NO_NOISE), batch.tags)
        assert loops.any()
        without = replace(batch, targets=batch.targets * ~loops)
        difference = network.loss(tokens, batch) - network.loss(tokens, without)
        torch.testing.assert_close(difference, -logits[loops].sum()[None], rtol=1e-3, atol=1e-4)


class TestDecisions:
    def constant(self, network: JointNetwork, logit: float) -> JointNetwork:
        """Every relation of every pair gets this logit."""
        with torch.no_grad():
            for layer in (network.relation_token, network.relation_head):
                layer.weight.zero_()
            network.relation_token.bias.fill_(20)
            network.relation_scores.weight.fill_(logit / 7)
        return network

    @pytest.mark.parametrize(("logit", "predicted"), [(0.0, False), (1e-4, True), (-1e-4, False), (5.0, True)])
    def test_a_relation_is_predicted_above_one_half_and_not_at_it(
        self, network: JointNetwork, train: Split, logit: float, predicted: bool
    ) -> None:
        batch = batch_of(train, [0], "tags", CPU)
        tokens = network.tokens(batch, train.shared)
        _, related = self.constant(network, logit).predict(tokens, batch.lengths)
        assert related.dtype == torch.bool
        assert bool(related.all()) == bool(related.any()) == predicted

    def test_tags_are_viterbis_with_a_crf_and_each_words_best_without(
        self, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        batch = batch_of(train, unequal(train), "tags", CPU)
        network = spread(build(small(), train, make_trial()))
        tokens = network.tokens(batch, train.shared)
        emissions = network.emissions(network.encode(tokens, batch.lengths, NO_NOISE))
        labels, _ = network.predict(tokens, batch.lengths)
        assert torch.equal(labels, viterbi(emissions, network.transitions, batch.lengths))
        assert not torch.equal(labels[batch.mask], emissions.argmax(2)[batch.mask])
        network.config = small({"entities.crf": False})
        assert torch.equal(network.predict(tokens, batch.lengths)[0], emissions.argmax(2))

    def test_gold_labels_feed_the_relations_in_training_and_predicted_ones_in_evaluation(
        self, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        network = spread(build(small({"label_embedding.enabled": True, "entities.crf": False}), train, make_trial()))
        batch = batch_of(train, unequal(train), "tags", CPU)
        tokens = network.tokens(batch, train.shared)
        states = network.encode(tokens, batch.lengths, NO_NOISE)
        labels, related = network.predict(tokens, batch.lengths)
        with_predicted, with_gold = (network.relation_logits(states, tags) for tags in (labels, batch.tags))
        assert not torch.equal(with_predicted > 0, with_gold > 0), "else this test shows nothing"
        assert torch.equal(related, with_predicted > 0)
        words = functional.cross_entropy(network.emissions(states).transpose(1, 2), batch.tags, reduction="none")
        inside = (batch.mask[:, :, None] & batch.mask[:, None])[..., None]
        cells = functional.binary_cross_entropy_with_logits(with_gold, batch.targets, reduction="none") * inside
        expected = (words * batch.mask).sum(1) + cells.sum((1, 2, 3))
        torch.testing.assert_close(network.loss(tokens, batch), expected)


class TestDropout:
    def noise(self, seed: int = 0) -> Noise:
        return {place: torch.Generator().manual_seed(seed) for place in ("embedding", "layer 1", "output")}

    @pytest.mark.parametrize("place", ["embedding", "between_layers", "output"])
    def test_each_place_drops_at_its_own_rate(
        self, place: str, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        rates = {"embedding": 0.0, "between_layers": 0.0, "output": 0.0, place: 0.5}
        network = build(small({"dropout": rates}), train, make_trial())
        batch = batch_of(train, [0, 1], "tags", CPU)
        tokens = network.tokens(batch, train.shared)
        plain = network.encode(tokens, batch.lengths, NO_NOISE)
        noisy = network.encode(tokens, batch.lengths, self.noise())
        assert not torch.equal(noisy, plain)
        assert torch.equal(noisy, network.encode(tokens, batch.lengths, self.noise()))
        assert not torch.equal(noisy, network.encode(tokens, batch.lengths, self.noise(1)))
        kept = noisy[batch.mask] != 0
        if place == "output":
            torch.testing.assert_close(noisy[batch.mask][kept], 2 * plain[batch.mask][kept])
            assert 0.3 < float(kept.float().mean()) < 0.7
        else:
            assert kept.all(), "what is dropped inside is not dropped from the output"

    def test_both_heads_read_the_same_output(self, small: Small, train: Split, make_trial: MakeTrial) -> None:
        """One mask for both: with everything dropped, entities and relations alike see nothing but biases."""
        network = build(small({"dropout": {"output": 0.999999}}), train, make_trial())
        batch = batch_of(train, [0], "tags", CPU)
        states = network.encode(network.tokens(batch, train.shared), batch.lengths, self.noise())
        assert not states.any()


class TestComponents:
    """A component switched off equals a model that never had it."""

    def initial(self, config: JointConfig, split: Split, trial: Trial) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in build(config, split, trial).named_parameters()}

    @pytest.mark.parametrize(
        ("field", "own"),
        [
            ("label_embedding.enabled", {"labels.weight"}),
            ("entities.crf", {"transitions"}),
            ("characters.enabled", {"characters.weight", "spelling"}),
            ("adversarial.enabled", set()),
        ],
    )
    def test_its_parameters_are_gone_and_all_others_start_as_they_did(
        self, field: str, own: set[str], small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        everything = {"label_embedding.enabled": True, "adversarial.enabled": True}
        full = self.initial(small(everything), train, make_trial("full"))
        less = self.initial(small(everything | {field: False}), train, make_trial("less"))
        gone = {name for name in full if name not in less}
        assert {name.split(".")[0] if name.startswith("spelling") else name for name in gone} == own
        assert less.keys() <= full.keys()
        reshaped = {name for name in less if less[name].shape != full[name].shape}
        widened = {
            "label_embedding.enabled": {"relation_token.weight", "relation_head.weight"},
            "characters.enabled": {f"encoder.0.{way}.weight_ih_l0" for way in ("left_to_right", "right_to_left")},
        }
        assert reshaped == widened.get(field, set())
        for name in less.keys() - reshaped:
            if field == "characters.enabled" and name.startswith("encoder.0.") and "weight_hh" in name:
                # the same draw; Glorot's limit is of the whole kernel, whose other half got narrower
                wide, narrow = (6 / (inputs + 5 * 6) for inputs in (26, 20))
                torch.testing.assert_close(less[name] / narrow**0.5, full[name] / wide**0.5)
            else:
                assert torch.equal(less[name], full[name]), name

    def test_biases_start_at_zero_or_as_in_tensorflow(self, small: Small, train: Split, make_trial: MakeTrial) -> None:
        biases = ("entity_hidden.bias", "entity_scores.bias", "relation_token.bias")
        zero, drawn = (
            self.initial(small({"training.initialisation": kind}), train, make_trial())
            for kind in ("glorot_zero_bias", "glorot")
        )
        assert not any(zero[name].any() for name in biases)
        assert all(0 < float(drawn[name].abs().max()) <= (3 / len(drawn[name])) ** 0.5 for name in biases)
        others = drawn.keys() - set(biases)
        assert all(torch.equal(drawn[name], zero[name]) for name in others)

    def test_another_seed_draws_every_weight_anew_but_the_word_vectors(
        self, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        one, other = (self.initial(small(), train, make_trial(seed=seed)) for seed in (0, 1))
        assert torch.equal(one["words.weight"], train.shared["vectors"])
        same = {name for name in one if torch.equal(one[name], other[name])}
        assert same == {name for name in one if name == "words.weight" or "bias" in name}

    def test_pre_trained_vectors_are_frozen_unless_asked_for_and_drawn_ones_are_trained(
        self, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        drawn = prepare(read_corpus("planted_joint", {"dimension": 0}).head(12), DataConfig()).split("train")
        assert not build(small(), train, make_trial()).words.weight.requires_grad
        assert build(small({"words.trainable": True}), train, make_trial()).words.weight.requires_grad
        network = build(small({"words.size": 11}), drawn, make_trial())
        assert network.words.weight.requires_grad
        assert network.words.weight.shape == (int(drawn.shared["drawn_rows"]), 11)


@pytest.mark.parametrize(("words", "characters", "dimension"), [(100, False, 100), (100, True, 150), (200, True, 250)])
def test_the_dimension_is_of_the_concatenated_token(
    words: int, characters: bool, dimension: int, make_trial: MakeTrial
) -> None:
    split = prepare(read_corpus("planted_joint", {"dimension": 0}).head(2), DataConfig()).split("train")
    config = JointConfig.model_validate({"words": {"size": words}, "characters": {"enabled": characters}})
    network = build(config, split, make_trial())
    batch = batch_of(split, [0, 1], "tags", CPU)
    assert network.dimension == network.tokens(batch, split.shared).shape[2] == dimension
