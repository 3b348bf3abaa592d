"""A loop that learns, whose steps are written out, and which goes on as it should."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from relab.fields import overlay
from relab.prepared import Prepared
from relab.trial import Checkpoint, Trial
from torch import Tensor

from trainables.bio_multitask import BioMultitask
from trainables.bio_multitask.config import PRESETS, PairConfig
from trainables.bio_multitask.data import Batch, batch_of
from trainables.bio_multitask.loop import Loop, train

CPU = torch.device("cpu")
Small = Callable[..., PairConfig]
MakeTrial = Callable[..., Trial]
ENCODERS: Mapping[str, Mapping[str, Any]] = {
    "cnn": {},
    "pcnn": {"encoder.kind": "pcnn"},
    "eatt_bigru": {"encoder.kind": "eatt_bigru"},
}


def whole(prepared: Prepared) -> Batch:
    split = prepared.split("train")
    return batch_of(split, range(len(split.tensors["labels"])), CPU)


def weights(loop: Loop) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in loop.network.named_parameters()}


class TestStep:
    def test_it_is_rmsprop_written_out(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        loop, batch = Loop(small(), prepared, make_trial()), whole(prepared)
        before = weights(loop)
        loop.network.loss(batch).mean().backward()
        gradients = {name: value.grad.clone() for name, value in loop.network.named_parameters()}
        loop.step(batch)
        for name, value in loop.network.named_parameters():
            gradient = gradients[name]
            expected = before[name] - 1e-2 * gradient / ((0.1 * gradient.square()).sqrt() + 1e-8)
            torch.testing.assert_close(value.detach(), expected, msg=name)

    def test_the_size_of_the_loss_is_next_to_nothing_to_rmsprop(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        found = []
        for reduction in ("mean", "sum"):
            loop = Loop(small({"training.reduction": reduction}), prepared, make_trial(reduction))
            loop.network.double()
            loop.step(whole(prepared))
            found.append(loop.network.classifier.weight.detach())
        torch.testing.assert_close(*found, atol=1e-4, rtol=0)

    def test_the_norm_of_the_whole_gradient_is_cut(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = Loop(small({"optimizer.clip_norm": 1e-3}), prepared, make_trial())
        loop.step(whole(prepared))
        grown = [value.grad.square().sum() for value in loop.network.parameters() if value.grad is not None]
        assert float(torch.stack(grown).sum().sqrt()) == pytest.approx(1e-3, rel=1e-3)

    def test_the_epochs_loss_is_the_mean_of_an_instance(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        config = small({"optimizer.lr": 1e-12, "classification.dropout": 0.0})
        loop = Loop(config, prepared, make_trial())
        expected = float(loop.network.loss(whole(prepared)).mean().detach())
        assert loop.epoch(0) == pytest.approx(expected, rel=1e-5)


class TestDraws:
    def test_the_second_task_leaves_the_others_draws_as_they_were(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """With a weight of next to nothing it trains as if it were not there."""
        ends = []
        for name, changes in (("off", {"enabled": False}), ("faint", {"enabled": True, "weight": 1e-30})):
            loop = Loop(small({"identification": changes}), prepared, make_trial(name))
            losses = [loop.epoch(epoch) for epoch in range(2)]
            ends.append((losses, {n: v for n, v in weights(loop).items() if not n.startswith("identifier")}))
        (one_losses, one), (other_losses, other) = ends
        assert one_losses == other_losses and one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)

    def test_every_epoch_drops_other_units(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loop, seeds = Loop(small(), prepared, make_trial()), []

        def step(batch: Batch, noise: Mapping[str, torch.Generator]) -> Tensor:
            seeds.append(noise["hidden"].initial_seed())
            return torch.zeros(())

        monkeypatch.setattr(loop, "step", step)
        for epoch in (0, 1, 0):
            loop.epoch(epoch)
        first, second, again = (seeds[len(seeds) // 3 * n] for n in range(3))
        assert first == again != second and len(set(seeds)) == 2

    def test_dev_leaves_no_trace_in_the_weights(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        last = []
        for name in ("dev", "test"):
            splits = {"train": prepared.splits["train"], "dev": prepared.splits[name]}
            trial = make_trial(name)
            train(small(), Prepared(splits, prepared.shared, prepared.vocabulary), trial)
            trial.finish()
            last.append(Checkpoint.load(trial.last_folder).weights())
        assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])


class TestEpochs:
    def test_the_best_epochs_weights_count_and_of_equal_ones_the_first(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        config, trial = small({"training.epochs": 4}), make_trial()
        train(config, prepared.without("test"), trial)
        scores = [report["dev/f1"] for report in trial.history]
        assert len(scores) == 4 and trial.best == scores.index(max(scores))
        found = BioMultitask().evaluate(config, prepared.split("dev"), trial.weights_folder).metrics
        assert {f"dev/{name}": value for name, value in found.items()} == {
            name: value for name, value in trial.history[trial.best].items() if name.startswith("dev/")
        }

    @pytest.mark.parametrize("encoder", ENCODERS)
    def test_resumed_equals_uninterrupted(
        self, encoder: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """The conformance suite does this for the default; here for each encoder, at another place."""
        config = small({**ENCODERS[encoder], "training.epochs": 2})
        through, halted = make_trial("through"), make_trial("halted")
        train(config, prepared.without("test"), through)
        through.finish()
        train(small({**ENCODERS[encoder], "training.epochs": 1}), prepared.without("test"), halted)
        halted.finish()
        again = make_trial("halted")
        train(config, prepared.without("test"), again)
        again.finish()
        assert again.history == through.history
        one, other = (Checkpoint.load(trial.last_folder).tensors for trial in (through, again))
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)

    @pytest.mark.parametrize("seed", range(3))
    def test_unrelated_pairs_silence_no_hidden_layer(
        self, seed: int, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """With few units and large steps, as here, every score of a layer of ReLU ends at exactly 0."""
        loop = Loop(small(), prepared, make_trial(seed=seed))
        for epoch in range(3):
            loop.epoch(epoch)
        scores = loop.network(whole(prepared)).scores.detach()
        assert float(scores.std(0).min()) > 0.01

    def test_the_released_codes_settings_train_and_are_scored_again(
        self, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """In the sizes of the preset ``smoke``."""
        sizes = {name: value for name, value in PRESETS["smoke"].items() if name != "encoder"}
        config = PairConfig.model_validate(overlay(overlay(PRESETS["code/english"], sizes), {"encoder.hidden": 8}))
        assert (config.encoder.windows, config.encoder.pooling, config.training.epochs) == ((1, 2, 3), "max_mean", 3)
        trial = make_trial()
        train(config, prepared.without("test"), trial)
        losses = [report["train/loss"] for report in trial.history]
        assert len(losses) == 3 and losses[-1] < losses[0]
        found = BioMultitask().evaluate(config, prepared.split("dev"), trial.weights_folder).metrics
        assert all(trial.history[trial.best][f"dev/{name}"] == value for name, value in found.items())

    @pytest.mark.parametrize(
        ("encoder", "loss"),
        [("cnn", "ranking"), ("cnn", "cross_entropy"), ("cnn", "both"), ("pcnn", "ranking"), ("eatt_bigru", "ranking")],
    )
    def test_a_few_instances_are_learnt_by_heart(
        self, encoder: str, loss: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        settings = {
            **ENCODERS[encoder],
            "classification": {"loss": loss, "hidden": 24, "activation": "tanh"},
            "encoder.hidden": 12,
            "optimizer.lr": 1e-2,
        }
        loop, split = Loop(small(settings), prepared, make_trial()), prepared.split("train")
        batch = batch_of(split, range(16), CPU)
        assert 0 < int((batch.labels > 0).sum()) < 16
        for _ in range(100):
            loop.step(batch)
            if torch.equal(loop.network.predict(batch), batch.labels):
                break
        assert torch.equal(loop.network.predict(batch), batch.labels)
