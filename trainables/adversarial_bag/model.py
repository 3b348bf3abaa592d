"""The network: a vector for each sentence, attention over a bag's sentences, a score for each relation."""

import torch
from relab.prepared import Split
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.adversarial_bag.config import BagConfig
from trainables.bags.attention import SelectiveAttention, averaging, segment_sum
from trainables.bags.data import Batch
from trainables.bags.encoders import EntityIndicator, PiecewiseConvolution, PositionEmbedding
from trainables.bags.words import WordTable
from trainables.layers.noise import Noise, Stream, dropout
from trainables.layers.recurrent import BidirectionalGRU


class BagNetwork(nn.Module):
    """Scores of the relations of each bag of a batch, whose sentences have an END token after their last."""

    def __init__(self, config: BagConfig, split: Split) -> None:
        super().__init__()
        self.config = config
        relations, (language,) = len(split.vocabulary["relations"]), split.vocabulary["languages"]
        self.words = WordTable(split, language, size=config.words.size, trainable=config.words.trainable)
        inputs, hidden, position = self.words.dimension, config.encoder.hidden, config.position
        self.position: PositionEmbedding | EntityIndicator | None = None
        if position.kind == "embedding":
            self.position = PositionEmbedding(position.max_distance, position.size, shared=True)
        elif position.kind != "none":
            self.position = EntityIndicator(position.size, told_apart=position.kind == "told_apart")
        if self.position is not None:
            inputs += self.position.size
        self.encoder: PiecewiseConvolution | BidirectionalGRU
        if config.encoder.kind == "pcnn":
            self.encoder, size = PiecewiseConvolution(inputs, hidden), 3 * hidden
        else:
            self.encoder, size = BidirectionalGRU(inputs, hidden, "tensorflow"), 2 * hidden
        if config.attention == "selective":
            self.attention = SelectiveAttention(relations, size, squashed=True)
        self.classifier = nn.Linear(size, relations, bias=config.loss.bias)

    def embed(self, batch: Batch, noise: Noise) -> Tensor:
        """[S, T, D]: word vectors after dropout, which is what adversarial training perturbs."""
        return dropout(self.words(batch.words), self.config.dropout.words, noise.get("words"))

    def places(self, batch: Batch, noise: Noise) -> Tensor | None:
        """[S, T, P]: the position features."""
        if self.position is None:
            return None
        features = self.position(batch.spans, batch.words.shape[1])
        return dropout(features, self.config.dropout.position, noise.get("position"))

    def sentences(self, words: Tensor, places: Tensor | None, batch: Batch) -> Tensor:
        """[S, D]: a vector for each sentence, END included."""
        x = words if places is None else torch.cat([words, places], 2)
        if isinstance(self.encoder, PiecewiseConvolution):
            return self.encoder(x, batch.lengths + 1, batch.spans)  # type: ignore[no-any-return]
        return self.encoder(x, batch.lengths + 1)  # type: ignore[no-any-return]

    def logits(self, sentences: Tensor, batch: Batch) -> Tensor:
        """[B, R, R] for ``own_softmax``: row r holds all relations' logits as r attends; else [B, R], the diagonal.

        A s^r + b with s^r the sum of the sentences as r's query weighs them. That is the same sum over what A gives for
        each sentence: the attended vectors, B × R × D numbers, are never made.
        """
        bags = len(batch.labels)
        if self.config.attention == "selective":
            weights = self.attention(sentences, batch.bag, bags)
        else:
            weights = averaging(batch.bag, bags)[:, None].expand(-1, len(self.classifier.weight))
        scores = F.linear(sentences, self.classifier.weight)
        if self.config.loss.form == "own_softmax":
            logits = segment_sum(weights[:, :, None] * scores[:, None], batch.bag, bags)
        else:
            logits = segment_sum(weights * scores, batch.bag, bags)
        return logits if self.classifier.bias is None else logits + self.classifier.bias

    def loss(
        self, words: Tensor, places: Tensor | None, batch: Batch, weights: Tensor, dropped: Stream | None
    ) -> Tensor:
        """The mean loss of a bag; ``weights`` [B, R] are those of the terms of the sigmoid losses."""
        sentences = self.sentences(words, places, batch)
        sentences = dropout(sentences, self.config.dropout.sentence, dropped)
        return bag_loss(self.config.loss.form, self.logits(sentences, batch), batch.labels, weights).mean()

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """[B, R]: log P(r|X) in double precision, in which even sure predictions differ; nothing is perturbed."""
        sentences = self.sentences(self.embed(batch, {}), self.places(batch, {}), batch)
        return log_probabilities(self.config.loss.form, self.logits(sentences, batch).double())


def log_probabilities(form: str, logits: Tensor) -> Tensor:
    """[B, R]: log P(r|X), over whose r only ``joint_softmax`` sums to one (test W2)."""
    if form == "own_softmax":
        return logits.log_softmax(2).diagonal(dim1=1, dim2=2)
    return logits.log_softmax(1) if form == "joint_softmax" else F.logsigmoid(logits)


def bag_loss(form: str, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """[B]: the loss of each bag; ``labels`` [B, R] (test W2)."""
    if form == "own_softmax":
        return -(log_probabilities(form, logits) * labels).sum(1)
    if form == "joint_softmax":
        return -log_probabilities(form, logits).masked_fill(labels == 0, -torch.inf).logsumexp(1)
    return (F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * weights).sum(1)


def term_weights(labels: Tensor, negatives: int, generator: torch.Generator | None) -> Tensor:
    """[B, R]: how much each term of a sigmoid loss counts; NA, relation 0, does not.

    ``negatives`` as ``LossConfig.negatives``; with 0 all other terms count alike. Only a number above 0 draws.
    """
    weights = torch.ones_like(labels)
    weights[:, 0] = 0
    if not negatives:
        return weights
    positive = labels * weights
    negative = weights - positive
    found = positive.sum(1, keepdim=True)
    if negatives < 0:
        share = -negatives * found / negative.sum(1, keepdim=True).clamp(min=1)
        return positive + negative * torch.where(found > 0, share, 1)
    draws = torch.rand(labels.shape, generator=generator, device=labels.device).masked_fill(negative == 0, 2)
    rank = draws.argsort(1).argsort(1)
    return positive + negative * (rank < negatives - found)
