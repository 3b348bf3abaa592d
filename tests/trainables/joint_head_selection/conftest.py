"""Small data, small networks, and trials that can be made to crash."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from relab.corpora import read_corpus
from relab.corpus import Corpus
from relab.fields import overlay
from relab.prepared import Prepared
from relab.trial import Trial

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


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """These networks are too small to share between cores."""
    torch.set_num_threads(1)


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


@pytest.fixture
def make_trial(tmp_path: Path) -> Callable[..., Trial]:
    """A trial in a folder of this test."""

    def make(name: str = "trial", seed: int = 0) -> Trial:
        return Trial(tmp_path / name, seed, torch.device("cpu"), lambda number, metrics: None, checkpoint_seconds=0)

    return make


@pytest.fixture(scope="session")
def conll04() -> Corpus[TaggedSentence]:
    if not os.environ.get("RELAB_DATA"):
        pytest.skip("set RELAB_DATA to a folder with conll04/train.txt")
    return read_corpus("conll04")
