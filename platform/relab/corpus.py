"""Corpora and word vectors as the engine sees them: named splits of documents, with a fingerprint."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from relab.errors import RequestError


class InDocument(Protocol):
    """An item of a corpus. Folds are cut between documents, never inside one."""

    @property
    def document(self) -> str:
        """The name of the document that the item is from."""


T = TypeVar("T", bound=InDocument)


def digest(*parts: str | bytes) -> str:
    """A short stable hash of ``parts``; where one part ends cannot be mistaken."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.hexdigest()


@dataclass(frozen=True)
class WordVectors:
    """Pre-trained vectors: ``matrix`` is [len(words), dimension], float32; two are equal if their fingerprints are."""

    name: str
    words: tuple[str, ...]
    matrix: npt.NDArray[np.float32] = field(compare=False)
    fingerprint: str


@dataclass(frozen=True)
class Corpus(Generic[T]):
    """Splits of one corpus as read from its files.

    ``fingerprint`` covers the bytes read, the reader's version and options, and everything that was done to the corpus
    since: two corpora with one fingerprint are the same data.
    """

    name: str
    splits: Mapping[str, Sequence[T]]
    fingerprint: str
    counts: Mapping[str, int] = field(default_factory=dict)
    """What the reader counted, things dropped on request among them: shown to the user, never hidden."""
    vectors: WordVectors | None = None

    def with_vectors(self, vectors: WordVectors) -> "Corpus[T]":
        """The same corpus with word vectors for its methods to use."""
        return replace(self, vectors=vectors, fingerprint=digest(self.fingerprint, "vectors", vectors.fingerprint))

    def head(self, count: int) -> "Corpus[T]":
        """At most the first ``count`` items of each split: what a smoke run trains on."""
        return replace(
            self,
            splits={name: items[:count] for name, items in self.splits.items()},
            fingerprint=digest(self.fingerprint, "head", str(count)),
        )

    def fold(self, index: int, count: int) -> "Corpus[T]":
        """Fold ``index`` of a ``count``-fold cross-validation over all items, whole documents at a time.

        Documents are dealt to parts by a hash of their name, so that a part does not depend on file order. Part
        ``index`` is the test split, the next one the dev split, the others train.

        Raises:
            ValueError: ``index`` outside ``range(count)``.
            RequestError: fewer than three folds, or fewer documents than folds.
        """
        if not 0 <= index < count:
            raise ValueError(f"fold {index} of {count}: folds are numbered 0 to {count - 1}")
        items = [item for split in self.splits.values() for item in split]
        documents = sorted({item.document for item in items}, key=lambda name: (digest("fold", name), name))
        if len(documents) < max(count, 3) or count < 3:
            raise RequestError(
                f"{count} folds of {len(documents)} documents: needs three folds, and a document for each"
            )
        part = {name: place % count for place, name in enumerate(documents)}
        role = {index: "test", (index + 1) % count: "dev"}
        splits: dict[str, list[T]] = {"train": [], "dev": [], "test": []}
        for item in items:
            splits[role.get(part[item.document], "train")].append(item)
        return replace(self, splits=splits, fingerprint=digest(self.fingerprint, "fold", str(index), str(count)))


def describe(corpus: "Corpus[Any]") -> str:
    """One line: the sizes of the splits and what the reader counted."""
    sizes = ", ".join(f"{name} {len(items):,}" for name, items in corpus.splits.items())
    counts = "".join(f"; {what} {number:,}" for what, number in corpus.counts.items())
    return f"{corpus.name}: {sizes}{counts}"
