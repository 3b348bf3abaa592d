"""The training loop: phases of epochs, between them the labels are refined and the network begins anew."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from relab.errors import RequestError
from relab.exchange import Share
from relab.prepared import Prepared, Split
from relab.trial import Checkpoint, Trial
from torch import Tensor, nn

from trainables.bags.encoders import Convolution, PiecewiseConvolution
from trainables.batching import cut
from trainables.checkpoints import checkpoint_of, restore
from trainables.layers.initialisation import Draw, constant, initialise, normal, uniform
from trainables.layers.noise import Noise, of_rows
from trainables.metrics.sentence_classification import agreement
from trainables.sent.config import METRICS, SentConfig
from trainables.sent.evaluation import evaluate, probabilities
from trainables.sent.filtering import DROPPED, Refined, refine, thresholds_of
from trainables.sent.model import SentenceNetwork, complementary_labels, negative_loss, positive_loss
from trainables.sent.record import NOISE, UNKNOWN_QUALITY, Record, flagged_labels, quality, quality_on_noise_split
from trainables.sentences.data import Batch, batch_of, batches
from trainables.sentences.encoders import AttentionLSTM, EntityPooledLSTM, PooledTransformer
from trainables.sentences.pretrained import room

PLACES = ("input", "output")
"""Where units are dropped."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch, or between two phases."""

    phase: int = 0
    """0 has the original labels, 1 and so on refined ones; the final phase has the next number."""
    final: bool = False
    epoch: int = 0
    """Epochs done in this phase."""
    selected: float = -1.0
    """The best score of this phase, by which the epoch is chosen that filters."""
    best_dev: float = -1.0
    """On dev, of this phase."""
    best_phase: int = -1
    best_phase_dev: float = -1.0
    """On dev, of ``best_phase``, among the phases that have ended."""
    best: float = -1.0
    """On dev, of the epochs of which one is the result."""
    over: bool = False

    def ended(self, config: SentConfig) -> bool:
        """Whether all epochs of the phase are done."""
        schedule = config.schedule
        if self.final:
            return self.epoch >= config.final.epochs
        return self.epoch >= (schedule.epochs if self.phase else schedule.first_epochs)

    def after(self, dev: float, selection: float, *, counts: bool) -> "Progress":
        """Count one epoch; of equal scores the first is the best. Whether it ``counts`` as the result is asked for."""
        return replace(
            self,
            epoch=self.epoch + 1,
            selected=max(selection, self.selected),
            best_dev=max(dev, self.best_dev),
            best=max(dev, self.best) if counts else self.best,
        )

    def next_phase(self, config: SentConfig) -> "Progress":
        """Which phase comes next, if any."""
        if self.final:
            return replace(self, over=True)
        best, phase = self.best_phase_dev, self.best_phase
        if self.best_dev > best:
            best, phase = self.best_dev, self.phase
        following = Progress(self.phase + 1, best_phase=phase, best_phase_dev=best, best=self.best)
        schedule = config.schedule
        waited = self.phase - phase
        if self.phase < schedule.iterations and (schedule.stop == "fixed" or waited < schedule.patience):
            return following
        return replace(following, final=config.final.enabled, over=not config.final.enabled)

    @property
    def names(self) -> tuple[str | int, ...]:
        """Of the phase, in the names of random streams: the final one's draws do not depend on how many came before."""
        return ("final",) if self.final else (self.phase,)


def check(config: SentConfig, data: Split) -> None:
    """Whether these settings can be trained on this corpus.

    Raises:
        RequestError: K exceeds the number of other labels, and each is to be drawn once at most.
    """
    others, loss = len(data.vocabulary["relations"]) - 1, config.loss
    if loss.form == "negative" and not loss.with_replacement and loss.complements > others:
        raise RequestError(
            f"loss.complements is {loss.complements}, but each label has {others} others in this corpus: "
            "lower it, or let loss.with_replacement be true"
        )


def build(config: SentConfig, data: Split, *, final: bool) -> SentenceNetwork:
    """The network of a phase for a prepared corpus, its parameters not yet drawn."""
    return SentenceNetwork(config, data, drawn_words=final and config.final.words == "drawn")


