"""The network: a vector for each instance, scores of the relations, and whether there is a relation at all."""

from dataclasses import dataclass

import torch
from relab.prepared import Split
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.bags.encoders import PiecewiseConvolution, PositionEmbedding, relative_positions
from trainables.bags.words import WordTable
from trainables.bio_multitask.config import PairConfig
from trainables.bio_multitask.data import TEXT, Batch
from trainables.bio_multitask.encoders import Distances, EntityAttentionGRU, MultiWindowConvolution, activated
from trainables.bio_multitask.losses import decide, ranking_loss
from trainables.layers.noise import NO_NOISE, Noise, dropout


@dataclass(frozen=True)
class Answers:
    """What the heads say of N instances: ``scores`` [N, C], with Other's column first where there is one, and
    ``related`` [N, 2], the logits of "no relation" and "a relation", where there is such a head."""

    scores: Tensor
    related: Tensor | None


class PairNetwork(nn.Module):
    """Classifies pairs of entities of a sentence; beside that, if asked for, identifies which are related."""

    def __init__(self, config: PairConfig, split: Split) -> None:
        super().__init__()
        self.config = config
        relations = len(split.vocabulary["relations"]) - 1
        self.words = WordTable(split, TEXT, size=config.words.size, trainable=True)
        inputs = self.words.dimension
        if config.tags.enabled:
            self.tags = nn.Parameter(torch.empty(len(split.vocabulary["tags"]), config.tags.size))
            inputs += config.tags.size
        if config.position.enabled:
            self.position = PositionEmbedding(config.position.max_distance, config.position.size, shared=False)
            inputs += self.position.size
        settings = config.encoder
        self.encoder: MultiWindowConvolution | PiecewiseConvolution | EntityAttentionGRU
        match settings.kind:
            case "cnn":
                self.encoder = MultiWindowConvolution(
                    inputs, settings.hidden, settings.windows, settings.activation, mean=settings.pooling == "max_mean"
                )
            case "pcnn":
                self.encoder = PiecewiseConvolution(inputs, settings.hidden)
            case "eatt_bigru":
                self.encoder = EntityAttentionGRU(inputs, settings.hidden, self.words.dimension)
        self.hidden = nn.Linear(self.encoder.size, config.classification.hidden)
        columns = relations + (config.classification.loss != "ranking")
        self.classifier = nn.Linear(config.classification.hidden, columns, bias=config.classification.bias)
        if config.identification.enabled:
            self.identifier = nn.Linear(config.classification.hidden, 2)

    def vectors(self, batch: Batch) -> Tensor:
        """[N, D]: what the encoder makes of each instance."""
        words = self.words(batch.words)
        tokens = torch.cat([words, F.embedding(batch.tags, self.tags)], 2) if self.config.tags.enabled else words
        lengths, width = batch.lengths[batch.sentence], batch.words.shape[1]
        if isinstance(self.encoder, MultiWindowConvolution):
            sides = self._sides(batch, width) if self.config.position.enabled else []
            return self.encoder(tokens, batch.sentence, sides, lengths)  # type: ignore[no-any-return]
        x = tokens[batch.sentence]
        if self.config.position.enabled:
            x = torch.cat([x, self.position(batch.spans, width)], 2)
        if isinstance(self.encoder, PiecewiseConvolution):
            return self.encoder(x, lengths, batch.spans)  # type: ignore[no-any-return]
        return self.encoder(x, words[batch.sentence], lengths, batch.spans)  # type: ignore[no-any-return]

    def _sides(self, batch: Batch, width: int) -> list[Distances]:
        """The distances from the head and from the tail, each for the different entities of the batch."""
        sides = []
        for spans, table in zip(batch.spans.split_with_sizes((2, 2), 1), self.position.tables, strict=True):
            key = (batch.sentence * (width + 1) + spans[:, 0]) * (width + 1) + spans[:, 1]
            different, row = torch.unique(key, return_inverse=True)
            span = torch.stack([different // (width + 1) % (width + 1), different % (width + 1)], 1)
            sides.append(Distances(relative_positions(span, width, self.position.limit), table, row))
        return sides

    def forward(self, batch: Batch, noise: Noise = NO_NOISE) -> Answers:
        """Both heads read one hidden layer, after dropout."""
        settings = self.config.classification
        vectors = dropout(self.vectors(batch), self.config.encoder.dropout, noise.get("vector"))
        hidden = activated(self.hidden(vectors), settings.activation)
        hidden = dropout(hidden, settings.dropout, noise.get("hidden"))
        return Answers(self.classifier(hidden), self.identifier(hidden) if self.config.identification.enabled else None)

    def loss(self, batch: Batch, noise: Noise = NO_NOISE) -> Tensor:
        """[N]: α · identification + β · classification of each instance."""
        answers, settings = self(batch, noise), self.config.classification
        scores, loss = answers.scores, torch.zeros(len(batch.labels), device=batch.labels.device)
        if settings.loss != "cross_entropy":
            relations = scores if settings.loss == "ranking" else scores[:, 1:]
            loss = loss + ranking_loss(
                relations,
                batch.labels,
                scale=settings.scale,
                right=settings.margin_right,
                wrong=settings.margin_wrong,
            )
        if settings.loss != "ranking":
            loss = loss + F.cross_entropy(scores, batch.labels, reduction="none")
        loss = settings.weight * loss
        if answers.related is not None:
            identified = F.cross_entropy(answers.related, (batch.labels > 0).long(), reduction="none")
            loss = loss + self.config.identification.weight * identified
        return loss

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """[N] labels, by the scores alone: the head that identifies has no say (paper)."""
        scores: Tensor = self(batch).scores
        match self.config.classification.loss:
            case "ranking":
                return decide(scores, self.config.classification.threshold)
            case "both":
                return decide(scores[:, 1:], self.config.classification.threshold)
            case "cross_entropy":
                return scores.argmax(1)
