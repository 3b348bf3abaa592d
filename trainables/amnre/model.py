"""The network: two encoders for each language, a head for each space, a discriminator of languages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

import torch
from relab.errors import RequestError
from relab.prepared import Split
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.amnre.adversary import Discriminator
from trainables.amnre.config import AmnreConfig, EncoderConfig
from trainables.amnre.heads import Head
from trainables.bags.data import START, Batch
from trainables.bags.encoders import Convolution, PositionEmbedding
from trainables.bags.words import WordTable
from trainables.layers.noise import Noise, Rows, Stream, dropout
from trainables.layers.recurrent import BidirectionalGRU

Space = Literal["individual", "consistent"]
SHARED = "shared"
"""The name of a head that all languages have in common."""


def used_languages(config: AmnreConfig, split: Split) -> tuple[str, ...]:
    """The languages whose sentences are read, in the order of their numbers.

    Raises:
        RequestError: a language that the corpus does not have, or adversarial training with fewer than two.
    """
    known = split.vocabulary["languages"]
    chosen = known if config.languages is None else tuple(name for name in known if name in config.languages)
    wrong = [name for name in config.languages or () if name not in known]
    if wrong:
        raise RequestError(f"languages: no sentences in {', '.join(wrong)}; this corpus has {', '.join(known)}")
    if config.adversarial.enabled and len(chosen) < 2:
        raise RequestError(
            f"adversarial.enabled needs sentences in two languages, not in {', '.join(chosen)} alone: "
            "set `adversarial.enabled: false`"
        )
    return chosen


def vector_size(settings: EncoderConfig) -> int:
    """Dimension of a sentence's vector."""
    if settings.kind == "cnn":
        return settings.hidden
    return 2 * settings.hidden if settings.projection is None else settings.projection


class SentenceEncoder(nn.Module):
    """Words and positions of one language, and what makes a sentence's vector of them."""

    def __init__(self, config: AmnreConfig, split: Split, language: str) -> None:
        super().__init__()
        settings = config.encoder
        self.rates = config.dropout
        self.words = WordTable(split, language, size=config.words.size, trainable=config.words.trainable)
        self.positions = PositionEmbedding(settings.max_distance, settings.position_size, shared=False)
        inputs = self.words.dimension + self.positions.size
        if settings.kind == "cnn":
            self.convolution = Convolution(inputs, settings.hidden)
        else:
            self.recurrence = BidirectionalGRU(inputs, settings.hidden, "pytorch")
            if settings.projection is not None:
                self.projection = nn.Linear(2 * settings.hidden, settings.projection)
        self.settings = settings

    def forward(self, batch: Batch, stream: Stream | None) -> Tensor:
        """[S, D] of the sentences of this language, behind a token for their start; padding changes nothing."""
        words = F.pad(batch.words, (1, 0), value=START)
        lengths = batch.lengths + 1
        x = torch.cat([self.words(words), self.positions(batch.spans + 1, words.shape[1])], 2)
        if self.settings.kind == "cnn":
            return dropout(self.convolution(x, lengths), self.rates.output, stream)
        states: Tensor = self.recurrence(dropout(x, self.rates.embedding, stream), lengths)
        return states if self.settings.projection is None else torch.tanh(self.projection(states))