def draw(network: SentenceNetwork, trial: Trial, progress: Progress) -> None:
    """Draw all parameters of a phase's network, each from a stream of its own.

    The first phase's streams have the names of the parameters alone, and so have, where re-initialisation is the
    ``same``, those of the later phases.
    """
    again = progress.phase > 0 and (progress.final or network.config.reinitialisation == "new")
    names: tuple[str | int, ...] = progress.names if again else ()
    keep = {
        name for name, _ in network.named_parameters() if name == "words.known" or name.startswith("encoder.model.")
    }
    initialise(
        network, lambda name: trial.rng("init", name, *names), keep=keep, draws=_draws(network, final=progress.final)
    )


def _draws(network: SentenceNetwork, *, final: bool) -> dict[str, Draw]:
    """PyTorch's defaults; word vectors N(0, 1)/√D, or N(0, 1) in the final phase (code)."""
    draws: dict[str, Draw] = {
        "positions.*": normal(1),
        "tags.weight": normal(1),
        "*.recurrence.*.bias_hh*": constant(0),
    }
    if network.words is not None:
        drawn = final and network.config.final.words == "drawn"
        draws["words.own"] = normal(1 if drawn else 1 / math.sqrt(network.words.dimension))
    if network.config.bags:
        draws["attention.queries"] = uniform(1 / math.sqrt(network.attention.queries.shape[1]))
    names: tuple[str, ...]
    for name, module in network.named_modules():
        match module:
            case nn.Linear():
                names, inputs = ("weight", "bias"), module.in_features
            case Convolution() | PiecewiseConvolution():
                names, inputs = ("kernel", "bias"), module.kernel[0].numel()
            case EntityPooledLSTM() | AttentionLSTM():
                names, inputs = ("recurrence.*",), network.config.encoder.hidden
            case _:
                continue
        draws |= {f"{name}.{own}": uniform(1 / math.sqrt(inputs)) for own in names}
    return draws


def train(config: SentConfig, data: Prepared, trial: Trial) -> None:
    """Train through all phases and report after each epoch.

    The result is the epoch that is best on dev: of the final phase, or without it, of all.
    """
    loop = Loop(config, data, trial)
    found = trial.resume()
    progress = Progress() if found is None else Progress(**found.progress)
    if found is None:
        loop.begin(progress)
    else:
        loop.restore(found, progress)
    while not progress.over:
        if progress.ended(config):
            progress = loop.next_phase(progress)
            trial.save(partial(loop.checkpoint, progress))
            continue
        loss = loop.epoch(progress)
        dev = trial.exchange.scores(evaluate(loop.network, loop.dev).metrics)
        selection = loop.selection(progress, dev["f1"])
        counts = progress.final or not config.final.enabled
        before, progress = progress, progress.after(dev["f1"], selection, counts=counts)
        if progress.selected > before.selected:
            loop.select()
        metrics = {"train/loss": loss, "train/phase": float(progress.phase)} | loop.metrics(progress)
        metrics |= {f"dev/{name}": dev[name] for name in METRICS}
        trial.report(metrics, partial(loop.checkpoint, progress), best=progress.best > before.best)


