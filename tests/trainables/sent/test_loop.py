"""Phases: what is filtered, by which weights, what begins anew, when it ends, and what counts."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest
import torch
from relab.corpus import Corpus
from relab.errors import RequestError
from relab.prepared import Prepared
from relab.trial import Checkpoint, Trial
from torch import Tensor

from trainables.corpora.sentences import LabelledSentence
from trainables.sent import Sent
from trainables.sent import loop as module
from trainables.sent.config import COMPONENTS, SentConfig
from trainables.sent.evaluation import evaluate, probabilities
from trainables.sent.filtering import DROPPED, Refined, refine
from trainables.sent.loop import Loop, Progress, check, train
from trainables.sent.model import positive_loss
from trainables.sentences.data import batch_of, prepare_sentences

Small = Callable[..., SentConfig]
MakeTrial = Callable[..., Trial]
BASELINE: Mapping[str, Any] = {"loss.form": "positive", "schedule.iterations": 0, "final.enabled": False}


class Halt(Exception):
    """Raised from a report."""


def weights(loop: Loop) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in loop.network.named_parameters()}


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def phase_of(loop: Loop, progress: Progress, epochs: int = 1) -> Progress:
    """Train a phase of some epochs and let its last one be the best."""
    for _ in range(epochs):
        loop.epoch(progress)
        progress = progress.after(0.5, 0.5, counts=False)
    loop.select()
    return progress


def begun(config: SentConfig, prepared: Prepared, trial: Trial) -> Loop:
    made = Loop(config, prepared, trial)
    made.begin(Progress())
    return made


def phases(trial: Trial) -> list[int]:
    return [int(report["train/phase"]) for report in trial.history]


class TestSchedule:
    def test_phases_come_in_order_and_the_last_is_the_final_one(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        trial = make_trial()
        train(
            small({"schedule": {"first_epochs": 3, "epochs": 2, "iterations": 2}, "final.epochs": 4}), prepared, trial
        )
        assert phases(trial) == [0] * 3 + [1] * 2 + [2] * 2 + [3] * 4

    def test_the_result_is_the_epoch_of_the_final_phase_that_is_best_on_dev(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """Trap 9."""
        trial, config = make_trial(), small({"final.epochs": 5, "optimizer.lr": 3e-2})
        train(config, prepared, trial)
        dev = [report["dev/f1"] for report in trial.history]
        final = range(len(dev) - 5, len(dev))
        assert trial.best == max(final, key=lambda number: (dev[number], -number))
        found = Checkpoint.load(trial.weights_folder)
        network = module.build(config, prepared.split("dev"), final=True)
        network.load_state_dict(found.weights())
        assert evaluate(network, prepared.split("dev")).metrics["f1"] == dev[trial.best]

    def test_without_the_final_phase_it_is_the_best_of_all(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        trial = make_trial()
        train(small({"final.enabled": False, "optimizer.lr": 3e-2}), prepared, trial)
        dev = [report["dev/f1"] for report in trial.history]
        assert phases(trial) == [0, 0, 1, 1, 2, 2]
        assert trial.best == dev.index(max(dev))

    @pytest.mark.parametrize(
        ("dev", "stop", "ended", "best"),
        [
            ([0.2, 0.3, 0.1, 0.3, 0.2], "dev", 3, 1),
            ([0.2, 0.3, 0.1, 0.4, 0.2], "dev", 4, 3),
            ([0.5, 0.3, 0.1, 0.4, 0.2], "dev", 2, 0),
            ([0.5, 0.3, 0.1, 0.4, 0.2], "fixed", 4, 0),
        ],
    )
    def test_phases_end_when_dev_gets_no_better_or_after_a_fixed_number(
        self, dev: list[float], stop: str, ended: int, best: int, small: Small
    ) -> None:
        config = small({"schedule": {"iterations": 4, "stop": stop, "patience": 2, "epochs": 1, "first_epochs": 1}})
        progress = Progress()
        for score in dev:
            last = progress = progress.after(score, score, counts=False)
            progress = progress.next_phase(config)
            if progress.final:
                break
        assert (last.phase, progress.best_phase) == (ended, best)
        assert progress.after(0.9, 0.9, counts=True).next_phase(config).over

    def test_final_labels_are_from_the_phase_best_on_dev_or_from_the_last(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        for stop, source in (("dev", 0), ("fixed", 1)):
            config = small(
                {"schedule": {"iterations": 1, "stop": stop}, "relabel.enabled": False, "filter.threshold": 0.9}
            )
            loop, progress = begun(config, prepared, make_trial(stop)), Progress()
            made: list[Refined] = []
            for dev in (0.6, 0.4):
                loop.epoch(progress)
                loop.select()
                found = probabilities(loop.network, loop.split)
                made.append(refine(found, loop.split.tensors["labels"], config.filter, config.relabel))
                progress = loop.next_phase(progress.after(dev, dev, counts=False))
            assert progress.final
            assert not torch.equal(made[0].labels, made[1].labels)
            assert torch.equal(loop.refined.labels, made[source].labels)

    def test_the_first_phase_may_choose_its_epoch_on_the_labels_of_train(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = begun(small({"schedule.first_selection": "train"}), prepared, make_trial())
        assert loop.selection(Progress(), 0.5) == evaluate(loop.network, loop.split).metrics["f1"]
        assert loop.selection(Progress(phase=1), 0.5) == 0.5
        assert begun(small(), prepared, make_trial("dev")).selection(Progress(), 0.5) == 0.5


class TestFiltering:
    def test_it_begins_from_the_corpus_labels_each_time(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """Trap 2: what an earlier filtering dropped is judged anew."""
        loop = begun(small({"schedule.iterations": 3, "relabel.enabled": False}), prepared, make_trial())
        labels = loop.split.tensors["labels"]
        loop.refined = Refined(torch.full_like(labels, DROPPED), torch.ones_like(labels, dtype=torch.bool))
        loop.select()
        expected = refine(probabilities(loop.network, loop.split), labels, loop.config.filter, loop.config.relabel)
        loop.next_phase(Progress())
        assert torch.equal(loop.refined.labels, expected.labels)
        assert torch.equal(loop.refined.flagged, expected.flagged)

    def test_or_from_what_the_one_before_has_left(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        config = small({"filter.labels": "refined", "schedule.iterations": 3, "relabel.enabled": False})
        loop = begun(config, prepared, make_trial())
        labels = loop.split.tensors["labels"].clone()
        flagged = torch.arange(len(labels)) % 2 == 0
        labels[flagged] = DROPPED
        loop.refined = Refined(labels, flagged)
        loop.select()
        loop.next_phase(Progress())
        assert (loop.refined.labels[flagged] == DROPPED).all()
        assert loop.refined.flagged[flagged].all(), "flagged once is flagged"

    def test_the_weights_that_filter_are_those_of_the_best_epoch_and_training_keeps_its_own(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        config = small({"reinitialisation": "none", "filter.threshold": 0.9, "relabel.enabled": False})
        loop = begun(config, prepared, make_trial())
        loop.epoch(Progress())
        loop.select()
        best = probabilities(loop.network, loop.split)
        loop.epoch(Progress(epoch=1))
        last, end = weights(loop), probabilities(loop.network, loop.split)
        loop.next_phase(Progress(epoch=2))
        by_best, by_last = (
            refine(found, loop.split.tensors["labels"], config.filter, config.relabel).labels for found in (best, end)
        )
        assert torch.equal(loop.refined.labels, by_best) and not torch.equal(by_best, by_last)
        assert equal(weights(loop), last)

    def test_dropped_sentences_are_not_trained_on(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loop = begun(small(), prepared, make_trial())
        labels = loop.split.tensors["labels"].clone()
        labels[::3] = DROPPED
        loop.refined = Refined(labels, labels == DROPPED)
        seen: list[int] = []
        step = Loop.step
        monkeypatch.setattr(
            Loop, "step", lambda self, batch, *rest: (seen.extend(batch.numbers), step(self, batch, *rest))[1]
        )
        loop.epoch(Progress(phase=1))
        assert sorted(int(n) for n in seen) == [n for n in range(60) if n % 3]

    def test_where_nothing_is_left_nothing_is_learnt_and_training_goes_on(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        trial = make_trial()
        train(small({"filter": {"threshold": 1.0, "dynamic": False}, "relabel.enabled": False}), prepared, trial)
        assert [report["train/kept"] for report in trial.history] == [1.0] * 2 + [0.0] * 6
        assert [report["train/loss"] for report in trial.history[2:]] == [0.0] * 6

    def test_a_last_batch_of_one_sentence_is_a_batch(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = begun(small({"batch_size": 59}), prepared, make_trial())
        before = weights(loop)
        assert loop.epoch(Progress()) > 0
        assert not equal(before, weights(loop))


class TestBeginningAnew:
    def test_two_phases_start_from_different_weights_and_two_runs_from_the_same(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """Trap 5."""
        starts = []
        for run in ("one", "two"):
            loop, own = begun(small(), prepared, make_trial(run)), []
            progress = Progress()
            for _ in range(3):
                own.append(weights(loop))
                progress = loop.next_phase(phase_of(loop, progress))
            own.append(weights(loop))
            starts.append(own)
        for first, second in zip(*starts, strict=True):
            assert equal(first, second)
        for phase in range(1, 4):
            for name, tensor in starts[0][phase].items():
                if tensor.shape == starts[0][0][name].shape and name != "words.known" and "bias_hh" not in name:
                    assert not torch.equal(tensor, starts[0][phase - 1][name]), name

    def test_the_code_starts_from_the_same_weights_each_time(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = begun(small({"reinitialisation": "same"}), prepared, make_trial())
        first = weights(loop)
        loop.next_phase(phase_of(loop, Progress()))
        assert equal(weights(loop), first)
        assert not loop.optimizer.state_dict()["state"]

    def test_or_training_goes_on_with_weights_and_optimiser(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = begun(small({"reinitialisation": "none"}), prepared, make_trial())
        progress = phase_of(loop, Progress())
        before, optimizer = weights(loop), loop.optimizer
        assert not loop.next_phase(progress).final
        assert equal(weights(loop), before) and loop.optimizer is optimizer

    @pytest.mark.parametrize(("words", "dimension"), [("drawn", 50), ("corpus", 6)])
    def test_the_final_phase_has_a_table_of_drawn_words(
        self, words: str, dimension: int, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """Trap 6."""
        config = small({"final.words": words, "schedule.iterations": 0, "reinitialisation": "none"})
        loop = begun(config, prepared, make_trial())
        assert loop.network.words is not None and loop.network.words.dimension == 6
        before = weights(loop)
        assert loop.next_phase(phase_of(loop, Progress())).final
        table = loop.network.words
        assert table is not None and table.dimension == dimension
        assert not torch.equal(weights(loop)["scores.weight"], before["scores.weight"])
        if words == "drawn":
            rows = int(prepared.shared["drawn/text"]) + len(prepared.shared["vectors/text"]) + 3
            assert table.own.shape == (rows, 50) and not len(table.known)
            assert float(table.own.detach().std()) == pytest.approx(1, abs=0.1)

    def test_the_final_phase_is_trained_by_cross_entropy_on_the_refined_labels(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        changes = {"dropout": {"input": 0.0, "output": 0.0}, "batch_size": 60}
        loop = begun(small(changes), prepared, make_trial())
        progress = Progress(phase=3, final=True)
        loop.begin(progress)
        loop.refined = Refined(loop.split.tensors["labels"].roll(1), loop.refined.flagged)
        batch = batch_of(loop.split, range(60), torch.device("cpu"))
        expected = positive_loss(loop.network(batch, {}), loop.refined.labels)
        assert loop.epoch(progress) == pytest.approx(float(expected.detach()), rel=1e-5)


class TestComponents:
    def test_a_component_off_leaves_the_first_phase_as_it_was(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        reference, much = make_trial(), {"filter.threshold": 0.9, "relabel.threshold": 0.0}
        train(small(much), prepared, reference)
        for component in COMPONENTS:
            if component.name != "negative_training":
                trial = make_trial(component.name)
                train(small({**much, **component.off}), prepared, trial)
                assert trial.history[:2] == reference.history[:2], component.name
                assert trial.history[2:] != reference.history[2:], component.name

    def test_without_negative_training_nothing_is_drawn_for_it(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """A baseline is the first phase of the ablation, whatever K is."""
        runs = []
        for number, changes in enumerate((BASELINE, {**BASELINE, "loss.complements": 3}, {"loss.form": "positive"})):
            trial = make_trial(str(number))
            train(small(changes), prepared, trial)
            runs.append(trial.history[:2])
        assert runs[0] == runs[1] == runs[2]

    def test_a_baseline_filters_nothing(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        trial = make_trial()
        train(small(BASELINE), prepared, trial)
        assert phases(trial) == [0, 0]
        assert pl.read_parquet(trial.folder / "artifacts" / "filtering.parquet").is_empty()
        counts = pl.read_parquet(trial.folder / "artifacts" / "probabilities.parquet")
        assert counts["phase"].unique().to_list() == [0] and counts["sentences"].sum() == 60

    @pytest.mark.parametrize("kind", ["attention_bilstm", "cnn", "pcnn"])
    def test_every_encoder_can_be_trained_and_scored(
        self, kind: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        trial, config = make_trial(), small({"encoder.kind": kind, "schedule.iterations": 1})
        train(config, prepared, trial)
        found = Sent().evaluate(config, prepared.split("dev"), trial.weights_folder).metrics["f1"]
        assert trial.best is not None and found == trial.history[trial.best]["dev/f1"]


class TestBags:
    def test_a_bag_has_a_documents_sentences_of_one_label(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        loop = begun(small({**BASELINE, "bags": True, "encoder.kind": "pcnn"}), prepared, make_trial())
        tensors = loop.split.tensors
        seen: list[int] = []
        bags = 0
        for batch, bag, labels in loop._bags(torch.arange(60), torch.Generator().manual_seed(0)):
            assert torch.equal(tensors["labels"][batch.numbers], labels[bag])
            documents = tensors["documents"][batch.numbers]
            for number in range(len(labels)):
                assert len(documents[bag == number].unique()) == 1
            seen += batch.numbers.tolist()
            bags += len(labels)
        assert sorted(seen) == list(range(60))
        pairs = set(zip(tensors["documents"].tolist(), tensors["labels"].tolist(), strict=True))
        assert bags == len(pairs) < 60

    def test_it_trains_and_its_attention_with_it(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        loop = begun(small({**BASELINE, "bags": True, "encoder.kind": "pcnn"}), prepared, make_trial())
        before = weights(loop)
        loop.epoch(Progress())
        after = weights(loop)
        assert {name for name in before if torch.equal(before[name], after[name])} == {"words.known"} - set(after)


class TestGoingOn:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"reinitialisation": "none", "filter.labels": "refined"},
            {"schedule.stop": "dev", "optimizer.kind": "sgd"},
        ],
        ids=["new", "none and refined", "dev and sgd"],
    )
    def test_a_run_that_is_cut_off_anywhere_ends_as_if_it_had_not_been(
        self, changes: Mapping[str, Any], small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """With tables and all; a checkpoint lies after every epoch and between the phases."""
        config, whole = small(changes), make_trial("whole")
        train(config, prepared, whole)
        whole.finish()
        tables = {path.name: pl.read_parquet(path) for path in (whole.folder / "artifacts").iterdir()}
        for crash in range(1, len(whole.history)):

            def halt(number: int, metrics: Mapping[str, float], at: int = crash) -> None:
                if number == at:
                    raise Halt

            with pytest.raises(Halt):
                train(config, prepared, make_trial(str(crash), on_report=halt))
            again = make_trial(str(crash))
            train(config, prepared, again)
            again.finish()
            assert again.history == whole.history and again.best == whole.best
            for name, table in tables.items():
                assert table.equals(pl.read_parquet(again.folder / "artifacts" / name)), name
            last, other = (Checkpoint.load(trial.last_folder) for trial in (again, whole))
            assert equal(last.tensors, other.tensors) and last.progress == other.progress

    def test_a_finished_run_has_nothing_left_to_do(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        done = make_trial()
        train(small(), prepared, done)
        done.finish()
        again = make_trial()
        train(small(), prepared, again)
        assert again.history == done.history


class TestRefusals:
    def test_more_labels_than_there_are_cannot_be_drawn_once_each(self, small: Small, prepared: Prepared) -> None:
        drawn_once = {"complements": 5, "with_replacement": False}
        with pytest.raises(RequestError, match="loss.complements is 5, but each label has 4 others"):
            check(small({"loss": drawn_once}), prepared.split("train"))
        check(small({"loss": {**drawn_once, "complements": 4}}), prepared.split("train"))
        check(small({"loss": {**drawn_once, "form": "positive"}}), prepared.split("train"))
        check(small({"loss": {"complements": 50}}), prepared.split("train"))

    def test_fifty_of_four_labels_train(self, small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
        loop = begun(small({"loss.complements": 50}), prepared, make_trial())
        assert loop.epoch(Progress()) > 0


def test_it_learns_what_noise_is(small: Small, make_trial: MakeTrial) -> None:
    """Where a word tells the relation, wrong labels get low probabilities, and the filter finds most of them."""
    told = [
        LabelledSentence("d", ("a", f"tells{kind}", "b"), (0, 1), (2, 3), f"r{label}", clean=f"r{kind}")
        for kind in (1, 2, 3)
        for label in [kind] * 12 + [n for n in (1, 2, 3) if n != kind] * 2
    ]
    na = [LabelledSentence("d", ("a", "and", "b"), (0, 1), (2, 3), "NA", clean="NA")] * 12
    told_corpus = Corpus("told", {"train": told + na, "dev": told + na}, "0")
    prepared = prepare_sentences(told_corpus, small().data)
    changes = {"encoder.hidden": 10, "optimizer.lr": 2e-2, "dropout": {"input": 0.0, "output": 0.0}}
    loop = begun(small(changes), prepared, make_trial())
    for epoch in range(25):
        loop.epoch(Progress(epoch=epoch))
    loop.select()
    loop.next_phase(Progress(epoch=25))
    found = loop.metrics(Progress(phase=1))
    assert found["train/filter_f1"] > 0.9 > found["train/flag_everything_f1"]
    assert found["train/relabel_precision"] > 0.9 and found["train/relabel_recall"] > 0.9
