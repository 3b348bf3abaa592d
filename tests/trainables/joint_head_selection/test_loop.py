"""Training: the perturbed step, early stopping, the second phase, and going on after a crash."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from relab.corpus import Corpus
from relab.prepared import Prepared
from relab.trial import Checkpoint, Trial
from torch import Tensor

from trainables.corpora.tagged import TaggedSentence
from trainables.joint_head_selection.config import DataConfig, JointConfig
from trainables.joint_head_selection.data import Batch, batch_of, joined, prepare
from trainables.joint_head_selection.evaluation import evaluate
from trainables.joint_head_selection.loop import Loop, Progress, train

CPU = torch.device("cpu")
Small = Callable[..., JointConfig]
MakeTrial = Callable[..., Trial]

NO_DROPOUT = {"embedding": 0.0, "between_layers": 0.0, "output": 0.0}
QUIET: Mapping[str, Any] = {"dropout": NO_DROPOUT, "label_embedding.enabled": True}


def stepped(loop: Loop, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of one update, and the gradient of every trained parameter."""
    loss = loop.step(batch)
    gradients = {name: p.grad for name, p in loop.network.named_parameters() if p.requires_grad}
    assert all(gradient is not None for gradient in gradients.values())
    return loss, {name: gradient.clone() for name, gradient in gradients.items() if gradient is not None}


