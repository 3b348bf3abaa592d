"""A small corpus in two languages written by hand and small networks."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from relab.corpus import Corpus, WordVectors
from relab.fields import overlay
from relab.prepared import Prepared

from trainables.amnre.config import AmnreConfig
from trainables.bags.data import prepare_bags
from trainables.corpora.mentions import Mention

SMALL = {
    "words": {"size": 6},
    "encoder": {"hidden": 5, "position_size": 2},
    "adversarial": {"hidden": 7},
    "training": {"batch_size": 3, "epochs": 2, "queries": "small"},
}


def mention(pair: str, relation: str, text: str, language: str) -> Mention:
    """``pair`` is "head tail", which are also tokens of the text."""
    head, tail = pair.split()
    tokens = tuple(text.split())
    spans = ((tokens.index(end), tokens.index(end) + 1) for end in (head, tail))
    return Mention(language, head, tail, relation, tokens, *spans)


TRAIN = [
    ("a b", "born", "a was born in b", "en"),
    ("a b", "born", "they say that a is from b , truly", "en"),
    ("a b", "born", "a 生 于 b", "zh"),
    ("c d", "lives", "c lives in d", "en"),
    ("c d", "NA", "c left d", "en"),
    ("e f", "lives", "在 f 住 着 e", "zh"),
    ("e f", "lives", "e 在 f", "zh"),
    ("g h", "NA", "g saw h", "en"),
    ("g h", "NA", "g 见 h", "zh"),
    ("i j", "NA", "没有 i 和 j", "zh"),
    ("k l", "born", "k l", "en"),
    ("k l", "born", "l k", "zh"),
    ("a d", "born", "a was born near d", "en"),
    ("a d", "lives", "a 住 在 d", "zh"),
]
"""Pairs in both languages, in English alone, in Chinese alone; two relations for (a, d); sentences of two tokens."""
DEV = [
    ("m n", "born", "m was born in n", "en"),
    ("m n", "born", "m 生 于 n", "zh"),
    ("o p", "lives", "o lives in p", "en"),
    ("o p", "born", "o was born in p", "en"),
    ("q r", "NA", "q 见 r", "zh"),
    ("q r", "NA", "q 见 r 了", "zh"),
    ("s t", "lives", "s lives in t", "en"),
    ("s t", "lives", "s 住 在 t", "zh"),
    ("u v", "NA", "u saw v", "en"),
]


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """What a test draws without a stream of its own is the same in every run."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def corpus() -> Corpus[Mention]:
    """English words have vectors, Chinese ones have none."""
    words = tuple(sorted({token for _, _, text, language in TRAIN + DEV for token in text.split() if language == "en"}))
    matrix = np.random.default_rng(0).standard_normal((len(words), 6)).astype(np.float32)
    splits = {"train": [mention(*row) for row in TRAIN], "dev": [mention(*row) for row in DEV]}
    splits["test"] = splits["dev"][:5]
    return Corpus("small", splits, "small").with_vectors(WordVectors("small", words, matrix, "small"))


@pytest.fixture(scope="session")
def small() -> Callable[..., AmnreConfig]:
    """A config of a small network, with changes by dotted name laid over it."""

    def make(changes: Mapping[str, Any] | None = None) -> AmnreConfig:
        return AmnreConfig.model_validate(overlay(SMALL, changes or {}))

    return make


@pytest.fixture(scope="session")
def prepared(corpus: Corpus[Mention]) -> Prepared:
    """Training bags by pair and relation, evaluation bags by pair."""
    return prepare_bags(corpus, AmnreConfig().data)
