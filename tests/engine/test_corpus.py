"""Corpora as the engine sees them: fingerprints tell data apart, folds cut between documents and cover everything."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from relab.corpus import Corpus, WordVectors, describe, digest
from relab.errors import RequestError


@dataclass(frozen=True)
class Item:
    document: str
    number: int


def corpus(documents: int, per_document: int = 2) -> Corpus[Item]:
    items = [Item(f"d{d}", i) for d in range(documents) for i in range(per_document)]
    third = len(items) // 3
    splits = {"train": items[: 2 * third], "dev": [], "test": items[2 * third :]}
    return Corpus("c", splits, "print", {"dropped": 3})


def test_a_digest_knows_where_its_parts_end() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert digest("a", "") != digest("a")
    assert digest("ä") == digest("ä".encode())
    assert len(digest()) == 32


def test_vectors_and_heads_change_the_fingerprint() -> None:
    base = corpus(4)
    some = WordVectors("v", ("a",), np.ones((1, 2), np.float32), "one")
    other = WordVectors("v", ("a",), np.zeros((1, 2), np.float32), "two")
    prints = [
        base.fingerprint,
        base.with_vectors(some).fingerprint,
        base.with_vectors(other).fingerprint,
        base.head(1).fingerprint,
        base.head(2).fingerprint,
        base.fold(0, 4).fingerprint,
        base.fold(1, 4).fingerprint,
        base.fold(0, 3).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert base.with_vectors(some).vectors == some != other
    assert base.fold(0, 4).fingerprint == corpus(4).fold(0, 4).fingerprint


def test_a_head_is_the_beginning_of_each_split() -> None:
    base = corpus(9)
    head = base.head(3)
    assert {name: list(items) for name, items in head.splits.items()} == {
        name: list(items[:3]) for name, items in base.splits.items()
    }


@given(st.integers(3, 12), st.integers(0, 30), st.integers(1, 3))
def test_folds_partition_the_items_between_documents(count: int, more: int, per_document: int) -> None:
    base = corpus(count + more, per_document)
    everything = Counter(item for items in base.splits.values() for item in items)
    tested: Counter[Item] = Counter()
    for index in range(count):
        fold = base.fold(index, count)
        parts = {name: {item.document for item in items} for name, items in fold.splits.items()}
        assert not parts["train"] & parts["dev"]
        assert not parts["train"] & parts["test"]
        assert not parts["dev"] & parts["test"]
        assert Counter(item for items in fold.splits.values() for item in items) == everything
        assert list(fold.splits["dev"]) == list(base.fold((index + 1) % count, count).splits["test"])
        tested.update(fold.splits["test"])
    assert tested == everything


def test_fold_sizes_differ_by_one_document_at_most_and_ignore_the_order_of_files() -> None:
    base = corpus(25, 1)
    sizes = {len(base.fold(index, 10).splits["test"]) for index in range(10)}
    assert sizes == {2, 3}
    backwards = Corpus("c", {name: items[::-1] for name, items in reversed(list(base.splits.items()))}, "print")
    for index in range(10):
        assert set(backwards.fold(index, 10).splits["test"]) == set(base.fold(index, 10).splits["test"])


@pytest.mark.parametrize(("count", "documents"), [(10, 9), (2, 9), (1, 9)])
def test_folds_that_a_corpus_cannot_give_are_refused(count: int, documents: int) -> None:
    with pytest.raises(RequestError, match=f"{count} folds of {documents} documents"):
        corpus(documents).fold(0, count)


@pytest.mark.parametrize("index", [-1, 5])
def test_a_fold_outside_the_count_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="folds are numbered 0 to 4"):
        corpus(9).fold(index, 5)


def test_a_description_shows_what_was_counted() -> None:
    assert describe(corpus(1_500, 1)) == "c: train 1,000, dev 0, test 500; dropped 3"
