"""What turns a sentence with two entities into one vector, whatever else is in its batch."""

from typing import Any

import torch
from torch import Tensor, nn

from trainables.layers.noise import Noise, dropout
from trainables.layers.recurrent import BidirectionalLSTM
from trainables.sentences.data import Batch
from trainables.sentences.pretrained import encode, load, room


def span_means(states: Tensor, inside: tuple[Tensor, Tensor]) -> Tensor:
    """[B, 2·D]: the mean of ``states`` [B, T, D] over the head's tokens beside that over the tail's.

    ``inside`` are two masks [B, T]; where one is empty its mean is zero.
    """
    means = ((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1) for mask in inside)
    return torch.cat(list(means), 1)


def in_spans(words: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
    """Two masks shaped as ``words`` [B, T], numbers of words: those inside the head, those inside the tail."""
    head, tail = ((words >= spans[:, at, None]) & (words < spans[:, at + 1, None]) for at in (0, 2))
    return head, tail


class EntityPooledLSTM(nn.Module):
    """Bidirectional LSTM, its outputs averaged over the head's tokens beside those over the tail's (Ma et al. 2021)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.recurrence = BidirectionalLSTM(inputs, hidden)
        self.size = 4 * hidden

    def forward(self, x: Tensor, places: Tensor, batch: Batch, rate: float, noise: Noise) -> Tensor:
        """[B, T, D] to [B, size]; outputs drop at ``rate``. ``places`` is not looked at."""
        states = dropout(self.recurrence(x, batch.lengths), rate, noise.get("output"))
        words = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        return span_means(states, in_spans(words, batch.spans))


class AttentionLSTM(nn.Module):
    """Bidirectional LSTM with position-aware attention over its outputs (Zhang et al. 2017).

    u_t = vᵀ tanh(W_h h_t + W_q q + W_s p_t^s + W_o p_t^o), with q the last states and p the position embeddings.
    """

    def __init__(self, inputs: int, hidden: int, places: int, attention: int) -> None:
        super().__init__()
        self.recurrence = BidirectionalLSTM(inputs, hidden)
        self.of_output = nn.Linear(2 * hidden, attention, bias=False)
        self.of_last = nn.Linear(2 * hidden, attention, bias=False)
        self.of_place = nn.Linear(places, attention, bias=False)
        self.score = nn.Linear(attention, 1, bias=False)
        self.size = 2 * hidden

    def forward(self, x: Tensor, places: Tensor, batch: Batch, rate: float, noise: Noise) -> Tensor:
        """[B, T, D] and position embeddings [B, T, P] to [B, size]; outputs drop at ``rate``."""
        whole, half = self.recurrence(x, batch.lengths), self.size // 2
        row = torch.arange(len(x), device=x.device)
        last = torch.cat([whole[row, batch.lengths - 1, :half], whole[:, 0, half:]], 1)
        states = dropout(whole, rate, noise.get("output"))
        keys = torch.tanh(self.of_output(states) + self.of_last(last)[:, None] + self.of_place(places))
        scores: Tensor = self.score(keys).squeeze(2)
        weights = scores.masked_fill(~batch.mask, -torch.inf).softmax(1)
        return (weights[..., None] * states).sum(1)


class PooledTransformer(nn.Module):
    """A pre-trained encoder that is trained on: its last layer averaged over the pieces of the head beside the tail's.

    It drops nothing inside: ``transformers`` draws its dropout from the process' one stream, which no checkpoint
    restores. What leaves it drops as from the other encoders.
    """

    marks: Tensor

    def __init__(self, encoder: str, marks: Tensor) -> None:
        """``marks`` are the pieces that begin and end a sentence."""
        super().__init__()
        self.model: Any = load(encoder, "AutoModel").eval()
        self.register_buffer("marks", marks, persistent=False)
        self.size = 2 * int(self.model.config.hidden_size)

    def forward(self, batch: Batch, rate: float, noise: Noise) -> Tensor:
        """[B, size]; an entity beyond the pieces that the encoder can read gives zeros."""
        assert batch.pieces is not None and batch.piece_words is not None
        pieces, words = (t[:, : room(self.model)] for t in (batch.pieces, batch.piece_words))
        states = dropout(encode(self.model, pieces, self.marks), rate, noise.get("output"))
        return span_means(states, in_spans(words, batch.spans))
