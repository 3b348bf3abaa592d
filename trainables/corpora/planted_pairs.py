"""Generated documents whose entity pairs are related by planted patterns: what pair classification trains on.

What is planted, and which part of a method it is for:

* **Types decide relations.** A name is drawn from one pool whatever it names, so that the words of an entity say
  nothing about its type. A trigger alone says little: ``joined`` is EMPLOYED between a person and an organisation,
  RESIDES between a person and a place, and nothing between two vehicles. Only the entity types tell them apart: what
  BIO-tag embeddings are for. Without them the best guess after a trigger is its most frequent relation.
* **Words decide relations.** Most pairs of entities, those of fitting types too, have no trigger between them; one
  group of triggers relates nobody.
* **Order decides the head.** Half of the triggers of a group have the head on their left, the others on their right.
* **Neighbours.** A trigger relates the two entities next to it. A pair with a third entity between them is unrelated,
  whatever else stands between them.
* **Many negatives, a long tail.** About four entities a sentence make about eleven ordered pairs, one of which is
  related; relation k is drawn with a weight of 1/k.
* **Nested entities.** Some of the entities that no trigger relates hold a second one, whose span is their first word.
* **Noise**, on request and in the training split only: a share of the trigger pairs has another label, or none.

Sentences are of words, or of Chinese characters: the same patterns, with every word spelt out. Equal configs give equal
corpora on every platform: only ``random.Random.random`` is drawn from, whose sequence Python keeps between versions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from relab.corpus import Corpus, digest
from relab.method import Config

from trainables.corpora.drawing import Draw
from trainables.corpora.sentences import AnnotatedSentence, Entity

VERSION = 1
"""Raised when the same config gives another corpus than before."""

SPLITS = ("train", "dev", "test")
TYPES = ("PER", "ORG", "GPE", "VEH")
RELATIONS = {
    ("PER", "join", "ORG"): "EMPLOYED",
    ("PER", "own", "VEH"): "OWNS",
    ("PER", "join", "GPE"): "RESIDES",
    ("ORG", "own", "ORG"): "CONTROLS",
    ("ORG", "join", "GPE"): "BASED",
}
"""(type of the head, group of the trigger, type of the tail) -> relation, the frequent ones first."""
WEIGHTED = tuple(pattern for k, pattern in enumerate(RELATIONS, start=1) for _ in range(60 // k))
"""The keys of ``RELATIONS``, the k-th 60/k times: a draw from them has it with a weight of 1/k."""
RELATED = 0.85
"""Share of the trigger pairs whose types and trigger are drawn from ``RELATIONS``; the others' are drawn freely."""
NESTED = 0.1
"""Share of the entities without a trigger that hold a second one, where they have two words."""


@dataclass(frozen=True)
class Language:
    """The words that sentences are made of; ``spelt``: every character is a token."""

    names: tuple[str, ...]
    fillers: tuple[str, ...]
    triggers: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    """By group: those with the head on their left, those with the head on their right."""
    stop: str
    spelt: bool


BEGINNINGS, ENDINGS = ("Ba", "Do", "Ke", "Li", "Mu", "Ra"), ("len", "mir", "sov", "tek", "vin")
LANGUAGES = {
    "words": Language(
        names=tuple(f"{beginning}{ending}" for beginning in BEGINNINGS for ending in ENDINGS),
        fillers=(
            *("the", "a", "of", "in", "on", "at", "with", "from", "while", "after", "before", "again", "often"),
            *("old", "new", "late", "early", "long", "small", "first", "last", "soon", "today", "because", "still"),
        ),
        triggers={
            "join": (("joined", "entered"), ("welcomed", "received")),
            "own": (("owns", "holds"), ("serves", "obeys")),
            "meet": (("saw", "passed"), ("met", "left")),
        },
        stop=".",
        spelt=False,
    ),
    "characters": Language(
        names=tuple(f"{a}{b}" for a in "明华建国海山" for b in "文东南武林"),
        fillers=(*"的了着在又也都才", "后来", "今天", "有时", "然而", "一个", "时常", "其后", "国有", "东来", "海上"),
        triggers={
            "join": (("加入", "走进"), ("接纳", "迎来")),
            "own": (("拥有", "握有"), ("属于", "归于")),
            "meet": (("看见", "走过"), ("遇上", "离开")),
        },
        stop="。",
        spelt=True,
    ),
}