class Loop:
    """The network in training, its optimiser, the labels that it is trained on, and what the phases left behind."""

    network: SentenceNetwork
    optimizer: torch.optim.Optimizer

    def __init__(self, config: SentConfig, data: Prepared, trial: Trial) -> None:
        self.config, self.trial = config, trial
        self.split, self.dev = data.split("train"), data.split("dev")
        self.noise = data.split(NOISE) if NOISE in data.splits else None
        check(config, self.split)
        labels = self.split.tensors["labels"]
        self.refined = Refined(labels, torch.zeros_like(labels, dtype=torch.bool))
        """What is trained on."""
        self.chosen = self.refined
        """What the final phase will be trained on."""
        self.selected: Mapping[str, Tensor] = {}
        """The weights of the phase's best epoch."""
        self.record = Record.empty(config.schedule.iterations + 2, len(self.split.vocabulary["relations"]))

    def begin(self, progress: Progress) -> None:
        """A network for a phase, newly drawn, and its optimiser."""
        self._build(progress)
        draw(self.network, self.trial, progress)

    def _build(self, progress: Progress) -> None:
        self.network = build(self.config, self.split, final=progress.final).to(self.trial.device)
        settings, parameters = self.config.optimizer, [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = (
            torch.optim.Adam(parameters, settings.lr, weight_decay=settings.weight_decay, fused=True)
            if settings.kind == "adam"
            else torch.optim.SGD(parameters, settings.lr, weight_decay=settings.weight_decay)
        )

    def epoch(self, progress: Progress) -> float:
        """One pass over the refined labels; the mean loss of a batch, 0 where filtering has left nothing."""
        trial, names, device = self.trial, (*progress.names, progress.epoch), self.trial.device
        noise = {place: trial.rng("dropout", place, *names, device=device) for place in PLACES}
        order, complements = trial.rng("order", *names), trial.rng("complements", *names, device=device)
        kept = (self.refined.labels != DROPPED).nonzero().squeeze(1)
        if self.config.bags:
            losses = [self._bag_step(*bags, noise) for bags in self._bags(kept, order)]
        else:
            negative = self.config.loss.form == "negative" and not progress.final
            losses = [
                self.step(batch, noise, complements if negative else None)
                for batch in batches(self.split, kept, self.config.batch_size, device, order)
            ]
        return float(trial.exchange.sum(torch.stack(losses)).mean()) if losses else 0.0

    def step(self, batch: Batch, noise: Noise, complements: torch.Generator | None) -> Tensor:
        """One update; the loss, of complementary labels where there is a stream to draw them from.

        Of several workers each takes some of the sentences; its part of the mean loss is what it returns.
        """
        labels, settings = self.refined.labels[batch.numbers].to(self.trial.device), self.config.loss
        relations, share = self.network.scores.out_features, self.trial.exchange.share(len(labels))
        drawn = None
        if complements is not None:
            drawn = complementary_labels(
                labels, relations, settings.complements, complements, with_replacement=settings.with_replacement
            )
        if self.trial.exchange.world_size > 1:
            batch, noise = self._own(batch, noise, share.begin, share.end)
            labels, drawn = share.of(labels), None if drawn is None else share.of(drawn)
        logits = self.network(batch, noise)
        return self._update(positive_loss(logits, labels) if drawn is None else negative_loss(logits, drawn), share)

    def _own(self, batch: Batch, noise: Noise, begin: int, end: int) -> tuple[Batch, Noise]:
        """The sentences [begin, end) of a batch, and its streams for them."""
        width, encoder = batch.words.shape[1], self.network.encoder
        if isinstance(encoder, PooledTransformer) and batch.pieces is not None:
            width = min(batch.pieces.shape[1], room(encoder.model))
        own = batch_of(self.split, batch.numbers[begin:end], self.trial.device)
        return own, of_rows(noise, begin, len(batch.numbers), width)

    def _bags(self, kept: Tensor, order: torch.Generator) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        """Sentences with the bag that each is of, and the bags' labels: a document's sentences of one label."""
        relations, labels = len(self.split.vocabulary["relations"]), self.refined.labels[kept]
        keys, of = torch.unique(self.split.tensors["documents"][kept] * relations + labels, return_inverse=True)
        lengths = self.split.tensors["offsets"].diff()[kept]
        longest = torch.zeros(len(keys), dtype=torch.long).scatter_reduce(0, of, lengths, "amax")
        members = torch.split(kept[of.argsort(stable=True)], torch.bincount(of, minlength=len(keys)).tolist())
        for bags in cut(longest.tolist(), self.config.batch_size, order):
            sizes = torch.tensor([len(members[bag]) for bag in bags])
            batch = batch_of(self.split, torch.cat([members[bag] for bag in bags]), self.trial.device)
            yield batch, torch.repeat_interleave(torch.arange(len(bags)), sizes), keys[bags] % relations

    def _bag_step(self, batch: Batch, bag: Tensor, labels: Tensor, noise: Noise) -> Tensor:
        """``step`` for bags, which stay whole."""
        share = self.trial.exchange.share(len(labels))
        if self.trial.exchange.world_size > 1:
            begin, end = torch.searchsorted(bag, torch.tensor([share.begin, share.end])).tolist()
            batch, noise = self._own(batch, noise, begin, end)
            bag, labels = bag[begin:end] - share.begin, share.of(labels)
        bag, labels = bag.to(self.trial.device), labels.to(self.trial.device)
        return self._update(positive_loss(self.network.of_bags(batch, bag, labels, noise), labels), share)

    def _update(self, loss: Tensor, share: Share) -> Tensor:
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.trial.exchange.gradients(self.network.parameters(), share.in_mean)
        if self.config.optimizer.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimizer.clip_norm)
        self.optimizer.step()
        return loss.detach() * share.in_mean

    def selection(self, progress: Progress, dev: float) -> float:
        """The score by which a phase's epochs are compared."""
        if progress.phase or self.config.schedule.first_selection == "dev":
            return dev
        return agreement(self.split.tensors["labels"], self._probabilities(self.network, self.split).argmax(1)).f1

    def _probabilities(self, network: SentenceNetwork, split: Split) -> Tensor:
        """[N, R]: the first worker's, so that all refine the labels alike."""
        return self.trial.exchange.first(probabilities(network, split))

    def select(self) -> None:
        """Keep these weights as those of the phase's best epoch."""
        self.selected = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    @contextmanager
    def _as_selected(self) -> Iterator[SentenceNetwork]:
        """The network with the weights of the phase's best epoch."""
        now = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict(self.selected)
        yield self.network
        self.network.load_state_dict(now)

    def next_phase(self, progress: Progress) -> Progress:
        """Refine the labels by the phase's best epoch, and begin what comes next."""
        following = progress.next_phase(self.config)
        with self._as_selected() as network:
            found = self._probabilities(network, self.split)
            on_noise = None if self.noise is None else self._probabilities(network, self.noise)
        self.record.see(progress.phase, self.split, found)
        if self.config.filters and not progress.final:
            self._refine(progress, following, found, on_noise)
            self.trial.keep("labels", flagged_labels(self.split, self.refined))
        self.record.keep(self.split.vocabulary["relations"], self.trial.keep)
        if not following.over and (following.final or self.config.reinitialisation != "none"):
            self.begin(following)
        return following

    def _refine(self, progress: Progress, following: Progress, found: Tensor, on_noise: Tensor | None) -> None:
        """Set the labels of the next phase, and those of the final one if this phase is to be what they are from."""
        config, settings = self.config, self.config.filter
        labels, flagged = self.split.tensors["labels"], torch.zeros_like(self.refined.flagged)
        if settings.labels == "refined":
            labels, flagged = self.refined.labels, self.refined.flagged
        thresholds = thresholds_of(found, labels, settings)
        refined, last = (refine(found, labels, settings, config.relabel, final=final) for final in (False, True))
        refined, last = (replace(each, flagged=each.flagged | flagged) for each in (refined, last))
        if config.schedule.stop == "fixed" or following.best_phase == progress.phase:
            self.chosen = last
        measured = None
        if self.noise is not None and on_noise is not None:
            measured = quality_on_noise_split(self.noise, on_noise, thresholds, settings)
        self.record.filtered(progress.phase, thresholds, quality(self.split, refined), measured)
        self.refined = self.chosen if following.final else refined

    def metrics(self, progress: Progress) -> dict[str, float]:
        """How good the labels are that are trained on, if it is known: of train, or else of the split ``noise``."""
        values = {"train/kept": float((self.refined.labels != DROPPED).double().mean())}
        found: Mapping[str, float] = UNKNOWN_QUALITY
        if (self.split.tensors["clean"] >= 0).any():
            found = quality(self.split, self.refined)
        elif self.noise is not None and progress.phase:
            by_dev = progress.final and self.config.schedule.stop == "dev"
            found = self.record.on_noise(progress.best_phase if by_dev else progress.phase - 1)
        return values | {f"train/{name}": value for name, value in found.items()}

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """All that going on needs after an epoch, or between two phases."""
        state = checkpoint_of(asdict(progress), self.network, self.optimizer)
        tensors = {f"selected/{name}": tensor for name, tensor in self.selected.items()}
        for name, labels in (("refined", self.refined), ("chosen", self.chosen)):
            # both may be the same tensor, which safetensors would refuse
            tensors |= {f"{name}/labels": labels.labels.clone(), f"{name}/flagged": labels.flagged.clone()}
        tensors |= {f"record/{name}": tensor for name, tensor in self.record.tensors().items()}
        return replace(state, tensors={**state.tensors, **tensors})

    def restore(self, found: Checkpoint, progress: Progress) -> None:
        """Take up the state that ``checkpoint`` gave."""
        self._build(progress)
        restore(found, self.network, self.optimizer)
        parts: dict[str, dict[str, Tensor]] = {"selected": {}, "refined": {}, "chosen": {}, "record": {}}
        for name, tensor in found.tensors.items():
            part, _, own = name.partition("/")
            if part in parts:
                parts[part][own] = tensor
        self.selected = parts["selected"]
        self.refined, self.chosen = Refined(**parts["refined"]), Refined(**parts["chosen"])
        self.record = Record(**parts["record"])
