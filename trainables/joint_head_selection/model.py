"""The network: words and characters, stacked BiLSTMs, an entity head, and a score for each (word, head, relation)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.joint_head_selection.config import JointConfig
from trainables.joint_head_selection.data import Batch
from trainables.layers.crf import negative_log_likelihood, viterbi
from trainables.layers.noise import NO_NOISE, Noise, dropout
from trainables.layers.recurrent import BidirectionalLSTM

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu}


@dataclass(frozen=True)
class Vocabulary:
    """How many of what the network distinguishes."""

    characters: int
    labels: int
    relations: int
    drawn_words: int
    """Rows of the word table if it is drawn; 0 with pre-trained vectors."""


class JointNetwork(nn.Module):
    """Scores of entity labels and of relations for a batch of sentences (section numbers are the paper's)."""

    def __init__(self, config: JointConfig, vocabulary: Vocabulary, vectors: Tensor | None) -> None:
        super().__init__()
        self.config = config
        if vectors is None:
            self.words = nn.Embedding(vocabulary.drawn_words, config.words.size)
        else:
            self.words = nn.Embedding(*vectors.shape)
            self.words.weight = nn.Parameter(vectors.clone(), requires_grad=config.words.trainable)
        self.dimension = self.words.embedding_dim
        if config.characters.enabled:
            self.characters = nn.Embedding(vocabulary.characters + 1, config.characters.embedding)
            self.spelling = BidirectionalLSTM(config.characters.embedding, config.characters.hidden)
            self.dimension += 2 * config.characters.hidden
        width = 2 * config.encoder.hidden
        self.encoder = nn.ModuleList(
            BidirectionalLSTM(self.dimension if layer == 0 else width, config.encoder.hidden)
            for layer in range(config.encoder.layers)
        )
        self.entity_hidden = nn.Linear(width, config.entities.hidden)
        self.entity_scores = nn.Linear(config.entities.hidden, vocabulary.labels)
        if config.entities.crf:
            self.transitions = nn.Parameter(torch.empty(vocabulary.labels, vocabulary.labels))
        if config.label_embedding.enabled:
            self.labels = nn.Embedding(vocabulary.labels, config.label_embedding.size)
            width += config.label_embedding.size
        self.relation_token = nn.Linear(width, config.relations.hidden)
        self.relation_head = nn.Linear(width, config.relations.hidden, bias=False)
        self.relation_scores = nn.Linear(config.relations.hidden, vocabulary.relations, bias=False)

    def tokens(self, batch: Batch, shared: Mapping[str, Tensor]) -> Tensor:
        """[B, T, D]: each word's vector and the last states of its character LSTM (2.1)."""
        parts = self.words(shared["word_row"][batch.unique])
        if self.config.characters.enabled:
            lengths = shared["character_lengths"][batch.unique]
            spelled = self.characters(shared["characters"][batch.unique, : int(lengths.max())])
            parts = torch.cat([parts, self.spelling.last_states(spelled, lengths)], dim=1)
        return F.embedding(batch.word, parts)

    def encode(self, tokens: Tensor, lengths: Tensor, noise: Noise = NO_NOISE) -> Tensor:
        """[B, T, 2·hidden]: what both heads read."""
        rates = self.config.dropout
        states = dropout(tokens, rates.embedding, noise.get("embedding"))
        for layer, lstm in enumerate(self.encoder):
            if layer:
                states = dropout(states, rates.between_layers, noise.get(f"layer {layer}"))
            states = lstm(states, lengths)
        return dropout(states, rates.output, noise.get("output"))

    def emissions(self, states: Tensor) -> Tensor:
        """[B, T, labels]: scores of the entity labels."""
        hidden: Tensor = ACTIVATIONS[self.config.entities.activation](self.entity_hidden(states))
        scores: Tensor = self.entity_scores(hidden)
        return scores

    def relation_logits(self, states: Tensor, labels: Tensor) -> Tensor:
        """[B, T, T, R]: score(i, j, r) = v_r · f(U z_i + W z_j + b), z with the label's embedding if there is one."""
        if self.config.label_embedding.enabled:
            states = torch.cat([states, self.labels(labels)], dim=2)
        pairs = self.relation_token(states)[:, :, None] + self.relation_head(states)[:, None]
        scores: Tensor = self.relation_scores(ACTIVATIONS[self.config.relations.activation](pairs))
        return scores

    def loss(self, tokens: Tensor, batch: Batch, noise: Noise = NO_NOISE) -> Tensor:
        """[B]: L_NER + L_rel of each sentence, both summed over the sentence; gold labels feed the relation head."""
        states = self.encode(tokens, batch.lengths, noise)
        entity = self._entity_loss(self.emissions(states), batch)
        return entity + self._relation_loss(self.relation_logits(states, batch.tags), batch)

    def _entity_loss(self, emissions: Tensor, batch: Batch) -> Tensor:
        if self.config.entities.crf:
            return negative_log_likelihood(emissions, batch.tags, self.transitions, batch.lengths)
        each = F.cross_entropy(emissions.transpose(1, 2), batch.tags, reduction="none")
        return (each * batch.mask).sum(1)

    def _relation_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        targets = batch.targets.to(logits.dtype)
        if self.config.relations.loss == "gold_cells":
            return -(F.logsigmoid(logits) * targets).sum((1, 2, 3))
        each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        if len(batch.sentences) == 1:
            return each.sum((1, 2, 3))
        mask = batch.mask
        return (each * (mask[:, :, None] & mask[:, None])[..., None]).sum((1, 2, 3))

    @torch.no_grad()
    def predict(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T] labels by Viterbi or argmax, and [B, T, T, R] whether a relation holds: its probability is above ½."""
        states = self.encode(tokens, lengths, NO_NOISE)
        emissions = self.emissions(states)
        if self.config.entities.crf:
            labels = viterbi(emissions, self.transitions, lengths)
        else:
            labels = emissions.argmax(2)
        return labels, self.relation_logits(states, labels) > 0