class PlantedPairsConfig(Config):
    """How large the corpus is, what its tokens are, and how clean it is."""

    seed: Annotated[int, Field(ge=0)] = 0
    train: Annotated[int, Field(ge=1)] = 50
    """Documents."""
    dev: Annotated[int, Field(ge=1)] = 15
    test: Annotated[int, Field(ge=1)] = 15
    sentences: Annotated[int, Field(ge=1)] = 4
    """Per document."""
    tokens: Literal["words", "characters"] = "words"
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the trigger pairs of the training split that have another label, or none. Folds mix the splits: with
    them a part of the noise is scored against."""


def generate(config: PlantedPairsConfig) -> dict[str, tuple[AnnotatedSentence, ...]]:
    """The sentences of each split; a document's follow one another."""
    language = LANGUAGES[config.tokens]
    splits = {}
    for split in SPLITS:
        draw = Draw(f"planted_pairs {config.seed} {split}")
        documents: int = getattr(config, split)
        noise = config.noise if split == "train" else 0.0
        splits[split] = tuple(
            _sentence(draw, f"{split}-{document}", language, noise)
            for document in range(documents)
            for _ in range(config.sentences)
        )
    return splits


def read_planted_pairs(name: str, _files: Mapping[str, Path], config: PlantedPairsConfig) -> Corpus[AnnotatedSentence]:
    """The corpus as ``config`` generates it; it has no files."""
    splits = generate(config)
    every = [sentence for sentences in splits.values() for sentence in sentences]
    counts = {
        "entities": sum(len(sentence.entities) for sentence in every),
        "relations": sum(len(sentence.relations) for sentence in every),
    }
    return Corpus(name, splits, digest("planted_pairs", str(VERSION), config.model_dump_json()), counts)


@dataclass(frozen=True)
class _Pair:
    """Two entities with a trigger between them, in the order of the text."""

    types: tuple[str, str]
    trigger: str
    relation: str
    """Empty where there is none."""
    head_first: bool


class _Builder:
    """A sentence while its tokens are laid out."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.tokens: list[str] = []
        self.entities: list[Entity] = []
        self.relations: list[tuple[int, str, int]] = []

    def word(self, word: str) -> None:
        self.tokens += list(word) if self.language.spelt else [word]

    def entity(self, draw: Draw, kind: str, nested: float = 0.0) -> int:
        """Lay out an entity of one or two words; its place."""
        begin, place = len(self.tokens), len(self.entities)
        self.word(draw.one(*self.language.names))
        inner = len(self.tokens)
        if draw.chance(0.5):
            self.word(draw.one(*self.language.names))
            if draw.chance(nested):
                self.entities.append(Entity(begin, inner, draw.one(*TYPES)))
                place += 1
        self.entities.append(Entity(begin, len(self.tokens), kind))
        return place

    def fillers(self, draw: Draw, least: int, most: int) -> None:
        for _ in range(least + draw.below(most - least + 1)):
            self.word(draw.one(*self.language.fillers))


def _sentence(draw: Draw, document: str, language: Language, noise: float) -> AnnotatedSentence:
    """Three to five entities, two or four of them as trigger pairs, with fillers around."""
    count = 3 + draw.below(3)
    pairs = 2 if count > 3 and draw.chance(0.6) else 1
    free = [draw.one(*TYPES) for _ in range(count - 2 * pairs)]
    built = _Builder(language)
    parts: list[_Pair | str] = [*(_pair(draw, language, noise) for _ in range(pairs)), *free]
    for part in draw.shuffled(parts):
        built.fillers(draw, 1, 3)
        if isinstance(part, str):
            built.entity(draw, part, NESTED)
            continue
        first = built.entity(draw, part.types[0])
        built.fillers(draw, 0, 1)
        built.word(part.trigger)
        built.fillers(draw, 0, 1)
        second = built.entity(draw, part.types[1])
        if part.relation:
            head, tail = (first, second) if part.head_first else (second, first)
            built.relations.append((head, part.relation, tail))
    built.fillers(draw, 0, 2)
    built.word(language.stop)
    return AnnotatedSentence(document, tuple(built.tokens), tuple(built.entities), tuple(built.relations))


def _pair(draw: Draw, language: Language, noise: float) -> _Pair:
    if draw.chance(RELATED):
        head, group, tail = draw.one(*WEIGHTED)
    else:
        head, group, tail = draw.one(*TYPES), draw.one(*language.triggers), draw.one(*TYPES)
    head_first = draw.chance(0.5)
    trigger = draw.one(*language.triggers[group][0 if head_first else 1])
    relation = RELATIONS.get((head, group, tail), "")
    if draw.chance(noise):
        relation = draw.one(*(label for label in ("", *RELATIONS.values()) if label != relation))
    return _Pair((head, tail) if head_first else (tail, head), trigger, relation, head_first)
