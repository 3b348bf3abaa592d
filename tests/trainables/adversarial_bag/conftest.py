"""Small generated bags and small networks."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from relab.corpus import Corpus
from relab.fields import overlay
from relab.prepared import Prepared

from trainables.adversarial_bag.config import BagConfig
from trainables.bags.data import prepare_bags
from trainables.corpora.mentions import Mention
from trainables.corpora.planted_mentions import PlantedMentionsConfig, read_planted_mentions

SMALL = {
    "encoder.hidden": 5,
    "position": {"size": 2, "max_distance": 4},
    "training": {"batch_size": 7, "epochs": 2},
    "optimizer.lr": 1e-2,
}
PLANTED = {"train": 40, "dev": 20, "test": 20, "relations": 4, "unrelated": 0.4, "words": 40, "dimension": 6}


@pytest.fixture(scope="session")
def small() -> Callable[..., BagConfig]:
    """A config of a small network, with changes by dotted name laid over it."""

    def make(changes: Mapping[str, Any] | None = None) -> BagConfig:
        return BagConfig.model_validate(overlay(SMALL, changes or {}))

    return make


@pytest.fixture(scope="session")
def corpus() -> Corpus[Mention]:
    """Forty pairs in train, twenty in dev and in test, with word vectors of six dimensions."""
    return read_planted_mentions("planted_bags", {}, PlantedMentionsConfig.model_validate(PLANTED))


@pytest.fixture(scope="session")
def prepared(corpus: Corpus[Mention], small: Callable[..., BagConfig]) -> Prepared:
    return prepare_bags(corpus, small().data)
