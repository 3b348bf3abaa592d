"""Sentences with tagged entities and relations between tokens: what joint extraction trains on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """One sentence. ``tags`` are BIO tags, one per token, as the file has them.

    ``relations`` holds (token, relation, head token) triples, 0-based; both ends are the last tokens of their entities,
    or the root. A token without a relation has no entry: the ``N`` self-loops of the file format are left to the model.
    ``root`` says that token 0 is an artificial root (DREC) rather than a word.
    """

    document: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    relations: tuple[tuple[int, str, int], ...]
    root: bool = False
