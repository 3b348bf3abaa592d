"""The training loop: epochs, the perturbed step, and the choice of the epoch on dev."""

from dataclasses import asdict, dataclass
from functools import partial

import torch
from relab.errors import RequestError
from relab.exchange import Share
from relab.prepared import Prepared, Split
from relab.trial import Checkpoint, Trial
from torch import Tensor

from trainables.adversarial_bag.config import BagConfig
from trainables.adversarial_bag.evaluation import evaluate
from trainables.adversarial_bag.model import BagNetwork, term_weights
from trainables.bags.data import Batch, batches
from trainables.checkpoints import checkpoint_of, restore
from trainables.layers.initialisation import initialise, normal
from trainables.layers.noise import Noise, adversarial_perturbation, of_rows

SMALL = normal(0.01)
"""Embeddings, queries and classifier start from N(0, 0.01²) (code)."""
DRAWS = dict.fromkeys(("words.own", "position.*", "attention.queries", "classifier.weight"), SMALL)

PLACES = ("words", "position", "sentence", "sentence of the clean pass")
"""Where units are dropped. Both passes see the same words and positions, and drop other units of the sentence vectors
(code); the clean pass has a stream of its own, so that without it the other draws stay what they were."""
UNCLIPPED = ("words.", "position.")
SAMPLE = 500
"""Perturbed words whose nearest neighbour is looked for after an epoch."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch."""

    epoch: int = 0
    """Epochs done."""
    best: float = -1.0
    best_epoch: int = -1

    def after(self, score: float) -> "Progress":
        """Count one epoch; of equal scores the first is the best."""
        best_epoch, best = (self.epoch, score) if score > self.best else (self.best_epoch, self.best)
        return Progress(self.epoch + 1, best, best_epoch)

    def over(self, config: BagConfig) -> bool:
        """Whether all epochs are done, or patience has run out."""
        waited = self.epoch - 1 - self.best_epoch
        return self.epoch >= config.training.epochs or (self.epoch > 0 and waited >= config.training.patience)


def build(config: BagConfig, data: Split, trial: Trial | None = None) -> BagNetwork:
    """The network for a prepared corpus; with a trial, drawn from its streams, one for each parameter by its name.

    Raises:
        RequestError: the corpus has more than one language.
    """
    languages = data.vocabulary["languages"]
    if len(languages) != 1:
        raise RequestError(f"adversarial_bag reads one language, the corpus has {', '.join(languages) or 'none'}")
    network = BagNetwork(config, data)
    if trial is not None:
        initialise(network, lambda name: trial.rng("init", name), keep=("words.known",), zero_biases=True, draws=DRAWS)
    return network


def train(config: BagConfig, data: Prepared, trial: Trial) -> None:
    """Train on train; the epoch that is best on dev counts."""
    loop = Loop(config, data, trial)
    found = trial.resume()
    progress = Progress()
    if found is not None:
        restore(found, loop.network, loop.optimizer)
        progress = Progress(**found.progress)
    dev = data.split("dev")
    while not progress.over(config):
        trained = loop.epoch(progress.epoch)
        scores = trial.exchange.scores(evaluate(loop.network, dev).metrics)
        progress = progress.after(scores["average_precision"])
        metrics = trained | {f"dev/{name}": value for name, value in scores.items()}
        best = progress.best_epoch == progress.epoch - 1
        trial.report(metrics, partial(loop.checkpoint, progress), best=best)