class TestStep:
    @pytest.mark.parametrize("numbers", [[3], [0, 1, 2, 3]])
    @pytest.mark.parametrize("crf", [True, False])
    def test_with_alpha_zero_and_without_dropout_loss_and_gradients_are_exactly_doubled(
        self, numbers: list[int], crf: bool, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        quiet = {**QUIET, "entities.crf": crf}
        baseline = Loop(small(quiet), prepared, make_trial())
        doubled = Loop(small({**quiet, "adversarial": {"enabled": True, "alpha": 0}}), prepared, make_trial())
        batch = batch_of(prepared.split("train"), numbers, "tags", CPU)
        loss, gradients = stepped(baseline, batch)
        twice, twice_gradients = stepped(doubled, batch)
        assert torch.equal(twice, 2 * loss)
        assert twice_gradients.keys() == gradients.keys()
        for name, gradient in gradients.items():
            assert gradient.any(), name
            assert torch.equal(twice_gradients[name], 2 * gradient), name

    @pytest.mark.parametrize("numbers", [[3], [0, 1, 2, 3]])
    def test_the_perturbed_loss_is_taken_alpha_times_the_root_of_d_along_each_sentences_gradient(
        self, numbers: list[int], small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """Against one graph for L(w) + L(w + η), with η written out sentence by sentence and held constant."""
        alpha = 0.7
        config = small({**QUIET, "adversarial": {"enabled": True, "alpha": alpha}})
        loop = Loop(config, prepared, make_trial())
        batch = batch_of(prepared.split("train"), numbers, "tags", CPU)
        network = copy.deepcopy(loop.network)
        tokens = network.tokens(batch, loop.shared)
        clean = network.loss(tokens, batch).sum()
        (gradient,) = torch.autograd.grad(clean, tokens, retain_graph=True)
        moved = tokens + torch.stack([alpha * 26**0.5 * own / own.norm() for own in gradient])
        perturbed = network.loss(moved, batch).sum()
        (clean + perturbed).backward()  # type: ignore[no-untyped-call]
        loss, gradients = stepped(loop, batch)
        torch.testing.assert_close(loss, (clean + perturbed).detach())
        assert float(perturbed.detach()) > float(clean.detach()) + 0.1, "the perturbation is for the worse"
        expected = dict(network.named_parameters())
        for name, found in gradients.items():
            reference = expected[name].grad
            assert reference is not None
            torch.testing.assert_close(found, reference, rtol=1e-4, atol=1e-5)
        assert gradients["spelling.left_to_right.weight_ih_l0"].any(), "characters learn from both passes"

    def test_frozen_word_vectors_stay_and_everything_else_moves(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = Loop(small({**QUIET, "adversarial.enabled": True}), prepared, make_trial())
        before = copy.deepcopy(loop.network.state_dict())
        loop.step(batch_of(prepared.split("train"), [0, 1, 2, 3], "tags", CPU))
        unmoved = {name for name, value in loop.network.state_dict().items() if torch.equal(value, before[name])}
        assert unmoved == {"words.weight"} | {name for name in before if "bias_hh" in name}

    def test_gradients_are_clipped_entry_by_entry_on_request(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        batch = batch_of(prepared.split("train"), [0, 1], "tags", CPU)
        _, free = stepped(Loop(small(QUIET), prepared, make_trial()), batch)
        _, clipped = stepped(Loop(small({**QUIET, "optimizer.clip_value": 0.5}), prepared, make_trial()), batch)
        assert max(float(gradient.abs().max()) for gradient in free.values()) > 0.5
        for name, gradient in free.items():
            torch.testing.assert_close(clipped[name], gradient.clamp(-0.5, 0.5))


class TestEpoch:
    def loss(self, config: JointConfig, prepared: Prepared, trial: Trial) -> float:
        """The mean loss of a sentence over the first epoch."""
        return Loop(config, prepared, trial).epoch(prepared.split("train"), 1, 0)

    STANDING: Mapping[str, Any] = {"optimizer.lr": 1e-30, "training.batch_size": 4}
    """A learning rate at which the weights stay as they are."""

    def test_the_clean_and_the_perturbed_pass_drop_different_units(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """At alpha = 0 equal masks would double the loss, as they do where nothing is dropped."""
        adversarial = {"adversarial": {"enabled": True, "alpha": 0}}
        for dropout, doubled in ((NO_DROPOUT, True), (dict.fromkeys(NO_DROPOUT, 0.5), False)):
            changes = {**self.STANDING, "dropout": dropout}
            alone = self.loss(small(changes), prepared, make_trial())
            both = self.loss(small(changes | adversarial), prepared, make_trial())
            assert (both == pytest.approx(2 * alone, rel=1e-6)) == doubled

    def test_an_epoch_of_a_phase_has_masks_of_its_own_the_same_in_every_run(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """In file order and with standing weights nothing but the masks can tell two epochs apart."""
        still = {**self.STANDING, "training.shuffle": False, "dropout": dict.fromkeys(NO_DROPOUT, 0.5)}
        loop = Loop(small(still), prepared, make_trial())
        train_split = prepared.split("train")
        first = loop.epoch(train_split, 1, 0)
        assert first == loop.epoch(train_split, 1, 0)
        assert first != pytest.approx(loop.epoch(train_split, 1, 1), rel=1e-5)
        assert first != pytest.approx(loop.epoch(train_split, 2, 0), rel=1e-5)

    def test_the_loss_of_an_epoch_is_the_mean_over_sentences_whatever_the_batches(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        still = {**self.STANDING, "dropout": NO_DROPOUT}
        loop = Loop(small(still), prepared, make_trial())
        batch = batch_of(prepared.split("train"), range(12), "tags", CPU)
        mean = float(loop.network.loss(loop.network.tokens(batch, loop.shared), batch).detach().mean())
        for size in (1, 5, 12):
            config = small({**still, "training.batch_size": size})
            assert self.loss(config, prepared, make_trial()) == pytest.approx(mean, rel=1e-5)

    def test_file_order_without_shuffling_and_another_one_in_every_epoch_with(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        def seen(shuffle: bool, epoch: int) -> list[int]:
            numbers: list[int] = []

            class Watched(Loop):
                def step(self, batch: Batch, *noises: Any) -> Tensor:
                    numbers.extend(batch.sentences)
                    return torch.zeros(())

            changes = {"training": {"shuffle": shuffle, "batch_size": 1}}
            Watched(small(changes), prepared, make_trial()).epoch(prepared.split("train"), 1, epoch)
            return numbers

        assert seen(False, 0) == seen(False, 1) == list(range(12))
        first, second = seen(True, 0), seen(True, 1)
        assert sorted(first) == sorted(second) == list(range(12))
        assert first != second
        assert first == seen(True, 0)


def progressed(scores: list[float], patience: int, max_epochs: int) -> list[Progress]:
    """Where a run stands after each epoch, up to its stop."""
    found = [Progress()]
    for score in scores:
        found.append(found[-1].after(score, patience, max_epochs))
        if found[-1].stopped:
            break
    return found[1:]


class TestEarlyStopping:
    SCORES = (0.1, 0.2, 0.3, 0.3, 0.2, 0.2, 0.9, 0.9)

    def test_the_stop_the_best_and_both_lengths_of_the_second_phase(self) -> None:
        run = progressed(list(self.SCORES), patience=2, max_epochs=100)
        last = run[-1]
        assert len(run) - 1 == 5, "the index of the epoch in which training stopped"
        assert (last.epoch, last.best_epoch, last.best, last.stopped) == (6, 3, 0.3, True)
        assert last.second_phase_epochs("stop_epoch", 2, 100) == 6
        assert last.second_phase_epochs("best_epoch", 2, 100) == 4

    def test_if_patience_never_runs_out_the_second_phase_has_all_epochs_and_one_more(self) -> None:
        run = progressed([0.1, 0.2, 0.3, 0.25], patience=2, max_epochs=4)
        assert [progress.stopped for progress in run] == [False, False, False, True]
        assert run[-1].second_phase_epochs("stop_epoch", 2, 4) == 5
        assert run[-1].second_phase_epochs("best_epoch", 2, 4) == 3

    def test_patience_that_runs_out_in_the_very_last_epoch_has_run_out(self) -> None:
        last = progressed([0.3, 0.2, 0.2], patience=2, max_epochs=3)[-1]
        assert last.second_phase_epochs("stop_epoch", 2, 3) == 3

    def test_a_score_as_good_as_the_best_starts_patience_anew_and_zero_is_a_score(self) -> None:
        run = progressed([0.0] * 7, patience=1, max_epochs=7)
        assert [progress.best_epoch for progress in run] == list(range(7))


class Halt(Exception):
    """Ends a trial where a crash would."""


class CrashingTrial(Trial):
    """A trial that counts what is saved between reports, and crashes after the report or save of the given number."""

    def __init__(self, folder: Path, *, report: int | None = None, save: int | None = None) -> None:
        super().__init__(folder, 0, CPU, self._crash, checkpoint_seconds=0)
        self.saves, self.crash_at_report, self.crash_at_save = 0, report, save

    def _crash(self, number: int, metrics: Mapping[str, float]) -> None:
        if number == self.crash_at_report:
            raise Halt

    def save(self, checkpoint: Callable[[], Checkpoint]) -> None:
        super().save(checkpoint)
        self.saves += 1
        if self.saves == self.crash_at_save:
            raise Halt


EVERYTHING: Mapping[str, Any] = {
    "label_embedding.enabled": True,
    "adversarial": {"enabled": True, "alpha": 0.1},
    "optimizer.lr": 1e-2,
    "training": {"batch_size": 6, "max_epochs": 3, "patience": 3},
}
TWO_PHASES = {**EVERYTHING, "training.second_phase": True, "training.stop_at": "stop_epoch"}
"""Three epochs, in which patience never runs out, and four of the second phase."""


def run(config: JointConfig, data: Prepared, trial: CrashingTrial) -> CrashingTrial:
    train(config, data, trial)
    trial.finish()
    return trial


def state(folder: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    found = Checkpoint.load(folder)
    return dict(found.tensors), found.progress


def assert_same(one: Path, other: Path) -> None:
    (tensors, progress), (others, other_progress) = state(one), state(other)
    assert progress == other_progress
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, others[name]), name


@pytest.mark.parametrize(("settings", "saves"), [(EVERYTHING, 0), (TWO_PHASES, 4)], ids=["one phase", "two phases"])
def test_a_run_that_crashes_after_any_epoch_of_any_phase_ends_bit_for_bit_as_if_it_had_not(
    settings: Mapping[str, Any], saves: int, small: Small, prepared: Prepared, tmp_path: Path
) -> None:
    config = small(settings)
    whole = run(config, prepared, CrashingTrial(tmp_path / "whole"))
    assert (len(whole.history), whole.saves) == (3, saves)
    crashes = [{"report": n} for n in (1, 2, 3)] + [{"save": n + 1} for n in range(saves)]
    for number, crash in enumerate(crashes):
        folder = tmp_path / str(number)
        with pytest.raises(Halt):
            train(config, prepared, CrashingTrial(folder, **crash))
        resumed = run(config, prepared, CrashingTrial(folder))
        assert resumed.history == whole.history
        assert resumed.best == whole.best
        assert_same(resumed.last_folder, whole.last_folder)
        assert_same(resumed.weights_folder, whole.weights_folder)


def test_a_run_that_crashes_in_every_epoch_ends_as_if_it_had_not(
    small: Small, prepared: Prepared, tmp_path: Path
) -> None:
    config = small(TWO_PHASES)
    whole = run(config, prepared, CrashingTrial(tmp_path / "whole"))
    for crash in ({"report": 1}, {"report": 2}, {"report": 3}, *[{"save": 1}] * 4):
        with pytest.raises(Halt):
            train(config, prepared, CrashingTrial(tmp_path / "other", **crash))
    resumed = run(config, prepared, CrashingTrial(tmp_path / "other"))
    assert resumed.history == whole.history
    assert_same(resumed.weights_folder, whole.weights_folder)


class TestPhases:
    def test_the_first_phase_reports_each_epoch_and_the_best_ones_weights_count(
        self, small: Small, prepared: Prepared, tmp_path: Path
    ) -> None:
        config = small(EVERYTHING)
        trial = run(config, prepared, CrashingTrial(tmp_path))
        assert (len(trial.history), trial.saves, trial.concluded) == (3, 0, False)
        scores = [report["dev/overall_f1"] for report in trial.history]
        assert trial.best == max(range(3), key=lambda epoch: (scores[epoch], epoch)), "of equal ones the last"
        loop = Loop(config, prepared, trial)
        loop.network.load_state_dict(Checkpoint.load(trial.weights_folder).weights())
        found = evaluate(loop.network, config, prepared.split("dev"), loop.shared).metrics
        best = trial.history[trial.best]
        assert {f"dev/{name}": value for name, value in found.items()} == {
            name: value for name, value in best.items() if name.startswith("dev/")
        }

    @pytest.mark.parametrize("stop_at", ["best_epoch", "stop_epoch"])
    def test_the_second_phase_starts_from_scratch_on_train_and_dev_and_its_last_weights_count(
        self, stop_at: str, small: Small, prepared: Prepared, tmp_path: Path
    ) -> None:
        config = small({**TWO_PHASES, "training.stop_at": stop_at})
        trial = run(config, prepared, CrashingTrial(tmp_path / "run"))
        assert trial.best is not None
        epochs = trial.best + 1 if stop_at == "best_epoch" else 4
        assert (len(trial.history), trial.saves, trial.concluded) == (3, epochs, True)
        by_hand = Loop(config, prepared, CrashingTrial(tmp_path / "by hand"))
        both = joined(prepared.split("train"), prepared.split("dev"))
        for epoch in range(epochs):
            by_hand.epoch(both, 2, epoch)
        weights = Checkpoint.load(trial.weights_folder).weights()
        for name, value in by_hand.network.state_dict().items():
            assert torch.equal(weights[name], value), name

    def test_the_first_phase_is_the_same_with_and_without_a_second_one(
        self, small: Small, prepared: Prepared, tmp_path: Path
    ) -> None:
        one, two = (
            run(small(settings), prepared, CrashingTrial(tmp_path / str(number)))
            for number, settings in enumerate((EVERYTHING, TWO_PHASES))
        )
        assert one.history == two.history


def test_dev_and_test_leave_no_trace_in_the_weights_of_the_first_phase(
    small: Small, prepared: Prepared, tmp_path: Path
) -> None:
    """Dev decides when to stop; what is learnt until then comes from train alone, and test is not even there."""
    config = small(EVERYTHING)
    data = prepared.without("test")
    swapped = Prepared({"train": data.splits["train"], "dev": prepared.splits["test"]}, data.shared, data.vocabulary)
    one, other = (
        run(config, given, CrashingTrial(tmp_path / name)) for name, given in (("dev", data), ("test", swapped))
    )
    assert [report["train/loss"] for report in one.history] == [report["train/loss"] for report in other.history]
    weights, others = (Checkpoint.load(trial.last_folder).weights() for trial in (one, other))
    assert all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize("scheme", ["bio", "classes"])
def test_a_few_sentences_are_learnt_by_heart(
    scheme: str, corpus: Corpus[TaggedSentence], make_trial: MakeTrial
) -> None:
    """The whole method at work: entities and relations of four sentences, without an error."""
    settings: dict[str, Any] = {
        "encoder": {"layers": 1, "hidden": 32},
        "optimizer": {"lr": 2e-2},
        "training": {"batch_size": 2},
        "adversarial": {"enabled": True},
    }
    if scheme == "classes":
        settings |= {"entities": {"scheme": "classes", "crf": False}, "evaluation": {"matching": "relaxed"}}
    config = JointConfig.model_validate(settings)
    data = prepare(corpus.head(4), DataConfig())
    loop = Loop(config, data, make_trial())
    wrong = None
    for epoch in range(200):
        loop.epoch(data.split("train"), 1, epoch)
        if epoch % 10 == 9:
            scores = evaluate(loop.network, config, data.split("train"), loop.shared)
            wrong = scores.tables["types"].select("fp", "fn").sum().row(0)
            if wrong == (0, 0):
                break
    assert wrong == (0, 0)
