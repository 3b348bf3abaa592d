"""CoNLL04 for methods that classify pairs of entities: tagged sentences as sentences with entities and relations."""

from collections.abc import Mapping
from pathlib import Path

from relab.corpus import Corpus, digest
from relab.errors import RequestError

from trainables.corpora.five_column import FiveColumnOptions, entities, read_five_column
from trainables.corpora.sentences import AnnotatedSentence, Entity
from trainables.corpora.tagged import TaggedSentence

VERSION = 1
"""Raised when the same tagged sentences give other ones than before."""


def read_conll04_pairs(name: str, files: Mapping[str, Path], options: FiveColumnOptions) -> Corpus[AnnotatedSentence]:
    """Read the five-column files of the splits.

    Raises:
        RequestError: a root is asked for, which is no entity.
        DataError: as ``read_five_column``.
    """
    if options.root:
        raise RequestError(f"{name}: root: an artificial root is no entity, so that it makes no pairs")
    corpus = read_five_column(name, files, options)
    splits = {split: tuple(map(annotated, items)) for split, items in corpus.splits.items()}
    return Corpus(name, splits, digest(corpus.fingerprint, "pairs", str(VERSION)), corpus.counts)


def annotated(sentence: TaggedSentence) -> AnnotatedSentence:
    """The entities that the tags mark; a relation's ends are the entities whose last tokens it names."""
    found = entities(sentence.tags)
    place = {last: at for at, (_, _, last) in enumerate(found)}
    return AnnotatedSentence(
        sentence.document,
        sentence.tokens,
        tuple(Entity(first, last + 1, kind) for kind, first, last in found),
        tuple((place[token], relation, place[head]) for token, relation, head in sentence.relations),
    )
