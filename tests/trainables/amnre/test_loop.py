"""Who moves in which step, by how much, and in which order (A4); the streams; going on after a crash."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from relab.corpus import Corpus
from relab.errors import RequestError
from relab.prepared import Prepared
from relab.trial import Checkpoint, Trial
from torch import Tensor

from trainables.amnre.adversary import discriminator_loss, encoder_loss, orthogonality
from trainables.amnre.config import AmnreConfig, DataConfig
from trainables.amnre.loop import Loop, Progress, lengths_in, train
from trainables.bags.data import Batch, batch_of, prepare_bags
from trainables.corpora.mentions import Mention

CPU = torch.device("cpu")
Small = Callable[..., AmnreConfig]
MakeTrial = Callable[..., Trial]
QUIET: Mapping[str, Any] = {"dropout": {"output": 0.0, "embedding": 0.0, "discriminator": 0.0}}
MONO = {"consistent.enabled": False, "adversarial.enabled": False, "orthogonality.enabled": False}


def whole(loop: Loop) -> Batch:
    return batch_of(loop.train, range(len(loop.train.tensors["bag_offsets"]) - 1), CPU)


def weights(loop: Loop) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in loop.network.state_dict().items()}


def moved(loop: Loop, before: Mapping[str, Tensor]) -> set[str]:
    return {name for name, value in loop.network.state_dict().items() if not torch.equal(value, before[name])}


def part(names: set[str], *prefixes: str) -> set[str]:
    return {name for name in names if name.startswith(prefixes)}


class Watched(Loop):
    """Notes each step of an optimiser, and what it moved."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen: list[tuple[str, set[str]]] = []

    def _descend(self, step: str, loss: Tensor) -> None:
        before = weights(self)
        super()._descend(step, loss)
        self.seen.append((step, moved(self, before)))


