"""The network: a vector for each sentence, a score for each relation; and the loss of negative training."""

import torch
from relab.prepared import Split
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.bags.attention import SelectiveAttention, segment_sum
from trainables.bags.encoders import Convolution, PiecewiseConvolution, PositionEmbedding
from trainables.bags.words import WordTable
from trainables.layers.noise import Noise, dropout
from trainables.sent.config import SentConfig
from trainables.sentences.data import TEXT, Batch
from trainables.sentences.encoders import AttentionLSTM, EntityPooledLSTM, PooledTransformer

TINY = 1e-10
"""Keeps the logarithm of negative training finite (code)."""


class SentenceNetwork(nn.Module):
    """Scores of the relations of each sentence of a batch."""

    def __init__(self, config: SentConfig, split: Split, *, drawn_words: bool = False) -> None:
        """``drawn_words``: a table of drawn vectors even where the corpus has pre-trained ones."""
        super().__init__()
        self.config = config
        relations, encoder = len(split.vocabulary["relations"]), config.encoder
        self.words: WordTable | None = None
        self.tags: nn.Embedding | None = None
        self.encoder: EntityPooledLSTM | AttentionLSTM | Convolution | PiecewiseConvolution | PooledTransformer
        if encoder.kind == "bert":
            assert config.data.encoder is not None
            self.encoder = PooledTransformer(config.data.encoder, split.shared["marks"])
        else:
            self.positions = PositionEmbedding(config.data.max_tokens, config.inputs.position_size, shared=False)
            inputs = self.positions.size
            if len(split.vocabulary["tags"]) > 1:
                self.tags = nn.Embedding(len(split.vocabulary["tags"]), config.inputs.tag_size)
                inputs += config.inputs.tag_size
            if config.data.encoder is None:
                settings = config.words
                self.words = WordTable(
                    split, TEXT, size=settings.size, trainable=settings.trainable, pretrained=not drawn_words
                )
                inputs += self.words.dimension
            else:
                inputs += split.tensors["contextual"].shape[1]
            self.encoder = _encoder(config, inputs, self.positions.size)
        size = self.encoder.size
        if config.bags:
            self.attention = SelectiveAttention(relations, size, squashed=False)
        if config.head is not None:
            self.hidden = nn.Linear(size, config.head)
            size = config.head
        self.scores = nn.Linear(size, relations)

    def vectors(self, batch: Batch, noise: Noise) -> Tensor:
        """[B, D]: a vector for each sentence."""
        rates = self.config.dropout
        if isinstance(self.encoder, PooledTransformer):
            vectors: Tensor = self.encoder(batch, rates.output, noise)
            return vectors
        places = self.positions(batch.spans, batch.words.shape[1])
        words = batch.contextual if self.words is None else self.words(batch.words)
        assert words is not None
        parts = [words]
        if self.tags is not None:
            parts.append(self.tags(batch.tags))
        x = dropout(torch.cat([*parts, places], 2), rates.input, noise.get("input"))
        match self.encoder:
            case PiecewiseConvolution():
                return dropout(self.encoder(x, batch.lengths, batch.spans), rates.output, noise.get("output"))
            case Convolution():
                return dropout(self.encoder(x, batch.lengths), rates.output, noise.get("output"))
            case _:
                return self.encoder(x, places, batch, rates.output, noise)  # type: ignore[no-any-return]

    def classify(self, vectors: Tensor) -> Tensor:
        """[B, R] logits of vectors [B, D]."""
        if self.config.head is not None:
            vectors = torch.tanh(self.hidden(vectors))
        return self.scores(vectors)  # type: ignore[no-any-return]

    def forward(self, batch: Batch, noise: Noise) -> Tensor:
        """[B, R]: the logits of each sentence."""
        return self.classify(self.vectors(batch, noise))

    def of_bags(self, batch: Batch, bag: Tensor, labels: Tensor, noise: Noise) -> Tensor:
        """[bags, R]: the logits of each bag as the query of its own label weighs its sentences (Lin et al. 2016).

        ``bag`` [B], from 0 in ascending order, is the bag of each sentence, ``labels`` [bags] its label.
        """
        vectors = self.vectors(batch, noise)
        weights = self.attention(vectors, bag, len(labels), labels[bag])
        return self.classify(segment_sum(weights[:, None] * vectors, bag, len(labels)))


def _encoder(
    config: SentConfig, inputs: int, places: int
) -> EntityPooledLSTM | AttentionLSTM | Convolution | PiecewiseConvolution:
    settings = config.encoder
    match settings.kind:
        case "attention_bilstm":
            return AttentionLSTM(inputs, settings.hidden, places, settings.attention)
        case "cnn":
            return Convolution(inputs, settings.hidden)
        case "pcnn":
            return PiecewiseConvolution(inputs, settings.hidden)
        case _:
            return EntityPooledLSTM(inputs, settings.hidden)


def complementary_labels(
    labels: Tensor, relations: int, count: int, generator: torch.Generator, *, with_replacement: bool
) -> Tensor:
    """[B, count]: labels drawn uniformly from the ``relations`` − 1 other than each of ``labels`` [B] (test S1)."""
    others = relations - 1
    if with_replacement:
        drawn = torch.randint(others, (len(labels), count), generator=generator, device=labels.device)
    else:
        drawn = torch.rand(len(labels), others, generator=generator, device=labels.device).topk(count).indices
    return drawn + (drawn >= labels[:, None])


def negative_loss(logits: Tensor, complements: Tensor) -> Tensor:
    """The mean of −log(1 − p_k) over sentences and the labels k that each is said not to have (test S2)."""
    probabilities = logits.softmax(1).gather(1, complements)
    return -(1 - probabilities + TINY).log().mean()


def positive_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, the mean over sentences."""
    return F.cross_entropy(logits, labels)