class AmnreNetwork(nn.Module):
    """Vectors of sentences, and the log-probabilities of relations as sums over factors p(r | s).

    The consistent space has one factor: all sentences of a bag, whatever their language, judged by one head. In the
    individual space each language's sentences are a factor for each head that judges them.
    """

    def __init__(self, config: AmnreConfig, split: Split) -> None:
        super().__init__()
        self.config = config
        self.names = used_languages(config, split)
        self.languages = tuple(map(split.vocabulary["languages"].index, self.names))
        relations = len(split.vocabulary["relations"])

        def encoders() -> nn.ModuleDict:
            return nn.ModuleDict({name: SentenceEncoder(config, split, name) for name in self.names})

        self.individual = encoders()
        size = vector_size(config.encoder)
        heads = (SHARED,) if config.individual.heads == "shared" else self.names
        self.heads = nn.ModuleDict({name: Head(relations, size, tied=config.individual.tied) for name in heads})
        if config.consistent.enabled:
            self.consistent = encoders()
            self.consistent_head = Head(relations, size, tied=False)
        if config.adversarial.enabled:
            settings = config.adversarial
            self.discriminator = Discriminator(size, settings.hidden, len(self.names), settings.layers)

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Those that there are."""
        return ("individual", "consistent") if self.config.consistent.enabled else ("individual",)

    def restricted(self, batch: Batch) -> Batch:
        """The sentences in languages that are used; bags and labels as they are."""
        if self.config.languages is None:
            return batch
        return batch.where(torch.isin(batch.languages, torch.tensor(self.languages, device=batch.languages.device)))

    def places(self, batch: Batch) -> Tensor:
        """[S]: the place of each sentence's language among those that are used."""
        return torch.searchsorted(torch.tensor(self.languages, device=batch.languages.device), batch.languages)

    def vectors(self, batch: Batch, space: Space, noise: Noise) -> Tensor:
        """[S, D]: each sentence by the encoder of its language; all are of languages that are used."""
        encoders = cast(nn.ModuleDict, getattr(self, space))
        places: list[Tensor] = []
        parts: list[Tensor] = []
        for name, number in zip(self.names, self.languages, strict=True):
            place, stream = (batch.languages == number).nonzero().squeeze(1), noise.get(f"{space}.{name}")
            if len(place) or isinstance(stream, Rows):  # which other workers draw from, be it for their rows alone
                parts.append(encoders[name](batch.of_language(number), stream))
                places.append(place)
        if len(parts) == 1:
            return parts[0]
        together = torch.cat(parts)
        return torch.empty_like(together).index_copy(0, torch.cat(places), together)

    def log_likelihood(self, batch: Batch, vectors: Mapping[Space, Tensor]) -> Tensor:
        """[P]: log p(r | T) of each bag with each of its own relations, attended by that relation's queries."""
        bags, relations = batch.labels.nonzero().unbind(1)
        total = torch.zeros(len(bags), device=bags.device)
        for head, x, bag, skipped in self._factors(batch, vectors, self.languages):
            each = head.log_likelihood(x, bag, bags, relations)
            total = total + (each if skipped is None else each.masked_fill(skipped[bags], 0))
        return total

    def scores(self, batch: Batch, vectors: Mapping[Space, Tensor], languages: Sequence[int] | None = None) -> Tensor:
        """[B, R]: log p(r | T) of every relation, each with its own queries; −∞ for a bag without a sentence.

        With ``languages`` only these have factors: a model of several, tested on one of them (Table 4).
        """
        bags = len(batch.labels)
        total = torch.zeros_like(batch.labels)
        for head, x, bag, skipped in self._factors(batch, vectors, languages or self.languages):
            each = head.scores(x, bag, bags)
            total = total + (each if skipped is None else each.masked_fill(skipped[:, None], 0))
        empty = torch.bincount(batch.bag, minlength=bags) == 0
        return total.masked_fill(empty[:, None], -torch.inf)

    def _factors(
        self, batch: Batch, vectors: Mapping[Space, Tensor], languages: Sequence[int]
    ) -> Iterable[tuple[Head, Tensor, Tensor, Tensor | None]]:
        """Each factor's head and sentences, the bag of each, and which bags [B] go without the factor, if any do."""
        if self.config.consistent.enabled:
            yield self.consistent_head, vectors["consistent"], batch.bag, None
        for name, number in zip(self.names, self.languages, strict=True):
            if number not in languages:
                continue
            own = batch.languages == number
            bag = batch.bag[own]
            skipped = None
            if self.config.missing_language == "skip_factor":
                skipped = torch.bincount(bag, minlength=len(batch.labels)) == 0
            for judge, head in self.heads.items():
                if self.config.individual.heads == "every" or judge in (name, SHARED):
                    yield cast(Head, head), vectors["individual"][own], bag, skipped
