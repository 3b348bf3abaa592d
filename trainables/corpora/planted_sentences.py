"""Generated sentences with two entities and wrong labels that are known: what filtering by sentence is measured on.

What is planted, and which part of a method it is for:

* **Wrong labels**, in the training split only: 30 % of the items have another label, drawn by the labels' frequencies.
  Since most items are NA, most of the noise is NA turned into a relation, and about half of the positive labels are
  wrong. ``clean`` holds the truth: precision and recall of a noise filter can be measured.
* **A long tail.** The k-th relation is drawn with a weight of 1/k: one threshold for all classes does not fit them.
* **Trigger words** tell a relation where they stand between the entities. Before the first one they say nothing, and
  many sentences have one there: what positions are for.
* **Types.** Two relations share their triggers and differ in the types of their entities, which only the tags say; and
  a part of the NA items has a trigger between two entities of types that it does not relate.

No pair has more than two sentences, and no name is in two pairs: nothing is gained by learning names, except the wrong
labels by heart. Equal configs give equal corpora on every platform.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator
from relab.corpus import Corpus, WordVectors, digest

from trainables.corpora.drawing import Draw
from trainables.corpora.json_lines import write_labelled_lines
from trainables.corpora.noisy import NoiseOptions, with_noise
from trainables.corpora.planted import FILLERS
from trainables.corpora.sent_lists import write_sent_list
from trainables.corpora.sentences import NO_RELATION, LabelledSentence, Span

VERSION = 1
"""Raised when the same config gives another corpus than before."""

SPLITS = ("train", "dev", "test")
TYPE_PAIRS = (
    ("PERSON", "ORGANIZATION"),
    ("PERSON", "CITY"),
    ("ORGANIZATION", "CITY"),
    ("PERSON", "PERSON"),
    ("ORGANIZATION", "ORGANIZATION"),
    ("CITY", "CITY"),
)
"""The types of head and tail; the n-th relation has the n-th pair of them, and begins anew after the last."""
OUTSIDE = "O"
SYNONYMS = 2
"""Words per trigger."""
SENTENCES_PER_PAIR = 2
DISTRACTORS = 0.3
"""Share of the sentences with a trigger before the first entity."""
MISFITS = 0.3
"""Share of the NA sentences with a trigger between entities that it does not relate."""
OTHERS = 0.3
"""Share of the sentences with a third name."""


class PlantedSentencesConfig(NoiseOptions):
    """How large the corpus is, and how hard."""

    seed: Annotated[int, Field(ge=0)] = 0
    train: Annotated[int, Field(ge=1)] = 1_000
    """Sentences."""
    dev: Annotated[int, Field(ge=1)] = 300
    test: Annotated[int, Field(ge=1)] = 300
    relations: Annotated[int, Field(ge=1)] = 8
    """Without NA."""
    na_share: Annotated[float, Field(ge=0, lt=1)] = 0.7
    """Share of the sentences of every split that are NA."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.3
    shortest: Annotated[int, Field(ge=10)] = 10
    """Tokens; ten hold two names of two words, a trigger, and whatever may stand around them."""
    longest: int = 16
    dimension: Annotated[int, Field(ge=0)] = 20
    """Of the word vectors for fillers and triggers; 0 for none. Names have none."""

    @model_validator(mode="after")
    def _lengths(self) -> "PlantedSentencesConfig":
        if self.longest < self.shortest:
            raise ValueError(f"longest ({self.longest}) is below shortest ({self.shortest})")
        return self


@dataclass(frozen=True)
class PlantedRelation:
    """A relation, the words that tell it, and the types of head and tail that it holds between."""

    name: str
    triggers: tuple[str, ...]
    types: tuple[str, str]


def planted_relations(config: PlantedSentencesConfig) -> tuple[PlantedRelation, ...]:
    """All relations but NA, the most frequent one first; each odd one shares its triggers with the one before."""
    draw = Draw(f"planted_sentences {config.seed} triggers")
    made: list[PlantedRelation] = []
    for number in range(config.relations):
        triggers = made[-1].triggers if number % 2 else tuple(f"{draw.stem()}ed" for _ in range(SYNONYMS))
        types = TYPE_PAIRS[number % len(TYPE_PAIRS)]
        made.append(PlantedRelation(f"/{'/'.join(types).lower()}/{number + 1}", triggers, types))
    return tuple(made)


def generate(config: PlantedSentencesConfig) -> dict[str, tuple[LabelledSentence, ...]]:
    """The sentences of each split, with the noise in train; the splits share no name."""
    relations, stems = planted_relations(config), set[str]()
    splits = {split: tuple(_split(config, split, relations, stems)) for split in SPLITS}
    splits["train"] = with_noise(splits["train"], config, Counter())
    return splits


def read_planted_sentences(
    name: str, _files: Mapping[str, Path], config: PlantedSentencesConfig
) -> Corpus[LabelledSentence]:
    """The corpus as ``config`` generates it, with its word vectors; it has no files."""
    splits = generate(config)
    wrong = [item for item in splits["train"] if item.relation != item.clean]
    counts = {
        "wrong training labels": len(wrong),
        "wrong training labels, NA turned into a relation": sum(item.clean == NO_RELATION for item in wrong),
        "training labels other than NA": sum(item.relation != NO_RELATION for item in splits["train"]),
    }
    corpus = Corpus(name, splits, digest("planted_sentences", str(VERSION), config.model_dump_json()), counts)
    return corpus.with_vectors(_vectors(config)) if config.dimension else corpus