class TestA4:
    @pytest.mark.parametrize("encoder", ["cnn", "rnn"])
    def test_each_kind_of_step_moves_its_own_parameters_and_no_other(
        self, encoder: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = Watched(small({"encoder.kind": encoder}), prepared, make_trial())
        loop.step(whole(loop), {})
        names = set(loop.network.state_dict())
        constant = {name for name in names if encoder == "rnn" and "bias" in name and "recurrence" in name}
        for step, changed in loop.seen:
            own = {
                "discriminator": part(names, "discriminator."),
                "encoder": part(names, "consistent."),
                "extraction": names - part(names, "discriminator."),
            }[step]
            assert changed <= own
            assert own - constant <= changed

    def test_steps_over_three_batches(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        loop = Watched(small({"training.batch_size": 3}), prepared, make_trial())
        assert len(loop.bags) == 9
        loop.epoch(Progress(0.01))
        steps = [step for step, _ in loop.seen]
        assert {step: steps.count(step) for step in steps} == {"discriminator": 3, "encoder": 15, "extraction": 3}
        assert steps == 3 * ["discriminator", *5 * ["encoder"], "extraction"], "in the code's order"

    def test_the_ratio_is_a_setting(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        loop = Watched(small({"steps": {"discriminator": 2, "encoder": 0, "extraction": 3}}), prepared, make_trial())
        loop.step(whole(loop), {})
        assert [step for step, _ in loop.seen] == ["discriminator"] * 2 + ["extraction"] * 3

    @pytest.mark.parametrize("changes", [{"adversarial.enabled": False}, MONO])
    def test_without_adversarial_training_there_are_extraction_steps_alone(
        self, changes: Mapping[str, Any], small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = Watched(small(changes), prepared, make_trial())
        loop.step(whole(loop), {})
        ((step, changed),) = loop.seen
        assert step == "extraction" and changed == set(loop.network.state_dict())

    def test_a_batch_in_one_language_leaves_the_other_as_it_is(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = Watched(small({"missing_language": "skip_factor"}), prepared, make_trial())
        english = [bag for bag, length in enumerate(lengths_in(loop.train, [1])) if not length]
        loop.step(batch_of(loop.train, english, CPU), {})
        for _, changed in loop.seen:
            assert not part(changed, "individual.zh", "consistent.zh", "heads.zh")


class TestDescent:
    """Plain gradient descent on losses that are written out here; nothing is dropped."""

    def expected(self, loop: Loop, loss: Callable[[Loop], Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
        reference = copy.copy(loop)
        reference.network = copy.deepcopy(loop.network)
        named = {n: p for n, p in reference.network.named_parameters() if n.startswith(prefixes)}
        gradients = torch.autograd.grad(loss(reference), list(named.values()), allow_unused=True)
        rate = loop.config.optimizer.lr
        return {
            name: (own if gradient is None else own - rate * gradient).detach()
            for (name, own), gradient in zip(named.items(), gradients, strict=True)
        }

    def compare(self, loop: Loop, expected: Mapping[str, Tensor]) -> None:
        found = loop.network.state_dict()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("reduction", ["sum", "mean"])
    def test_of_the_discriminator_and_of_the_encoders(
        self, reduction: Any, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        settings = {
            **QUIET,
            "adversarial": {"reduction": reduction, "discriminator_weight": 3.0, "encoder_weight": 7.0},
            "steps": {"discriminator": 1, "encoder": 1},
        }
        loop = Loop(small(settings), prepared, make_trial())
        batch = whole(loop)
        places = batch.languages

        def logits(reference: Loop) -> Tensor:
            found: Tensor = reference.network.discriminator(reference.network.vectors(batch, "consistent", {}))
            return found

        told = self.expected(
            loop, lambda r: 3 * discriminator_loss(logits(r), places, 0.1, reduction), ("discriminator.",)
        )
        loop._discriminator(batch, {})
        self.compare(loop, told)
        fooled = self.expected(
            loop, lambda r: 7 * encoder_loss(logits(r), places, "flipped", 0.1, reduction), ("consistent.",)
        )
        loop._encoders(batch, {})
        self.compare(loop, fooled)

    @pytest.mark.parametrize("form", ["paper", "code", "code_2018", None])
    def test_of_the_extraction(self, form: Any, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        orthogonal = {"enabled": False} if form is None else {"form": form, "weight": 0.5}
        loop = Loop(small({**QUIET, "orthogonality": orthogonal}), prepared, make_trial())
        batch = whole(loop)

        def loss(reference: Loop) -> Tensor:
            network = reference.network
            vectors = {space: network.vectors(batch, space, {}) for space in network.spaces}
            total = -network.log_likelihood(batch, vectors).sum()
            if form is not None:
                penalty = orthogonality(vectors["individual"], vectors["consistent"], batch.languages, form)
                total = total + 0.5 * penalty
            return total

        expected = self.expected(loop, loss, ("individual.", "consistent", "heads."))
        found = loop._extraction(batch, {})
        self.compare(loop, expected)
        with torch.no_grad():
            plain = Loop(small({**QUIET, "orthogonality.enabled": False}), prepared, make_trial())
            torch.testing.assert_close(found, loss(plain) if form is None else found)

    def test_the_encoders_step_lowers_what_the_discriminator_gives_the_true_language(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = Loop(small({**QUIET, "optimizer.lr": 0.5, "steps.discriminator": 100}), prepared, make_trial())
        batch = whole(loop)

        def probability() -> float:
            with torch.no_grad():
                logits = loop.network.discriminator(loop.network.vectors(batch, "consistent", {}))
            return float(logits.softmax(1).gather(1, batch.languages[:, None]).mean())

        start = probability()
        loop._discriminator(batch, {})
        told = probability()
        loop._encoders(batch, {})
        assert told > start + 0.02
        assert probability() < told


class TestNoise:
    """Trap 10: who drops what in which step."""

    def changed(self, settings: Mapping[str, Any], method: str, small: Small, data: Prepared, trial: Trial) -> bool:
        """Whether the streams of a kind of step change what it does."""
        results = []
        for noisy in (True, False):
            loop = Loop(small(settings), data, trial)
            step = {"_discriminator": "discriminator", "_encoders": "encoder", "_extraction": "extraction"}[method]
            getattr(loop, method)(whole(loop), loop._noise(step, 0) if noisy else {})
            results.append(weights(loop))
        return any(not torch.equal(results[0][name], results[1][name]) for name in results[0])

    @pytest.mark.parametrize(
        ("method", "dropping", "changes"),
        [
            ("_discriminator", "discriminator", True),
            ("_discriminator", "output", False),
            ("_encoders", "discriminator", False),
            ("_encoders", "output", True),
            ("_extraction", "output", True),
        ],
    )
    def test_who_drops_what(
        self, method: str, dropping: str, changes: bool, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        settings = {"dropout": {"output": 0.0, "embedding": 0.0, "discriminator": 0.0} | {dropping: 0.5}}
        assert self.changed(settings, method, small, prepared, make_trial()) == changes

    def test_adversarial_training_leaves_every_draw_of_the_extraction_as_it_was(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        results = []
        for changes in ({"steps": {"discriminator": 0, "encoder": 0}}, {"adversarial.enabled": False}):
            loop = Loop(small(changes), prepared, make_trial())
            losses = [loop.epoch(Progress(0.01, epoch)) for epoch in range(2)]
            results.append((losses, weights(loop)))
        assert results[0][0] == results[1][0]
        for name, value in results[1][1].items():
            assert torch.equal(value, results[0][1][name])

    def test_the_consistent_space_leaves_every_draw_of_the_individual_one_as_it_was(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """Nothing but the penalty ties the individual encoders to the others."""
        results = []
        for changes in ({"orthogonality.enabled": False}, MONO):
            loop = Loop(small(changes), prepared, make_trial())
            loop.epoch(Progress(0.01))
            results.append(weights(loop))
        for name, value in results[1].items():
            torch.testing.assert_close(value, results[0][name])

    def test_every_kind_of_step_encoder_and_epoch_has_masks_of_its_own_the_same_in_every_run(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        def draws(trial: Trial) -> dict[tuple[str, ...], float]:
            loop = Loop(small(), prepared, trial)
            return {
                (step, place, str(epoch)): torch.rand((), generator=stream).item()
                for step in ("discriminator", "encoder", "extraction")
                for epoch in range(2)
                for place, stream in loop._noise(step, epoch).items()
            }

        found = draws(make_trial())
        assert len(found) == len(set(found.values())) == 2 * (1 + 4 + 4)
        assert found == draws(make_trial("again"))

    def test_every_epoch_has_an_order_of_its_own_the_same_in_every_run(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        class Noting(Loop):
            def step(self, batch: Batch, noises: Any) -> Tensor:
                seen.extend(batch.bags)
                return torch.zeros(())

        loop = Noting(small({"training.batch_size": 1}), prepared, make_trial())
        orders = []
        for epoch in (0, 1, 0):
            seen: list[int] = []
            loop.epoch(Progress(0.01, epoch))
            orders.append(seen)
        assert orders[0] == orders[2] != orders[1]
        assert all(sorted(order) == list(range(9)) for order in orders)


class TestEpoch:
    def test_the_loss_is_the_mean_over_bags(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        for size in (1, 4, 100):
            loop = Loop(small({**QUIET, "training.batch_size": size, "steps": {"encoder": 0}}), prepared, make_trial())
            batch = whole(loop)
            vectors = {space: loop.network.vectors(batch, space, {}) for space in loop.network.spaces}
            mean = float(-loop.network.log_likelihood(batch, vectors).sum().detach()) / 9
            assert loop.epoch(Progress(1e-30)) == pytest.approx(mean, rel=1e-5)

    def test_a_model_of_one_language_never_reads_the_other(
        self, small: Small, corpus: Corpus[Mention], make_trial: MakeTrial
    ) -> None:
        config = small({**MONO, "languages": ["en"]})
        found = []
        for chinese in ("没有", "别 的 词"):
            train_items = [
                m if m.language == "en" else replace(m, tokens=(*m.tokens, *chinese.split()))
                for m in corpus.splits["train"]
            ]
            splits = {**corpus.splits, "train": train_items}
            loop = Loop(config, prepare_bags(replace(corpus, splits=splits), DataConfig()), make_trial())
            assert len(loop.bags) == 6
            found.append((loop.epoch(Progress(0.01)), weights(loop)))
        assert found[0][0] == found[1][0]
        assert all(torch.equal(value, found[1][1][name]) for name, value in found[0][1].items())

    def test_languages_that_train_does_not_have_are_said(
        self, small: Small, corpus: Corpus[Mention], make_trial: MakeTrial
    ) -> None:
        english = [m for m in corpus.splits["train"] if m.language == "en"]
        data = prepare_bags(replace(corpus, splits={**corpus.splits, "train": english}), DataConfig())
        with pytest.raises(RequestError, match="no training bag has a sentence in zh"):
            Loop(small({**MONO, "languages": ["zh"]}), data, make_trial())


class TestPlateau:
    @pytest.mark.parametrize(
        "scores",
        [
            [0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
            [0.5, 0.4, 0.3, 0.5, 0.6, 0.1, 0.1, 0.1, 0.1],
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.5, 0.50001, 0.50002, 0.50003, 0.6],
        ],
    )
    def test_it_is_pytorchs(self, scores: list[float]) -> None:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.4, patience=2)
        progress = Progress(1.0)
        for score in scores:
            schedule.step(score)
            progress = progress.after(score, plateau=True)
            assert progress.lr == pytest.approx(optimizer.param_groups[0]["lr"])

    def test_off_the_rate_stays(self) -> None:
        progress = Progress(1.0)
        for _ in range(9):
            progress = progress.after(0.1, plateau=False)
        assert (progress.lr, progress.epoch) == (1.0, 9)

    def test_all_optimisers_get_the_rate(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        loop = Loop(small(), prepared, make_trial())
        loop.epoch(Progress(0.125))
        assert {optimizer.param_groups[0]["lr"] for optimizer in loop.optimizers.values()} == {0.125}
        assert all(not optimizer.state for optimizer in loop.optimizers.values()), "plain: nothing to keep"


class Halt(Exception):
    """Ends a trial where a crash would."""


class CrashingTrial(Trial):
    """A trial that crashes after the report of the given number."""

    def __init__(self, folder: Path, report: int | None = None) -> None:
        super().__init__(folder, 0, CPU, self._crash, checkpoint_seconds=0)
        self.crash_at = report

    def _crash(self, number: int, metrics: Mapping[str, float]) -> None:
        if number == self.crash_at:
            raise Halt


def test_a_run_that_crashes_after_any_epoch_ends_bit_for_bit_as_if_it_had_not(
    small: Small, prepared: Prepared, tmp_path: Path
) -> None:
    """With a learning rate that falls on the way."""
    config = small({"training.epochs": 6, "optimizer": {"lr": 1e-3, "plateau": True}})
    undisturbed = CrashingTrial(tmp_path / "whole")
    train(config, prepared, undisturbed)
    undisturbed.finish()
    end = Checkpoint.load(undisturbed.last_folder)
    assert end.progress["lr"] < 1e-3
    for crash in (1, 3, 5):
        folder = tmp_path / str(crash)
        with pytest.raises(Halt):
            train(config, prepared, CrashingTrial(folder, crash))
        resumed = CrashingTrial(folder)
        train(config, prepared, resumed)
        resumed.finish()
        assert resumed.history == undisturbed.history and resumed.best == undisturbed.best
        found = Checkpoint.load(resumed.last_folder)
        assert found.progress == end.progress
        assert all(torch.equal(value, found.tensors[name]) for name, value in end.tensors.items())


def test_the_weights_of_the_epoch_best_on_dev_count(small: Small, prepared: Prepared, tmp_path: Path) -> None:
    trial = CrashingTrial(tmp_path)
    train(small({"training.epochs": 5, "optimizer.lr": 0.05}), prepared, trial)
    scores = [report["dev/average_precision"] for report in trial.history]
    assert trial.best == scores.index(max(scores))


def test_of_epochs_that_are_as_good_the_first_counts(small: Small, prepared: Prepared, tmp_path: Path) -> None:
    trial = CrashingTrial(tmp_path)
    train(small({"training.epochs": 3, "optimizer.lr": 1e-30}), prepared, trial)
    assert len({report["dev/average_precision"] for report in trial.history}) == 1 and trial.best == 0


def test_dev_leaves_no_trace_in_the_weights(small: Small, corpus: Corpus[Mention], make_trial: MakeTrial) -> None:
    """The words of dev have rows, which nothing trains; all else is the same."""
    found = []
    for dev in (corpus.splits["dev"], corpus.splits["dev"][:2]):
        data = prepare_bags(replace(corpus, splits={**corpus.splits, "dev": dev}), DataConfig())
        loop = Loop(small(), data, make_trial())
        loop.epoch(Progress(0.01))
        found.append(weights(loop))
    for name, value in found[0].items():
        if not name.endswith("words.known"):
            assert torch.equal(value, found[1][name]), name


def test_the_longest_sentence_of_each_bag_in_some_languages(prepared: Prepared) -> None:
    split = prepared.split("train")
    for languages in ([0, 1], [0], [1], [2]):
        for bag, found in enumerate(lengths_in(split, languages)):
            batch = batch_of(split, [bag], CPU)
            own = [
                n
                for n, language in zip(batch.lengths.tolist(), batch.languages.tolist(), strict=True)
                if language in languages
            ]
            assert found == max(own, default=0)
    assert lengths_in(split, [0]).count(0) == lengths_in(split, [1]).count(0) == 3
