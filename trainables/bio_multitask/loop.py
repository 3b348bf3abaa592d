"""The training loop: epochs, and the choice of the epoch on dev."""

from dataclasses import asdict, dataclass
from functools import partial

import torch
from relab.prepared import Prepared, Split
from relab.trial import Checkpoint, Trial
from torch import Tensor, nn

from trainables.bio_multitask.config import PairConfig
from trainables.bio_multitask.data import Batch, batch_of, batches
from trainables.bio_multitask.evaluation import evaluate
from trainables.bio_multitask.model import PairNetwork
from trainables.checkpoints import checkpoint_of, restore
from trainables.layers.initialisation import initialise, normal, orthogonal, uniform
from trainables.layers.noise import NO_NOISE, Noise, of_rows

EMBEDDINGS = ("words.own", "tags", "position.*")
DRAWS = {"uniform": uniform(0.05), "normal": normal(1)}
PLACES = ("vector", "hidden")
"""Where units are dropped."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch."""

    epoch: int = 0
    """Epochs done."""
    best: float = -1.0


def build(config: PairConfig, data: Split, trial: Trial | None = None) -> PairNetwork:
    """The network for a prepared corpus; with a trial, drawn from its streams, one for each parameter by its name."""
    network = PairNetwork(config, data)
    if trial is not None:
        draws = dict.fromkeys(EMBEDDINGS, DRAWS[config.training.embeddings]) | {"*.weight_hh_l0": orthogonal}
        initialise(network, lambda name: trial.rng("init", name), keep=("words.known",), zero_biases=True, draws=draws)
    return network


def train(config: PairConfig, data: Prepared, trial: Trial) -> None:
    """Train on train; the epoch that is best on dev counts, of equal ones the first."""
    loop, dev = Loop(config, data, trial), data.split("dev")
    progress = Progress()
    found = trial.resume()
    if found is not None:
        progress = Progress(**found.progress)
        restore(found, loop.network, loop.optimizer)
    while progress.epoch < config.training.epochs:
        loss = loop.epoch(progress.epoch)
        scores = trial.exchange.scores(evaluate(loop.network, dev).metrics)
        best = scores["f1"] > progress.best
        progress = Progress(progress.epoch + 1, max(progress.best, scores["f1"]))
        metrics = {"train/loss": loss, **{f"dev/{name}": value for name, value in scores.items()}}
        trial.report(metrics, partial(loop.checkpoint, progress), best=best)


class Loop:
    """The network in training, with its optimiser."""

    def __init__(self, config: PairConfig, data: Prepared, trial: Trial) -> None:
        self.config, self.trial, self.split = config, trial, data.split("train")
        self.network = build(config, self.split, trial).to(trial.device)
        settings = config.optimizer
        self.optimizer = torch.optim.RMSprop(self.network.parameters(), settings.lr, alpha=settings.decay)

    def epoch(self, epoch: int) -> float:
        """One pass over train; the mean loss of an instance."""
        trial, device = self.trial, self.trial.device
        noise = {place: trial.rng("dropout", place, epoch, device=device) for place in PLACES}
        total = torch.zeros((), device=device)
        for batch in batches(self.split, self.config.training.batch_size, device, trial.rng("order", epoch)):
            total += self.step(batch, noise)
        return float(trial.exchange.sum(total)) / len(self.split.tensors["labels"])

    def step(self, batch: Batch, noise: Noise = NO_NOISE) -> Tensor:
        """One update; the sum of the batch's losses, or of those of the instances that are this worker's."""
        exchange, mean = self.trial.exchange, self.config.training.reduction == "mean"
        share = exchange.share(len(batch.labels))
        if exchange.world_size > 1:
            noise = of_rows(noise, share.begin, share.items)
            batch = batch_of(self.split, share.of(batch.instances.tolist()), self.trial.device)
        self.optimizer.zero_grad()
        losses = self.network.loss(batch, noise)
        loss = losses.mean() if mean else losses.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        exchange.gradients(self.network.parameters(), share.in_mean if mean else share.in_sum)
        if self.config.optimizer.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimizer.clip_norm)
        self.optimizer.step()
        return losses.detach().sum() * share.in_sum

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """All that going on needs after an epoch."""
        return checkpoint_of(asdict(progress), self.network, self.optimizer)
