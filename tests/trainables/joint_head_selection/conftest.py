"""Small data and small networks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from relab.corpora import read_corpus
from relab.corpus import Corpus
from relab.fields import overlay
from relab.prepared import Prepared

from trainables.corpora.tagged import TaggedSentence
from trainables.joint_head_selection.config import DataConfig, JointConfig
from trainables.joint_head_selection.data import prepare

SMALL = {
    "characters": {"embedding": 5, "hidden": 3},
    "encoder": {"layers": 2, "hidden": 6},
    "entities": {"hidden": 7},
    "relations": {"hidden": 7},
    "label_embedding": {"size": 4},
}


@pytest.fixture(scope="session")
def small() -> Callable[..., JointConfig]:
    """A config of a small network, with changes by dotted name laid over it."""

    def make(changes: Mapping[str, Any] | None = None) -> JointConfig:
        return JointConfig.model_validate(overlay(SMALL, changes or {}))

    return make


@pytest.fixture(scope="session")
def corpus() -> Corpus[TaggedSentence]:
    """Twelve generated sentences in each split, with word vectors of 20 dimensions."""
    return read_corpus("planted_joint").head(12)


@pytest.fixture(scope="session")
def prepared(corpus: Corpus[TaggedSentence]) -> Prepared:
    return prepare(corpus, DataConfig())


@pytest.fixture(scope="session")
def conll04(real_data: Path) -> Corpus[TaggedSentence]:
    return read_corpus("conll04", given={"conll04": real_data / "conll04"})
