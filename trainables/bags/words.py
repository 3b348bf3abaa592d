"""The table of word vectors of one language."""

import torch
from relab.prepared import Split
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.bags.data import SPECIAL


class WordTable(nn.Module):
    """Rows as ``prepare_bags`` numbers them: unknown, end, start, drawn words, then words with a pre-trained vector.

    The first three and the drawn words are trained. The pre-trained ones are a buffer that no checkpoint repeats, or,
    where they are ``trainable``, a parameter of their own.
    """

    known: Tensor

    def __init__(self, split: Split, language: str, *, size: int, trainable: bool, pretrained: bool = True) -> None:
        """Take the vectors of ``language`` from what is shared between splits; without any, rows have ``size``.

        With ``pretrained`` off the same words have rows of ``size`` to be drawn, all of them trained.
        """
        super().__init__()
        vectors, drawn = split.shared.get(f"vectors/{language}"), int(split.shared[f"drawn/{language}"])
        if vectors is not None and not pretrained:
            drawn, vectors = drawn + len(vectors), None
        if vectors is None:
            vectors = torch.empty(0, size)
        self.own = nn.Parameter(torch.empty(SPECIAL + drawn, vectors.shape[1]))
        if trainable and len(vectors):
            self.known = nn.Parameter(vectors.clone())
        else:
            self.register_buffer("known", vectors, persistent=False)

    @property
    def dimension(self) -> int:
        """Of a vector."""
        return self.own.shape[1]

    @property
    def matrix(self) -> Tensor:
        """[rows, D]: a copy of the whole table, without gradients."""
        return torch.cat([self.own, self.known]).detach() if len(self.known) else self.own.detach()

    def forward(self, words: Tensor) -> Tensor:
        """[…] rows to [… , D] vectors."""
        if not len(self.known):
            return F.embedding(words, self.own)
        first = len(self.own)
        own = F.embedding(words.clamp(max=first - 1), self.own)
        known = F.embedding((words - first).clamp(min=0), self.known)
        return torch.where((words < first)[..., None], own, known)