class Loop:
    """The network in training, with its optimiser."""

    def __init__(self, config: BagConfig, data: Prepared, trial: Trial) -> None:
        self.config, self.trial, self.split = config, trial, data.split("train")
        self.network = build(config, self.split, trial).to(trial.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), config.optimizer.lr, fused=True)

    def epoch(self, epoch: int) -> dict[str, float]:
        """One pass over train: the mean loss of a batch, and how many words of the last one stay themselves."""
        trial, device = self.trial, self.trial.device
        noise = {place: trial.rng("dropout", place, epoch, device=device) for place in PLACES}
        negatives = trial.rng("negatives", epoch, device=device)
        order = trial.rng("order", epoch)
        losses = []
        for batch in batches(self.split, self.config.training.batch_size, device, order, end=True):
            losses.append(self.step(batch, noise, negatives))
        return {
            "train/loss": float(trial.exchange.sum(torch.stack(losses)).mean()),
            "train/nearest_word_kept": self.nearest_word_kept(batch),
        }

    def step(self, batch: Batch, noise: Noise, negatives: torch.Generator | None = None) -> Tensor:
        """One update; the loss, of the perturbed words where training is adversarial.

        Of several workers each takes some of the bags; its part of the mean loss is what it returns.
        """
        network, weights = self.network, term_weights(batch.labels, self.config.loss.negatives, negatives)
        exchange = self.trial.exchange
        share = exchange.share(len(batch.bags))
        if exchange.world_size > 1:
            before, sentences, width = int((batch.bag < share.begin).sum()), len(batch.bag), batch.words.shape[1]
            noise = of_rows(noise, before, sentences, width)
            batch, weights = batch.of_bags(share.begin, share.end), share.of(weights)
        self.optimizer.zero_grad()
        words, places = network.embed(batch, noise), network.places(batch, noise)
        if self.config.adversarial.enabled:
            words = words + self.perturbation(words.detach(), places, batch, weights, noise, share)
        loss = network.loss(words, places, batch, weights, noise.get("sentence"))
        loss.backward()  # type: ignore[no-untyped-call]
        exchange.gradients(network.parameters(), share.in_mean)
        self._clip()
        self.optimizer.step()
        return loss.detach() * share.in_mean

    def perturbation(
        self,
        words: Tensor,
        places: Tensor | None,
        batch: Batch,
        weights: Tensor,
        noise: Noise,
        share: Share | None = None,
    ) -> Tensor:
        """[S, T, D]: e, a constant; exactly zero for END, in padding, and where the gradient is zero.

        The whole batch is what has a norm together even where this is one worker's ``share`` of it.
        """
        settings = self.config.adversarial
        leaf = words.requires_grad_()
        if settings.only_positive:
            weights = weights * batch.labels
        loss = self.network.loss(
            leaf, None if places is None else places.detach(), batch, weights, noise.get("sentence of the clean pass")
        )
        (gradient,) = torch.autograd.grad(loss, leaf)
        groups = {"sentence": None, "bag": batch.bag, "batch": torch.zeros_like(batch.bag)}[settings.scope]
        together = None
        if share is not None and settings.scope == "batch" and self.trial.exchange.world_size > 1:
            gradient, together = gradient * share.in_mean, self.trial.exchange.sum
        return adversarial_perturbation(gradient, batch.lengths, settings.epsilon, groups, together)

    def nearest_word_kept(self, batch: Batch) -> float:
        """Share of a batch's perturbed words, up to ``SAMPLE``, whose nearest word vector is still their own."""
        if not self.config.adversarial.enabled:
            return 1.0
        weights = term_weights(batch.labels, 0, None)
        with torch.no_grad():
            words, places = self.network.embed(batch, {}), self.network.places(batch, {})
        moved = words + self.perturbation(words.clone(), places, batch, weights, {})
        rows, vectors = batch.words[batch.mask][:SAMPLE], self.network.words.matrix
        nearest = torch.cdist(moved[batch.mask][:SAMPLE], vectors).argmin(1)
        return float((vectors[nearest] == vectors[rows]).all(1).float().mean())

    def _clip(self) -> None:
        """Cut each parameter's gradient to the largest norm, embeddings apart."""
        largest = self.config.optimizer.clip_norm
        for name, parameter in self.network.named_parameters():
            if largest is not None and parameter.grad is not None and not name.startswith(UNCLIPPED):
                parameter.grad.mul_((largest / parameter.grad.norm()).clamp(max=1))

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """All that going on needs after an epoch."""
        return checkpoint_of(asdict(progress), self.network, self.optimizer)
