"""The training loop: epochs, the perturbed step, early stopping on dev, and the second phase on train and dev."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from relab.prepared import Prepared, Split
from relab.trial import Checkpoint, Trial
from torch import Tensor, nn

from trainables.batching import cut
from trainables.checkpoints import checkpoint_of, restore
from trainables.joint_head_selection.config import JointConfig
from trainables.joint_head_selection.data import Batch, batch_of, joined, sizes
from trainables.joint_head_selection.evaluation import evaluate
from trainables.joint_head_selection.model import JointNetwork, Vocabulary
from trainables.layers.initialisation import initialise
from trainables.layers.noise import NO_NOISE, Noise, adversarial_perturbation, of_rows

PASSES = ("clean", "adversarial")
"""The two passes of a step drop different units (code)."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch."""

    phase: int = 1
    epoch: int = 0
    """Epochs done in this phase."""
    best: float = -1.0
    best_epoch: int = -1
    stopped: bool = False
    planned: int = 0
    """Epochs of the second phase."""

    def after(self, score: float, patience: int, max_epochs: int) -> "Progress":
        """Count one epoch of the first phase; a score as good as the best counts as better (code)."""
        better = score >= self.best
        best_epoch = self.epoch if better else self.best_epoch
        done = self.epoch + 1
        over = done - 1 - best_epoch >= patience or done >= max_epochs
        return Progress(1, done, max(score, self.best), best_epoch, over)

    def second_phase_epochs(self, stop_at: str, patience: int, max_epochs: int) -> int:
        """How long the second phase trains.

        ``stop_epoch`` as in the code: the index at which the first phase stopped, plus one; all epochs and one more if
        its patience never ran out (test B6).
        """
        if stop_at == "best_epoch":
            return self.best_epoch + 1
        exhausted = self.epoch - 1 - self.best_epoch >= patience
        return self.epoch if exhausted else max_epochs + 1


def build(config: JointConfig, data: Split, trial: Trial | None = None) -> JointNetwork:
    """The network for a prepared corpus; with a trial, drawn from its streams, one for each parameter by its name."""
    shared = data.shared
    drawn = int(shared["drawn_rows"]) if "drawn_rows" in shared else 0
    labels = label_names(config, data)
    vocabulary = Vocabulary(len(data.vocabulary["characters"]), len(labels), len(data.vocabulary["relations"]), drawn)
    network = JointNetwork(config, vocabulary, shared.get("vectors"))
    if trial is not None:
        keep = () if drawn else ("words.weight",)
        zero_biases = config.training.initialisation == "glorot_zero_bias"
        initialise(network, lambda name: trial.rng("init", name), keep=keep, zero_biases=zero_biases)
    return network


def label_kind(config: JointConfig) -> str:
    """Which labels the entity head gives: BIO ``tags``, or ``classes``."""
    return "tags" if config.entities.scheme == "bio" else "classes"


def label_names(config: JointConfig, data: Split) -> tuple[str, ...]:
    """The labels of the entity head."""
    return data.vocabulary[label_kind(config)]


def train(config: JointConfig, data: Prepared, trial: Trial) -> None:
    """Train on train, stop on dev; then, if asked, again from scratch on train and dev for the epochs found."""
    loop = Loop(config, data, trial)
    found = trial.resume()
    progress = Progress() if found is None else Progress(**found.progress)
    if progress.phase == 1:
        if found is not None:
            restore(found, loop.network, loop.optimizer)
        progress = loop.first_phase(progress)
        found = None
    if config.training.second_phase:
        loop.second_phase(progress, found)