def write_planted_sentences(config: PlantedSentencesConfig, folder: Path) -> None:
    """Write the same corpus in two forms, both with the true labels of train (docs/corpora.md).

    As SENT's lists ``train_ner.json``, ``dev_part_ner.json``, ``test_part_ner.json``, and as labelled lines
    ``train.jsonl``, ``dev.jsonl``, ``test.jsonl``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split, items in generate(config).items():
        write_sent_list(items, folder / f"{split}_{'ner' if split == 'train' else 'part_ner'}.json")
        write_labelled_lines(items, folder / f"{split}.jsonl")


@dataclass(frozen=True)
class _Pair:
    """Two entities: their names as words, and their types."""

    head: tuple[str, ...]
    tail: tuple[str, ...]
    types: tuple[str, str]

    @property
    def document(self) -> str:
        return f"{' '.join(self.head)}\t{' '.join(self.tail)}"


@dataclass
class _Builder:
    """A sentence while its tokens are laid out."""

    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    def add(self, words: tuple[str, ...], tag: str = OUTSIDE) -> Span:
        begin = len(self.tokens)
        self.tokens += words
        self.tags += [tag] * len(words)
        return begin, len(self.tokens)


def _split(
    config: PlantedSentencesConfig, split: str, relations: tuple[PlantedRelation, ...], stems: set[str]
) -> list[LabelledSentence]:
    draw = Draw(f"planted_sentences {config.seed} {split}", stems)
    made: list[LabelledSentence] = []
    for relation, count in _sizes(config, getattr(config, split), relations):
        for number in range(count):
            if number % SENTENCES_PER_PAIR == 0:
                types = relation.types if relation else draw.one(*TYPE_PAIRS)
                pair = _Pair(_name(draw), _name(draw), types)
            made.append(_sentence(draw, config, pair, relation, relations))
    return draw.shuffled(made)


def _sizes(
    config: PlantedSentencesConfig, count: int, relations: tuple[PlantedRelation, ...]
) -> list[tuple[PlantedRelation | None, int]]:
    """How many sentences of a split have each relation, and none."""
    unrelated = round(config.na_share * count)
    bounds = np.cumsum(1 / np.arange(1, len(relations) + 1))
    ends = np.round(bounds / bounds[-1] * (count - unrelated)).astype(int).tolist()
    sizes = np.diff([0, *ends]).tolist()
    return [(None, unrelated), *zip(relations, sizes, strict=True)]


def _name(draw: Draw) -> tuple[str, ...]:
    """One or two words that no other name has."""
    return tuple(draw.stem().capitalize() for _ in range(1 + draw.below(2)))


def _sentence(
    draw: Draw,
    config: PlantedSentencesConfig,
    pair: _Pair,
    relation: PlantedRelation | None,
    relations: tuple[PlantedRelation, ...],
) -> LabelledSentence:
    """Fillers, an entity, perhaps a trigger, the other entity, fillers; around them perhaps a trigger and a name."""
    told = relation.triggers if relation else _misfit(draw, pair.types, relations)
    between = (*_fillers(draw, draw.below(2)), draw.one(*told), *_fillers(draw, draw.below(2))) if told else ()
    between = between or _fillers(draw, 1 + draw.below(3))
    length = config.shortest + draw.below(config.longest - config.shortest + 1)
    around = list(_fillers(draw, length - len(between) - len(pair.head) - len(pair.tail)))
    before = 1 + draw.below(len(around) - 1)
    if draw.chance(DISTRACTORS):
        around[draw.below(before)] = draw.one(*draw.one(*relations).triggers)
    other = before + draw.below(len(around) - before) if draw.chance(OTHERS) else None

    built, head_first = _Builder(), draw.chance(0.5)
    built.add(tuple(around[:before]))
    ends = [(pair.head, pair.types[0]), (pair.tail, pair.types[1])]
    first = built.add(*ends[0 if head_first else 1])
    built.add(between)
    second = built.add(*ends[1 if head_first else 0])
    for place in range(before, len(around)):
        if place == other:
            built.add((draw.stem().capitalize(),), draw.one(*TYPE_PAIRS)[0])
        else:
            built.add((around[place],))
    return LabelledSentence(
        pair.document,
        tuple(built.tokens),
        first if head_first else second,
        second if head_first else first,
        relation.name if relation else NO_RELATION,
        tuple(built.tags),
    )


def _misfit(draw: Draw, types: tuple[str, str], relations: tuple[PlantedRelation, ...]) -> tuple[str, ...]:
    """For some NA sentences the triggers of a relation that does not hold between these types."""
    fitting = {relation.triggers for relation in relations if relation.types == types}
    others = [relation.triggers for relation in relations if relation.triggers not in fitting]
    return draw.one(*others) if draw.chance(MISFITS) and others else ()


def _fillers(draw: Draw, count: int) -> tuple[str, ...]:
    return tuple(draw.one(*FILLERS) for _ in range(count))


def _vectors(config: PlantedSentencesConfig) -> WordVectors:
    """For fillers and triggers: uniform in [−1, 1), four decimals."""
    draw = Draw(f"planted_sentences {config.seed} vectors")
    triggers = {word for relation in planted_relations(config) for word in relation.triggers}
    words = tuple(sorted({*FILLERS, *triggers}))
    rows = [[round(draw.uniform(), 4) for _ in range(config.dimension)] for _ in words]
    matrix = np.array(rows, dtype=np.float32)
    return WordVectors("planted", words, matrix, digest("planted vectors", matrix.tobytes(), *words))
