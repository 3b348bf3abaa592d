"""Sentences for methods that classify a pair of entities in one sentence, with or without the other entities."""

from dataclasses import dataclass

NO_RELATION = "NA"
"""What every reader calls the label of a pair without a relation, whatever its files call it."""
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LabelledSentence:
    """One sentence, two entities in it and the relation that it is labelled with.

    The spans [begin, end) are tokens. ``tags`` names the entity type of each token (``O`` outside), or is empty where a
    corpus has none. ``clean`` is the true relation, where a corpus knows it apart from the label that is trained on.
    """

    document: str
    tokens: tuple[str, ...]
    head: Span
    tail: Span
    relation: str
    tags: tuple[str, ...] = ()
    clean: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """A typed span [begin, end) of tokens; entities of one sentence may overlap."""

    begin: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class AnnotatedSentence:
    """One sentence with all its entities and the relations between them.

    ``relations`` holds (head, relation, tail), both ends as places in ``entities``; pairs without an entry have none.
    """

    document: str
    tokens: tuple[str, ...]
    entities: tuple[Entity, ...]
    relations: tuple[tuple[int, str, int], ...]