class Loop:
    """The network in training, with its optimiser."""

    def __init__(self, config: JointConfig, data: Prepared, trial: Trial) -> None:
        self.config, self.trial = config, trial
        self.train, self.dev = data.split("train"), data.split("dev")
        self.shared = {name: tensor.to(trial.device) for name, tensor in self.train.shared.items()}
        self.batches: dict[str, list[Batch]] = {}
        self._begin()

    def _begin(self) -> None:
        self.network = build(self.config, self.train, self.trial).to(self.trial.device)
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(trained, self.config.optimizer.lr, fused=True)

    def first_phase(self, progress: Progress) -> Progress:
        """Train until dev has not improved for ``patience`` epochs; report after each."""
        settings = self.config.training
        while not progress.stopped:
            loss = self.epoch(self.train, 1, progress.epoch)
            scores = self.trial.exchange.scores(evaluate(self.network, self.config, self.dev, self.shared).metrics)
            progress = progress.after(scores["overall_f1"], settings.patience, settings.max_epochs)
            metrics = {"train/loss": loss, **{f"dev/{name}": value for name, value in scores.items()}}
            best = progress.best_epoch == progress.epoch - 1
            self.trial.report(metrics, partial(self.checkpoint, progress), best=best)
        return progress

    def second_phase(self, progress: Progress, found: Checkpoint | None) -> None:
        """Train anew on train and dev. Dev is training data now, so nothing is reported; the last weights count."""
        settings = self.config.training
        self._begin()
        if found is not None:
            restore(found, self.network, self.optimizer)
        else:
            epochs = progress.second_phase_epochs(settings.stop_at, settings.patience, settings.max_epochs)
            progress = replace(progress, phase=2, epoch=0, planned=epochs)
        both = joined(self.train, self.dev)
        for epoch in range(progress.epoch, progress.planned):
            self.epoch(both, 2, epoch)
            progress = replace(progress, epoch=epoch + 1)
            self.trial.save(partial(self.checkpoint, progress))
        self.trial.conclude(partial(self.checkpoint, progress))

    def epoch(self, split: Split, phase: int, epoch: int) -> float:
        """One pass over a split; the mean loss of a sentence, perturbed loss included."""
        settings, exchange, lengths = self.config.training, self.trial.exchange, sizes(split)
        order = self.trial.rng("order", phase, epoch) if settings.shuffle else None
        streams = [self._streams(name, phase, epoch) for name in PASSES]
        total = torch.zeros((), device=self.trial.device)
        for sentences in cut(lengths, settings.batch_size, order):
            share = exchange.share(len(sentences))
            clean, perturbed = streams
            if exchange.world_size > 1:
                longest = max(lengths[sentence] for sentence in sentences)
                clean, perturbed = (of_rows(own, share.begin, share.items, longest) for own in streams)
            batch = self._batch(split, share.of(sentences))
            total += self.step(batch, clean, perturbed, share.in_sum) * share.in_sum
        return float(exchange.sum(total)) / len(lengths)

    def step(self, batch: Batch, clean: Noise = NO_NOISE, perturbed: Noise = NO_NOISE, weight: float = 1.0) -> Tensor:
        """One update; the sum of the batch's losses. Its gradient counts ``weight`` among those of several workers.

        The tokens are computed once. Each pass leaves its gradient at them (``leaf``), and the sum of both goes
        through the character LSTM in one backward pass; η is a constant.
        """
        network, adversarial = self.network, self.config.adversarial
        self.optimizer.zero_grad()
        tokens = network.tokens(batch, self.shared)
        leaf = tokens.detach().requires_grad_()
        loss = network.loss(leaf, batch, clean).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        total, gradient = loss.detach(), leaf.grad
        assert gradient is not None
        if adversarial.enabled:
            size = adversarial.alpha * network.dimension**0.5
            moved = (leaf.detach() + adversarial_perturbation(gradient, batch.lengths, size)).requires_grad_()
            second = network.loss(moved, batch, perturbed).sum()
            second.backward()  # type: ignore[no-untyped-call]
            assert moved.grad is not None
            total, gradient = total + second.detach(), gradient + moved.grad
        if tokens.requires_grad:
            tokens.backward(gradient)  # type: ignore[no-untyped-call]
        self.trial.exchange.gradients(network.parameters(), weight)
        if self.config.optimizer.clip_value is not None:
            nn.utils.clip_grad_value_(network.parameters(), self.config.optimizer.clip_value)
        self.optimizer.step()
        return total

    def _streams(self, name: str, phase: int, epoch: int) -> Noise:
        places = ["embedding", *(f"layer {n}" for n in range(1, self.config.encoder.layers)), "output"]
        device = self.trial.device
        return {place: self.trial.rng("dropout", name, place, phase, epoch, device=device) for place in places}

    def _batch(self, split: Split, sentences: Sequence[int]) -> Batch:
        """A batch of one sentence is the same in every epoch and made once."""
        if len(sentences) > 1:
            return batch_of(split, sentences, label_kind(self.config), self.trial.device)
        known = self.batches.setdefault(split.name, [])
        if not known:
            kind = label_kind(self.config)
            known.extend(batch_of(split, [n], kind, self.trial.device) for n in range(len(sizes(split))))
        return known[sentences[0]]

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """All that going on needs after an epoch."""
        return checkpoint_of(asdict(progress), self.network, self.optimizer)
