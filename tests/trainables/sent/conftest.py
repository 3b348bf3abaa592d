"""Small generated sentences with wrong labels that are known and small networks."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from relab.corpora import read_corpus
from relab.corpus import Corpus
from relab.fields import overlay
from relab.prepared import Prepared

from trainables.corpora.sentences import LabelledSentence
from trainables.sent.config import SentConfig
from trainables.sentences.data import prepare_sentences

SMALL = {
    "encoder": {"hidden": 4, "attention": 5},
    "head": 6,
    "inputs": {"tag_size": 3, "position_size": 3},
    "batch_size": 16,
    "schedule": {"first_epochs": 2, "epochs": 2, "iterations": 2, "stop": "fixed"},
    "final.epochs": 2,
    "optimizer.lr": 1e-2,
}
PLANTED = {"train": 60, "dev": 40, "test": 20, "relations": 4, "na_share": 0.4, "dimension": 6}


@pytest.fixture(scope="session")
def small() -> Callable[..., SentConfig]:
    """A config of a small network, with changes by dotted name laid over it."""

    def make(changes: Mapping[str, Any] | None = None) -> SentConfig:
        return SentConfig.model_validate(overlay(SMALL, changes or {}))

    return make


@pytest.fixture(scope="session")
def corpus() -> Corpus[LabelledSentence]:
    """Sixty sentences in train, a part of them labelled wrongly, with word vectors of six dimensions."""
    return read_corpus("planted_sentences", PLANTED)


@pytest.fixture(scope="session")
def prepared(corpus: Corpus[LabelledSentence], small: Callable[..., SentConfig]) -> Prepared:
    return prepare_sentences(corpus, small().data).without("test")
