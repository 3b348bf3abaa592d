"""Training as anybody would write it: the methods' networks, batches and losses, without anything of the platform.

No named streams, reports, checkpoints, records or MLflow. Dev is scored after each epoch, as the methods do.
"""

from copy import deepcopy
from typing import TypeVar

import torch
from relab.prepared import Prepared
from torch import Tensor, nn

from trainables.adversarial_bag import evaluation as of_bags
from trainables.adversarial_bag.config import BagConfig
from trainables.adversarial_bag.loop import UNCLIPPED
from trainables.adversarial_bag.model import BagNetwork, term_weights
from trainables.bags import data as bags
from trainables.bio_multitask import data as pairs
from trainables.bio_multitask import evaluation as of_pairs
from trainables.bio_multitask.config import PairConfig
from trainables.bio_multitask.loop import PLACES as PAIR_PLACES
from trainables.bio_multitask.model import PairNetwork
from trainables.layers.noise import dropout
from trainables.sent import evaluation as of_sentences
from trainables.sent.config import SentConfig
from trainables.sent.filtering import DROPPED, refine
from trainables.sent.loop import PLACES as SENTENCE_PLACES
from trainables.sent.model import SentenceNetwork, complementary_labels, negative_loss, positive_loss
from trainables.sentences import data as sentences

Network = TypeVar("Network", bound=nn.Module)
CPU = torch.device("cpu")
EMBEDDINGS = ("words", "position", "tags", "att")


def adversarial_bag(config: BagConfig, data: Prepared) -> None:
    """Selective attention over bags; no adversarial training."""
    generator, best = torch.default_generator, -1.0
    network = _drawn(BagNetwork(config, data.split("train")))
    optimizer = torch.optim.Adam(network.parameters(), config.optimizer.lr, fused=True)
    for _ in range(config.training.epochs):
        total = 0.0
        for batch in bags.batches(data.split("train"), config.training.batch_size, CPU, generator, end=True):
            words = dropout(network.words(batch.words), config.dropout.words, generator)
            weights = term_weights(batch.labels, config.loss.negatives, generator)
            loss = network.loss(words, network.places(batch, {}), batch, weights, generator)
            _backward(loss, optimizer)
            for name, parameter in network.named_parameters():
                if parameter.grad is not None and config.optimizer.clip_norm and not name.startswith(UNCLIPPED):
                    nn.utils.clip_grad_norm_(parameter, config.optimizer.clip_norm)
            optimizer.step()
            total += float(loss.detach())
        best = max(best, of_bags.evaluate(network, data.split("dev")).metrics["average_precision"])


def sent(config: SentConfig, data: Prepared) -> None:
    """Phases of negative training with a filtering after each, then positive training, each with a new network."""
    generator, train, schedule = torch.default_generator, data.split("train"), config.schedule
    labels = refined = train.tensors["labels"]
    phases = [schedule.first_epochs, *[schedule.epochs] * schedule.iterations, config.final.epochs]
    for number, epochs in enumerate(phases, start=1):
        final = number == len(phases)
        network = _drawn(SentenceNetwork(config, train, drawn_words=final and config.final.words == "drawn"))
        optimizer = torch.optim.Adam(network.parameters(), config.optimizer.lr, fused=True)
        best, chosen = -1.0, network.state_dict()
        kept = (refined != DROPPED).nonzero().squeeze(1)
        for _ in range(epochs):
            total = 0.0
            for batch in sentences.batches(train, kept, config.batch_size, CPU, generator):
                own = refined[batch.numbers]
                logits = network(batch, dict.fromkeys(SENTENCE_PLACES, generator))
                loss = positive_loss(logits, own) if final else _negative(config, logits, own, generator)
                _backward(loss, optimizer)
                optimizer.step()
                total += float(loss.detach())
            f1 = of_sentences.evaluate(network, data.split("dev")).metrics["f1"]
            if f1 > best:
                best, chosen = f1, deepcopy(network.state_dict())
        if not final:
            network.load_state_dict(chosen)
            found = of_sentences.probabilities(network, train)
            refined = refine(found, labels, config.filter, config.relabel).labels


def _negative(config: SentConfig, logits: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    count, again = config.loss.complements, config.loss.with_replacement
    return negative_loss(
        logits, complementary_labels(labels, logits.shape[1], count, generator, with_replacement=again)
    )


def bio_multitask(config: PairConfig, data: Prepared) -> None:
    """Ranking beside identification, over all instances."""
    generator, best = torch.default_generator, -1.0
    network = _drawn(PairNetwork(config, data.split("train")))
    optimizer = torch.optim.RMSprop(network.parameters(), config.optimizer.lr, alpha=config.optimizer.decay)
    for _ in range(config.training.epochs):
        total = 0.0
        for batch in pairs.batches(data.split("train"), config.training.batch_size, CPU, generator):
            loss = network.loss(batch, dict.fromkeys(PAIR_PLACES, generator)).mean()
            _backward(loss, optimizer)
            optimizer.step()
            total += float(loss.detach())
        best = max(best, of_pairs.evaluate(network, data.split("dev")).metrics["f1"])


def _drawn(network: Network) -> Network:
    """With every parameter drawn but pre-trained vectors: from the process' one stream."""
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and name != "words.known":
            nn.init.normal_(parameter, std=0.01 if name.startswith(EMBEDDINGS) else 0.1)
    return network


def _backward(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
