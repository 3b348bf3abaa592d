"""A few sentences written out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from relab.corpus import Corpus, WordVectors

from trainables.corpora.sentences import LabelledSentence


def sentence(text: str, head: tuple[int, int], tail: tuple[int, int], relation: str, **more: Any) -> LabelledSentence:
    """A sentence of words at spaces."""
    return LabelledSentence(more.pop("document", "one"), tuple(text.split()), head, tail, relation, **more)


@pytest.fixture(scope="session")
def make_corpus() -> Callable[..., Corpus[LabelledSentence]]:
    """Three sentences in train, one in dev and in test, with changes of train laid over them."""

    def make(train: list[LabelledSentence] | None = None, *, vectors: bool = True) -> Corpus[LabelledSentence]:
        given = train or [
            sentence(
                "Ada wrote to Bo Li .", (0, 1), (3, 5), "wrote", tags=("P", "O", "O", "P", "P", "O"), clean="wrote"
            ),
            sentence("Bo Li met Ada", (0, 2), (3, 4), "met", tags=("P", "P", "O", "P"), clean="NA", document="two"),
            sentence("Ada sat by Bo", (0, 1), (3, 4), "NA", tags=("P", "O", "O", "P"), clean="elsewhere"),
        ]
        dev = [sentence("Bo wrote Ada and Cy", (0, 1), (2, 3), "wrote", tags=("P", "O", "P", "O", "Q"))]
        table = None
        if vectors:
            words = ("wrote", "to", "unused", "met")
            table = WordVectors("small", words, np.arange(12, dtype=np.float32).reshape(4, 3), "0")
        return Corpus("written", {"train": given, "dev": dev, "test": dev[:1]}, "0", vectors=table)

    return make
