"""The perturbed step against steps written out by hand, and a loop that learns, stops and goes on as it should."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from relab.errors import RequestError
from relab.prepared import Prepared
from relab.trial import Checkpoint, Trial
from torch import Tensor

from trainables.adversarial_bag import AdversarialBag
from trainables.adversarial_bag.config import BagConfig
from trainables.adversarial_bag.loop import PLACES, Loop, Progress, train
from trainables.adversarial_bag.model import term_weights
from trainables.bags.data import Batch, batch_of, prepare_bags
from trainables.corpora.planted_mentions import PlantedMentionsConfig, read_planted_mentions
from trainables.layers.noise import Noise
from trainables.metrics.held_out import held_out

CPU = torch.device("cpu")

Small = Callable[..., BagConfig]
MakeTrial = Callable[..., Trial]

NO_DROPOUT: Mapping[str, Any] = {"dropout": {"words": 0.0, "sentence": 0.0}}
GRU: Mapping[str, Any] = {"encoder.kind": "gru", "position.kind": "marked"}


def adversarial(epsilon: float, **more: Any) -> dict[str, Any]:
    return {"adversarial": {"enabled": True, "epsilon": epsilon, **more}}


def batch(prepared: Prepared, bags: list[int] | None = None) -> Batch:
    split = prepared.split("train")
    return batch_of(split, range(len(split.tensors["ends"])) if bags is None else bags, CPU, end=True)


def noise(trial: Trial, epoch: int = 0) -> Noise:
    return {place: trial.rng("dropout", place, epoch) for place in PLACES}


def terms(given: Batch) -> Tensor:
    return term_weights(given.labels, 0, None)


def perturbation(loop: Loop, given: Batch, streams: Noise | None = None) -> Tensor:
    streams = streams or {}
    with torch.no_grad():
        words, places = loop.network.embed(given, streams), loop.network.places(given, streams)
    return loop.perturbation(words, places, given, terms(given), streams)


def weights(loop: Loop) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in loop.network.named_parameters()}


def gradients(loop: Loop) -> dict[str, Tensor]:
    return {name: value.grad.clone() for name, value in loop.network.named_parameters() if value.grad is not None}


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


class TestPerturbation:
    @pytest.mark.parametrize("encoder", [{}, GRU], ids=["pcnn", "gru"])
    def test_it_is_zero_for_the_end_token_and_padding_and_words_alone_have_it(
        self, encoder: Mapping[str, Any], small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop, given = Loop(small({**encoder, **adversarial(0.3)}), prepared, make_trial()), batch(prepared)
        moved = perturbation(loop, given, noise(make_trial()))
        assert moved.shape == (*given.words.shape, loop.network.words.dimension), "no dimension of a position feature"
        outside = ~given.mask
        assert outside.any(1).all(), "an END token after every sentence, padding after most"
        assert not moved[outside].any()
        assert moved[given.mask].any()
        assert not moved.requires_grad

    @pytest.mark.parametrize("scope", ["bag", "sentence", "batch"])
    def test_its_norm_is_epsilon_over_its_scope(
        self, scope: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop, given = Loop(small(adversarial(0.3, scope=scope)), prepared, make_trial()), batch(prepared)
        moved = perturbation(loop, given)
        squares = moved.square().sum((1, 2))
        groups = {
            "bag": given.bag,
            "sentence": torch.arange(len(given.bag)),
            "batch": torch.zeros_like(given.bag),
        }[scope]
        norms = torch.zeros(int(groups.max()) + 1).index_add(0, groups, squares).sqrt()
        torch.testing.assert_close(norms, torch.full_like(norms, 0.3))

    @pytest.mark.parametrize("encoder", [{}, GRU], ids=["pcnn", "gru"])
    def test_that_of_a_bag_does_not_depend_on_the_other_bags(
        self, encoder: Mapping[str, Any], small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = Loop(small({**encoder, **adversarial(0.3)}), prepared, make_trial())
        loop.network.double()
        together, given = perturbation(loop, batch(prepared)), batch(prepared)
        for bag in range(len(given.labels)):
            alone = perturbation(loop, batch(prepared, [bag]))
            torch.testing.assert_close(together[given.bag == bag, : alone.shape[1]], alone)

    @pytest.mark.parametrize("encoder", [{}, GRU], ids=["pcnn", "gru"])
    def test_it_goes_along_the_gradient_of_the_loss_of_the_dropped_words(
        self, encoder: Mapping[str, Any], small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """The gradient of the mean loss with the clean pass' masks, written out."""
        config = small({**encoder, **adversarial(0.3, scope="batch"), "dropout": {"words": 0.4, "sentence": 0.4}})
        loop, given = Loop(config, prepared, make_trial()), batch(prepared)
        network, streams = loop.network, noise(make_trial())
        words, places = network.embed(given, streams).detach().requires_grad_(), network.places(given, streams)
        loss = network.loss(words, places, given, terms(given), streams["sentence of the clean pass"])
        (gradient,) = torch.autograd.grad(loss, words)
        gradient = gradient * given.mask[..., None]
        torch.testing.assert_close(perturbation(loop, given, noise(make_trial())), 0.3 * gradient / gradient.norm())

    def test_it_raises_the_loss(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        loop, given = Loop(small({**adversarial(0.05), **NO_DROPOUT}), prepared, make_trial()), batch(prepared)
        for epoch in range(3):
            loop.epoch(epoch)
        words, places = loop.network.embed(given, {}), loop.network.places(given, {})
        losses = [
            float(loop.network.loss(x.detach(), places, given, terms(given), None).detach())
            for x in (words, words + perturbation(loop, given), words - perturbation(loop, given))
        ]
        assert losses[2] < losses[0] < losses[1]

    def test_of_positive_relations_only_leaves_bags_without_one_as_they_are(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        sigmoid = {"loss": {"form": "sigmoid"}, **NO_DROPOUT}
        given = batch(prepared)
        positive = given.labels[:, 0] == 0
        assert positive.any() and not positive.all()
        for only_positive in (False, True):
            config = small({**sigmoid, **adversarial(0.3, only_positive=only_positive)})
            moved = perturbation(Loop(config, prepared, make_trial(str(only_positive))), given)
            touched = torch.stack([moved[given.bag == bag].any() for bag in range(len(positive))])
            assert touched.tolist() == (positive.tolist() if only_positive else [True] * len(positive))


class TestStep:
    @pytest.mark.parametrize("encoder", [{}, GRU], ids=["pcnn", "gru"])
    @pytest.mark.parametrize("scope", ["bag", "sentence", "batch"])
    def test_the_gradients_are_those_of_the_perturbed_loss_alone_with_a_constant_perturbation(
        self, encoder: Mapping[str, Any], scope: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """e computed in advance, added to the words, one backward pass: no clean loss, and nothing flows through e."""
        config = small(
            {**encoder, **adversarial(2.0, scope=scope), "dropout": {"words": 0.3}, "optimizer": {"clip_norm": None}}
        )
        given, trial = batch(prepared), make_trial()
        by_hand, loop = Loop(config, prepared, trial), Loop(config, prepared, trial)
        constant = perturbation(by_hand, given, noise(trial))
        streams = noise(trial)
        words, places = by_hand.network.embed(given, streams), by_hand.network.places(given, streams)
        loss = by_hand.network.loss(words + constant, places, given, terms(given), streams["sentence"])
        loss.backward()  # type: ignore[no-untyped-call]
        clean = by_hand.network.loss(words.detach(), places, given, terms(given), noise(trial)["sentence"])
        found = loop.step(given, noise(trial))
        assert torch.equal(found, loss.detach())
        assert abs(float(found - clean.detach())) > 1e-3
        assert_same(gradients(loop), gradients(by_hand))

    @pytest.mark.parametrize("dropout", [0.0, 0.5], ids=["without dropout", "with dropout"])
    @pytest.mark.parametrize("encoder", [{}, GRU], ids=["pcnn", "gru"])
    @pytest.mark.parametrize(
        "loss", [{}, {"form": "sigmoid"}, {"form": "sampled_sigmoid", "negatives": 2}], ids=lambda loss: str(len(loss))
    )
    def test_epsilon_zero_is_the_model_without_adversarial_training_bit_for_bit(
        self,
        dropout: float,
        encoder: Mapping[str, Any],
        loss: Mapping[str, Any],
        small: Small,
        prepared: Prepared,
        make_trial: MakeTrial,
    ) -> None:
        """Wu et al.: ε = 0 reproduces the base model; the clean pass' draws must not shift any other."""
        rates = {"words": dropout, "sentence": dropout, "position": dropout}
        ends = []
        for name, change in (("base", {}), ("zero", adversarial(0.0)), ("more", adversarial(0.5))):
            config = small({**encoder, "loss": loss, "dropout": rates, **change})
            loop = Loop(config, prepared, make_trial(name))
            trained = [loop.epoch(epoch)["train/loss"] for epoch in range(2)]
            ends.append((trained, weights(loop)))
        (base, base_weights), (zero, zero_weights), (more, _) = ends
        assert zero == base and more != base
        assert_same(zero_weights, base_weights)

    def test_both_passes_see_the_same_words_and_drop_other_units_of_the_sentences(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        trial, given = make_trial(), batch(prepared)
        rates = {"words": 0.5, "position": 0.5, "sentence": 0.5}
        before = noise(trial)
        seeds = {place: stream.initial_seed() for place, stream in before.items()}
        assert len(set(seeds.values())) == len(PLACES)
        after: dict[str, dict[str, Tensor]] = {}
        for name, change in (("base", {}), ("adversarial", adversarial(0.5))):
            streams = noise(trial)
            Loop(small({"dropout": rates, **change}), prepared, trial).step(given, streams)
            after[name] = {place: stream.get_state() for place, stream in streams.items()}
        clean = "sentence of the clean pass"
        for place in PLACES:
            drawn = not torch.equal(after["base"][place], before[place].get_state())
            assert drawn == (place != clean)
            assert torch.equal(after["base"][place], after["adversarial"][place]) == (place != clean), "drawn once"

    def test_each_parameter_is_clipped_by_itself_and_embeddings_are_not(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        given = batch(prepared)
        found = []
        for name, largest in (("free", None), ("clipped", 1e-3)):
            trained_words = {"words.trainable": True, "optimizer": {"clip_norm": largest}}
            loop = Loop(small(trained_words), prepared, make_trial(name))
            loop.step(given, {})
            found.append(gradients(loop))
        free, clipped = found
        embeddings = {"words.own", "words.known", "position.tables.0"}
        assert embeddings < free.keys()
        for name, gradient in free.items():
            norm = float(gradient.norm())
            if name in embeddings:
                assert norm > 0 and torch.equal(clipped[name], gradient)
            else:
                expected = gradient * min(1.0, 1e-3 / max(norm, 1e-30))
                torch.testing.assert_close(clipped[name], expected, rtol=1e-5, atol=0)
        assert sum(float(gradient.norm()) > 1e-3 for name, gradient in free.items() if name not in embeddings) > 2

    def test_pretrained_vectors_stay_as_they_are_unless_they_are_trained(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        vectors = prepared.shared["vectors/en"].clone()
        for trainable in (False, True):
            loop = Loop(small({"words.trainable": trainable}), prepared, make_trial(str(trainable)))
            own = loop.network.words.own.detach().clone()
            assert torch.equal(loop.network.words.known.detach(), vectors), "where training starts"
            loop.epoch(0)
            assert torch.equal(loop.network.words.known.detach(), vectors) != trainable
            assert not torch.equal(loop.network.words.own.detach(), own)
            assert torch.equal(prepared.shared["vectors/en"], vectors)


class TestNearestWord:
    def test_a_small_perturbation_leaves_every_word_its_own_nearest_and_a_large_one_does_not(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        kept = [
            Loop(small(adversarial(epsilon)), prepared, make_trial(str(epsilon))).nearest_word_kept(batch(prepared))
            for epsilon in (1e-4, 100.0)
        ]
        assert kept[0] == 1 and kept[1] < 0.7

    def test_without_adversarial_training_there_is_nothing_to_lose(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        assert Loop(small(), prepared, make_trial()).nearest_word_kept(batch(prepared)) == 1


class TestInitialValues:
    def test_each_kind_has_its_distribution(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        found = weights(Loop(small({"encoder.hidden": 60, "position.size": 30}), prepared, make_trial()))
        for name in ("words.own", "position.tables.0", "attention.queries", "classifier.weight"):
            assert float(found[name].std()) == pytest.approx(0.01, rel=0.3), name
        inputs = prepared.shared["vectors/en"].shape[1] + 60
        limit = (6 / (3 * inputs + 3 * 60)) ** 0.5
        assert 0.95 * limit < float(found["encoder.kernel"].abs().max()) <= limit
        assert not found["encoder.bias"].any() and not found["classifier.bias"].any()

    def test_a_part_taken_away_leaves_the_others_as_they_were(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        full = weights(Loop(small(), prepared, make_trial("full")))
        less = weights(Loop(small({"attention": "average", "loss.bias": False}), prepared, make_trial("less")))
        assert full.keys() - less.keys() == {"attention.queries", "classifier.bias"}
        assert_same({name: full[name] for name in less}, less)


class TestEpochs:
    def test_the_first_of_equal_scores_is_the_best_and_patience_counts_from_it(self, small: Small) -> None:
        config = small({"training": {"epochs": 9, "patience": 2}})
        progress, over = Progress(), []
        for score in (0.0, 0.3, 0.3, 0.2):
            over.append(progress.over(config))
            progress = progress.after(score)
        assert over == [False] * 4 and progress.over(config)
        assert (progress.epoch, progress.best, progress.best_epoch) == (4, 0.3, 1)
        assert Progress(9, 0.9, 8).over(config), "all epochs are done"

    def test_the_best_epochs_weights_count(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        config, trial = small({"training": {"epochs": 4, "patience": 1}, "optimizer.lr": 0.05}), make_trial()
        train(config, prepared.without("test"), trial)
        scores = [report["dev/average_precision"] for report in trial.history]
        assert trial.best == scores.index(max(scores))
        assert len(scores) == min(4, trial.best + 2)
        found = AdversarialBag().evaluate(config, prepared.split("dev"), trial.weights_folder).metrics
        assert {f"dev/{name}": value for name, value in found.items()} == {
            name: value for name, value in trial.history[trial.best].items() if name.startswith("dev/")
        }

    def test_dev_leaves_no_trace_in_the_weights(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        config, last = small(adversarial(0.1)), []
        for name in ("dev", "test"):
            splits = {"train": prepared.splits["train"], "dev": prepared.splits[name]}
            trial = make_trial(name)
            train(config, Prepared(splits, prepared.shared, prepared.vocabulary), trial)
            trial.finish()
            last.append(Checkpoint.load(trial.last_folder).weights())
        assert_same(*last)

    @pytest.mark.parametrize("encoder", [{"encoder.hidden": 24}, {**GRU, "encoder.hidden": 12}], ids=["pcnn", "gru"])
    def test_a_few_bags_are_learnt_by_heart(
        self, encoder: Mapping[str, Any], small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        settings = {
            **encoder,
            **adversarial(0.05),
            "optimizer.lr": 0.03,
            "dropout.sentence": 0.1,
            "loss.form": "sigmoid",
        }
        loop, found = Loop(small(settings), prepared, make_trial()), 0.0
        few = [batch(prepared, list(range(start, start + 5))) for start in (0, 5)]
        for _ in range(80):
            for given in few:
                loop.step(given, {})
            scores = torch.cat([loop.network.predict(given) for given in few])[:, 1:]
            found = held_out(scores, torch.cat([given.labels for given in few])[:, 1:]).average_precision
            if found == 1:
                break
        assert found == 1


def test_a_corpus_of_two_languages_is_refused(small: Small, make_trial: MakeTrial) -> None:
    corpus = read_planted_mentions("planted", {}, PlantedMentionsConfig(languages=2, train=5, dev=5, test=5))
    with pytest.raises(RequestError, match="one language, the corpus has en, zh"):
        Loop(small(), prepare_bags(corpus, small().data), make_trial())
