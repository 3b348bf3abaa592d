"""The training loop: for each batch the discriminator learns, the consistent encoders fool it, then relations."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from relab.errors import RequestError
from relab.exchange import Share
from relab.prepared import Prepared, Split
from relab.trial import Checkpoint, Trial
from torch import Tensor, nn

from trainables.amnre.adversary import discriminator_loss, encoder_loss, orthogonality
from trainables.amnre.config import AmnreConfig
from trainables.amnre.evaluation import evaluate
from trainables.amnre.heads import Head
from trainables.amnre.model import AmnreNetwork
from trainables.bags.data import UNKNOWN, Batch, batch_of
from trainables.bags.encoders import Convolution
from trainables.batching import cut
from trainables.checkpoints import checkpoint_of, restore
from trainables.layers.initialisation import Draw, constant, glorot, initialise, normal, orthogonal, uniform
from trainables.layers.noise import Noise, Stream, dropout, of_rows

PATIENCE, FACTOR, THRESHOLD = 2, 0.4, 1e-4
"""Of the plateau schedule (code); the relative threshold is PyTorch's default."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch."""

    lr: float
    epoch: int = 0
    best: float = -1.0
    worse: int = 0
    """Epochs in a row in which the plateau schedule saw nothing better than ``level``."""
    level: float = -1.0

    def after(self, score: float, plateau: bool) -> "Progress":
        """Count one epoch."""
        lr, worse, level = self.lr, self.worse + 1, self.level
        if score > level * (1 + THRESHOLD):
            worse, level = 0, score
        if plateau and worse > PATIENCE:
            lr, worse = lr * FACTOR, 0
        return Progress(lr, self.epoch + 1, max(score, self.best), worse, level)


def build(config: AmnreConfig, data: Split, trial: Trial | None = None) -> AmnreNetwork:
    """The network for a prepared corpus; with a trial, drawn from its streams, one for each parameter by its name."""
    network = AmnreNetwork(config, data)
    if trial is not None:
        keep = {name for name, _ in network.named_parameters() if name.endswith("words.known")}
        initialise(network, lambda name: trial.rng("init", name), keep=keep, draws=_draws(network))
    return network


def _draws(network: AmnreNetwork) -> dict[str, Draw]:
    """PyTorch's defaults, except for the GRU (code)."""
    draws: dict[str, Draw] = {
        "*.words.own": _words,
        "*.positions.*": normal(1),
        "*.recurrence.*.weight_ih_l0": glorot,
        "*.recurrence.*.weight_hh_l0": orthogonal,
        "*.recurrence.*.bias_*": constant(0),
    }
    for name, module in network.named_modules():
        match module:
            case nn.Linear():
                weights, inputs = "weight", module.in_features
            case Convolution():
                weights, inputs = "kernel", module.kernel[0].numel()
            case Head():
                weights, inputs = "weight", module.matrix.shape[1]
            case _:
                continue
        small = uniform(1 / math.sqrt(inputs))
        draws |= {f"{name}.{weights}": small, f"{name}.bias": small}
        if isinstance(module, Head):
            as_classifier = network.config.training.queries == "small" or network.config.individual.tied
            draws[f"{name}.attention.queries"] = small if as_classifier else normal(1)
    return draws


def _words(parameter: Tensor, stream: torch.Generator) -> None:
    """N(0, 1), and zero for unknown words (code)."""
    normal(1)(parameter, stream)
    parameter[UNKNOWN] = 0


def train(config: AmnreConfig, data: Prepared, trial: Trial) -> None:
    """Train for ``epochs`` epochs and report after each; the weights of the epoch best on dev count."""
    loop = Loop(config, data, trial)
    progress = Progress(config.optimizer.lr)
    found = trial.resume()
    if found is not None:
        progress = Progress(**found.progress)
        restore(found, loop.network)
    while progress.epoch < config.training.epochs:
        loss = loop.epoch(progress)
        scores = trial.exchange.scores(evaluate(loop.network, loop.dev, trial.device, whole=False).metrics)
        best = scores["average_precision"] > progress.best
        progress = progress.after(scores["average_precision"], config.optimizer.plateau)
        metrics = {"train/loss": loss, **{f"dev/{name}": value for name, value in scores.items()}}
        trial.report(metrics, partial(loop.checkpoint, progress), best=best)


