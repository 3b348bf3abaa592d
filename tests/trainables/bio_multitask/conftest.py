"""Small generated documents and small networks."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from relab.corpus import Corpus
from relab.fields import overlay
from relab.prepared import Prepared

from trainables.bio_multitask.config import PairConfig
from trainables.bio_multitask.data import prepare_pairs
from trainables.corpora.planted_pairs import PlantedPairsConfig, read_planted_pairs
from trainables.corpora.sentences import AnnotatedSentence

SMALL = {
    "words.size": 6,
    "tags.size": 4,
    "position": {"size": 3, "max_distance": 4},
    "encoder": {"hidden": 5, "windows": (2, 3, 4)},
    "classification.hidden": 7,
    "data.min_count": 1,
    "training": {"batch_size": 16, "epochs": 2},
    "optimizer.lr": 1e-2,
}


@pytest.fixture(scope="session")
def small() -> Callable[..., PairConfig]:
    """A config of a small network, with changes by dotted name laid over it."""

    def make(changes: Mapping[str, Any] | None = None) -> PairConfig:
        return PairConfig.model_validate(overlay(SMALL, changes or {}))

    return make


@pytest.fixture(scope="session")
def corpus() -> Corpus[AnnotatedSentence]:
    """Twenty-four sentences of six documents in train, eight in dev and in test."""
    return read_planted_pairs("planted_pairs", {}, PlantedPairsConfig(train=6, dev=2, test=2))


@pytest.fixture(scope="session")
def prepared(corpus: Corpus[AnnotatedSentence], small: Callable[..., PairConfig]) -> Prepared:
    return prepare_pairs(corpus, small().data)