class Loop:
    """The network in training, with an optimiser for each kind of step. SGD has no state to keep."""

    def __init__(self, config: AmnreConfig, data: Prepared, trial: Trial) -> None:
        self.config, self.trial = config, trial
        self.train, self.dev = data.split("train"), data.split("dev")
        self.network = build(config, self.train, trial).to(trial.device)
        lengths = lengths_in(self.train, self.network.languages)
        self.bags = [bag for bag, length in enumerate(lengths) if length]
        if not self.bags:
            raise RequestError(f"no training bag has a sentence in {', '.join(self.network.names)}")
        self.lengths = [lengths[bag] for bag in self.bags]
        named = dict(self.network.named_parameters())
        parts = {
            "discriminator": [own for name, own in named.items() if name.startswith("discriminator.")],
            "encoder": [own for name, own in named.items() if name.startswith("consistent.")],
            "extraction": [own for name, own in named.items() if not name.startswith("discriminator.")],
        }
        steps = parts if config.adversarial.enabled else ("extraction",)
        self.parameters = {step: parts[step] for step in steps}
        self.optimizers = {step: torch.optim.SGD(parts[step], config.optimizer.lr) for step in steps}

    def epoch(self, progress: Progress) -> float:
        """One pass over train; the mean extraction loss of a bag."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = progress.lr
        noises = {step: self._noise(step, progress.epoch) for step in self.optimizers}
        order = self.trial.rng("order", progress.epoch)
        total = torch.zeros((), device=self.trial.device)
        for places in cut(self.lengths, self.config.training.batch_size, order):
            batch = batch_of(self.train, [self.bags[place] for place in places], self.trial.device)
            total += self.step(self.network.restricted(batch), noises)
        return float(self.trial.exchange.sum(total)) / len(self.bags)

    def step(self, batch: Batch, noises: Mapping[str, Noise]) -> Tensor:
        """All steps of one batch; the extraction loss of its last one, a sum over bags.

        ``noises`` has the dropout streams for each kind of step. Every step of the encoders and of the extraction is a
        forward pass of its own. Of several workers each takes some of the bags; the losses are those of its own.
        """
        exchange, settings = self.trial.exchange, self.config.adversarial
        share, sentences = exchange.share(len(batch.bags)), len(batch.bag)
        if exchange.world_size > 1:
            noises = {step: self._own(noise, batch, share) for step, noise in noises.items()}
            batch = batch.of_bags(share.begin, share.end)
        if settings.enabled:
            weight = share.in_sum if settings.reduction == "sum" else share.in_sum * len(batch.bag) / sentences
            self._discriminator(batch, noises.get("discriminator", {}), weight)
            self._encoders(batch, noises.get("encoder", {}), weight)
        return self._extraction(batch, noises.get("extraction", {}), share.in_sum)

    def _own(self, noise: Noise, batch: Batch, share: Share) -> Noise:
        """The streams of a batch for the sentences of the bags of a share."""
        own: dict[str, Stream] = {}
        before = batch.bag < share.begin
        for place, stream in noise.items():
            chosen = torch.ones_like(before)
            if place != "input":
                language = self.network.languages[self.network.names.index(place.partition(".")[2])]
                chosen = batch.languages == language
            if chosen.any():
                longest = int(batch.lengths[chosen].max()) + 1  # behind a token for the start
                own |= of_rows({place: stream}, int((before & chosen).sum()), int(chosen.sum()), longest)
        return own

    def _discriminator(self, batch: Batch, noise: Noise, weight: float = 1.0) -> None:
        """The discriminator learns to tell languages; the encoders stand still and drop nothing (code)."""
        settings, rate = self.config.adversarial, self.config.dropout.discriminator
        if not self.config.steps.discriminator:
            return
        with torch.no_grad():
            vectors = self.network.vectors(batch, "consistent", {})
        places = self.network.places(batch)
        for _ in range(self.config.steps.discriminator):
            seen = dropout(vectors, rate, noise.get("input"))
            logits = self.network.discriminator(seen)
            loss = discriminator_loss(logits, places, settings.smoothing, settings.reduction)
            self._descend("discriminator", weight * settings.discriminator_weight * loss)

    def _encoders(self, batch: Batch, noise: Noise, weight: float = 1.0) -> None:
        """The consistent encoders learn to fool the discriminator, which drops nothing."""
        settings, places = self.config.adversarial, self.network.places(batch)
        for _ in range(self.config.steps.encoder):
            logits = self.network.discriminator(self.network.vectors(batch, "consistent", noise))
            loss = encoder_loss(logits, places, settings.encoder_loss, settings.smoothing, settings.reduction)
            self._descend("encoder", weight * settings.encoder_weight * loss)

    def _extraction(self, batch: Batch, noise: Noise, weight: float = 1.0) -> Tensor:
        """Everything but the discriminator learns to extract relations: −Σ log p(r | T) + λ3 · penalty."""
        settings, extraction, exchange = self.config.orthogonality, torch.zeros(()), self.trial.exchange
        rows = len(batch.bag) if weight else 0
        for _ in range(self.config.steps.extraction):
            vectors = {space: self.network.vectors(batch, space, noise) for space in self.network.spaces}
            extraction = -self.network.log_likelihood(batch, vectors).sum() * weight
            loss = extraction
            if settings.enabled:
                pair = (vectors["individual"][:rows], vectors["consistent"][:rows])
                penalty = orthogonality(*pair, batch.languages[:rows], settings.form, exchange)
                loss = loss + settings.weight * penalty / exchange.world_size
            self._descend("extraction", loss)
        return extraction.detach()

    def _descend(self, step: str, loss: Tensor) -> None:
        """One step of the optimiser of this kind; no other parameter is as much as looked at."""
        self.optimizers[step].zero_grad()
        loss.backward(inputs=self.parameters[step])  # type: ignore[no-untyped-call]
        self.trial.exchange.gradients(self.parameters[step])
        self.optimizers[step].step()

    def _noise(self, step: str, epoch: int) -> Noise:
        encoders = (f"{space}.{name}" for space in self.network.spaces for name in self.network.names)
        places = ("input",) if step == "discriminator" else encoders
        device = self.trial.device
        return {place: self.trial.rng("dropout", step, place, epoch, device=device) for place in places}

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """All that going on needs after an epoch."""
        return checkpoint_of(asdict(progress), self.network)


def lengths_in(split: Split, languages: Sequence[int]) -> list[int]:
    """The longest sentence of each bag in these languages; 0 for a bag without any."""
    bags = split.tensors["bag_offsets"].numpy()
    used = torch.isin(split.tensors["languages"].long(), torch.tensor(languages))
    lengths = (split.tensors["offsets"].diff() * used).numpy()
    longest: list[int] = np.maximum.reduceat(lengths, bags[:-1]).tolist() if len(bags) > 1 else []
    return longest
