"""Generated bags of sentences whose regularities are known: entity pairs as distant supervision labels them.

What is planted, and which part of a bag method it is for:

* **Relations** are told by trigger words. Every positive bag has one relation, frequent ones and rare ones (1/rank).
* **Wrong labels.** A share of the sentences in positive bags expresses nothing, or another relation, in every split, as
  distant supervision has it: what selective attention is for. A bag without one true sentence cannot be recognised, so
  that no method's average precision comes near 1.
* **Position.** Of two ``between_`` and ``after_`` relations with the same triggers, the first has them between the two
  entities, the second after the second one. Any trigger before the first entity says nothing, and many sentences, those
  of unrelated pairs too, have one there: what position embeddings and the pieces of a PCNN are for.
* **Bags have a long tail**: a size k has a probability ∝ k^−s, s being what gives the mean that is asked for.
* **Two languages.** ``plain_``, ``between_`` and ``after_`` relations tell in both. Two ``only_en_`` relations
  have triggers of their own in English and share theirs in Chinese, ``only_zh_`` the other way
  round: both languages together know more than one. A share of the bags has sentences in one language only.

Names have no word vector, fillers and triggers have. The splits share no pair. Equal configs give equal bytes: only raw
bits of NumPy's PCG64 are drawn, whose sequence is kept between versions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from relab.corpus import Corpus, WordVectors, digest
from relab.method import Config

from trainables.corpora.mentions import NO_RELATION, Index, Integers, Mention, Mentions, Symbols
from trainables.corpora.mnre import by_pair

VERSION = 1
"""Raised when the same config gives another corpus than before."""

SPLITS = ("train", "dev", "test")
LANGUAGES = ("en", "zh")
RELATIONS_FILE, VECTORS_FILE = "relation2id.txt", "vectors.txt"
SYNONYMS = 2
"""Words per trigger."""
WIDEST = 4
"""Tokens between the two entities, at most; a trigger after the second one is at most three tokens away."""
BLOCK = 1 << 16
"""Mentions that are made at once: what is held in memory while a corpus of any size is written."""
RESOLUTION = 1 << 20
"""Of the table from which fillers are drawn."""

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
SYLLABLES = tuple(consonant + vowel for consonant in CONSONANTS for vowel in VOWELS)
CHINESE_WORDS, CHINESE_NAMES = (tuple(map(chr, range(start, start + 2_000))) for start in (0x4E00, 0x6000))

Places = npt.NDArray[np.int64]


class PlantedMentionsConfig(Config):
    """How large the corpus is, and how hard."""

    seed: Annotated[int, Field(ge=0)] = 0
    languages: Literal[1, 2] = 1
    """English, or English and Chinese."""
    train: Annotated[int, Field(ge=1)] = 400
    """Entity pairs."""
    dev: Annotated[int, Field(ge=1)] = 200
    test: Annotated[int, Field(ge=1)] = 400
    relations: Annotated[int, Field(ge=1)] = 8
    """Without NA."""
    unrelated: Annotated[float, Field(ge=0, lt=1)] = 0.8
    """Share of the pairs that are NA."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the sentences of related pairs that do not express the relation: half of them none, half another."""
    distractors: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of all sentences that have a trigger before the first entity, where it says nothing."""
    positional: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share, among the relations that tell in every language, of those that share their trigger with another one."""
    agreeing: Annotated[float, Field(ge=0, le=1)] = 0.5
    """With two languages: share of the relations that tell in both."""
    one_language: Annotated[float, Field(ge=0, le=1)] = 0.3
    """With two languages: share of the pairs that have sentences in one of them only, half of these in each."""
    mean_size: Annotated[float, Field(ge=1)] = 3.0
    """Sentences per pair and language; a split has exactly as many sentences as that makes, rounded."""
    largest: Annotated[int, Field(ge=1)] = 100
    """Sentences of the largest bag, per language, at most."""
    words: Annotated[int, Field(ge=1, le=300_000)] = 300
    """Fillers per language, the n-th with a probability ∝ 1/n."""
    shortest: Annotated[int, Field(ge=WIDEST + 4)] = 10
    """Tokens of a sentence."""
    longest: int = 20
    dimension: Annotated[int, Field(ge=0)] = 20
    """Of the word vectors for fillers and triggers; 0 for none."""

    @model_validator(mode="after")
    def _bounds(self) -> "PlantedMentionsConfig":
        if self.longest < self.shortest:
            raise ValueError(f"longest ({self.longest}) is below shortest ({self.shortest})")
        if self.largest + 1 < 2 * self.mean_size:
            raise ValueError(f"mean_size ({self.mean_size:g}) is above the middle of 1 and largest ({self.largest})")
        return self


class PlantedBilingualConfig(PlantedMentionsConfig):
    """The same with two languages as the default."""

    languages: Literal[1, 2] = 2


@dataclass(frozen=True)
class PlantedRelation:
    """A relation, and per language the number of its trigger and whether that stands after the second entity."""

    name: str
    triggers: tuple[int, ...]
    after: bool


def planted_relations(config: PlantedMentionsConfig) -> tuple[PlantedRelation, ...]:
    """All relations but NA, the most frequent one first.

    They are planted by couples. Those of four relations are the first and the last, and the two between, so that what
    English tells and what Chinese tells is about as frequent.
    """
    languages = LANGUAGES[: config.languages]
    used = [0] * len(languages)
    made: dict[int, PlantedRelation] = {}
    telling = 0
    for first in range(0, config.relations, 4):
        four = range(first, min(first + 4, config.relations))
        agreeing = len(languages) == 1 or _dealt(first // 4, config.agreeing)
        couples = ((four[0], four[3]), (four[1], four[2])) if len(four) == 4 else (four[:2], four[2:])
        for which, couple in enumerate(couples):
            kinds, shared = ("plain", "plain"), [False] * len(languages)
            if not agreeing and len(couple) == 2:
                kinds, shared[1 - which] = (f"only_{languages[which]}",) * 2, True
            elif len(couple) == 2 and _dealt(telling, config.positional):
                kinds, shared = ("between", "after"), [True] * len(languages)
            telling += agreeing
            for place, number in enumerate(couple):
                triggers = tuple(n if common else n + place for n, common in zip(used, shared, strict=True))
                name = f"/planted/{kinds[place]}_{number + 1}"
                made[number] = PlantedRelation(name, triggers, kinds[place] == "after")
            used = [n + (1 if common else len(couple)) for n, common in zip(used, shared, strict=True)]
    return tuple(made[number] for number in range(config.relations))


def _dealt(place: int, share: float) -> bool:
    """Whether the item at ``place`` is one of those that make up ``share`` of all, evenly spread."""
    return int((place + 1) * share) > int(place * share)


def read_planted_mentions(name: str, _files: Mapping[str, Path], config: PlantedMentionsConfig) -> Corpus[Mention]:
    """The corpus as ``config`` generates it, with its word vectors; it has no files."""
    made = _Generator(config)
    splits = {split: by_pair(made.mentions(split)) for split in SPLITS}
    corpus = Corpus(name, splits, digest("planted_mentions", str(VERSION), config.model_dump_json()))
    return corpus.with_vectors(made.vectors()) if config.dimension else corpus


def write_planted_mentions(config: PlantedMentionsConfig, folder: Path) -> None:
    """Write the same corpus as text: one language as NYT lines, two in the MNRE layout (docs/corpora.md).

    ``train.txt``, ``dev.txt`` and ``test.txt``, or ``train_en.txt``, ``valid_en.txt`` and so on; ``relation2id.txt``;
    ``vectors.txt`` if there are any. Memory does not grow with the number of sentences.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = _Generator(config)
    for split in SPLITS:
        for language in range(config.languages):
            file = _file(split, language, config)
            with (folder / file).open("w", encoding="utf-8", newline="\n") as out:
                for block in made.blocks(split, language):
                    out.writelines(_lines(block))
    relations = "".join(f"{relation} {number}\n" for number, relation in enumerate(made.symbols.relations.names))
    (folder / RELATIONS_FILE).write_text(relations, encoding="utf-8", newline="\n")
    if config.dimension:
        vectors = made.vectors()
        with (folder / VECTORS_FILE).open("w", encoding="utf-8", newline="\n") as out:
            for word, row in zip(vectors.words, vectors.matrix.tolist(), strict=True):
                out.write(f"{word} {' '.join(f'{value:.4f}' for value in row)}\n")


def _file(split: str, language: int, config: PlantedMentionsConfig) -> str:
    if config.languages == 1:
        return f"{split}.txt"
    return f"{'valid' if split == 'dev' else split}_{LANGUAGES[language]}.txt"


def _lines(block: Mentions) -> Iterator[str]:
    """``id1 TAB id2 TAB name1 TAB name2 TAB relation TAB sentence ###END###``, one line per mention."""
    symbols = block.symbols
    entities, relations = symbols.entities.names, symbols.relations.names
    words = list(map(symbols.words.names.__getitem__, block.tokens.tolist()))
    rows = (block.head, block.tail, block.relation, block.offsets[:-1], block.offsets[1:])
    spans = (block.spans[:, 0] + block.offsets[:-1], block.spans[:, 2] + block.offsets[:-1])
    for head, tail, relation, begin, end, one, two in zip(*(row.tolist() for row in (*rows, *spans)), strict=True):
        ends = f"{entities[head]}\t{entities[tail]}\t{words[one]}\t{words[two]}\t{relations[relation]}"
        yield f"{ends}\t{' '.join(words[begin:end])} ###END###\n"


class _Draw:
    """Random numbers of one purpose, by the array."""

    def __init__(self, *purpose: str | int) -> None:
        self._bits = np.random.PCG64(int(digest(*map(str, purpose)), 16))

    def uniform(self, count: int) -> npt.NDArray[np.float64]:
        """[count] in [0, 1)."""
        return np.asarray(self._bits.random_raw(count) >> np.uint64(11), dtype=np.float64) * 2.0**-53

    def below(self, limit: int | Integers | Places, count: int) -> Places:
        """[count] integers from 0 to ``limit`` − 1; a limit for all, or one for each."""
        return (self.uniform(count) * limit).astype(np.int64)

    def shuffled(self, items: Places) -> Places:
        return items[np.argsort(self._bits.random_raw(len(items)), kind="stable")]


@dataclass(frozen=True)
class _Words:
    """The numbers of one language's words: those of fillers, triggers and names each follow one another."""

    fillers: int
    triggers: int
    names: int


@dataclass(frozen=True)
class _Pairs:
    """The pairs of one split: ``head``, ``tail`` and ``relation`` [P], and ``sizes`` [languages, P]."""

    head: Places
    tail: Places
    relation: Places
    sizes: Places


class _Generator:
    """Makes the mentions of one corpus, a block at a time."""

    def __init__(self, config: PlantedMentionsConfig) -> None:
        self.config = config
        self.relations = planted_relations(config)
        self._counts = {split: int(getattr(config, split)) for split in SPLITS}
        self._entities = sum(self._counts.values()) + 1
        self.symbols = Symbols(
            entities=Index(*(f"m.{n:07x}" if config.languages == 1 else f"Q{n + 1}" for n in range(self._entities))),
            relations=Index(NO_RELATION, *(relation.name for relation in self.relations)),
            languages=Index(*LANGUAGES[: config.languages]),
        )
        self._groups = [1 + max(r.triggers[n] for r in self.relations) for n in range(config.languages)]
        self._words = [self._spell(language) for language in range(config.languages)]
        self._tail = _zipf(config.largest, config.mean_size)
        self._pairs = self._deal()
        cumulated = np.cumsum(1 / np.arange(1, config.words + 1))
        self._fillers = np.searchsorted(cumulated / cumulated[-1], (np.arange(RESOLUTION) + 0.5) / RESOLUTION)

    def mentions(self, split: str) -> Mentions:
        """All mentions of a split, one language after the other."""
        blocks = [block for n in range(self.config.languages) for block in self.blocks(split, n)]
        offsets = np.concatenate([[0], np.cumsum(np.concatenate([block.lengths for block in blocks]), dtype=np.int64)])
        columns = (np.stack((b.head, b.tail, b.relation, b.language), 1) for b in blocks)
        joined = [np.concatenate((column, b.spans), 1) for column, b in zip(columns, blocks, strict=True)]
        return Mentions(self.symbols, np.concatenate([b.tokens for b in blocks]), offsets, np.concatenate(joined))

    def blocks(self, split: str, language: int) -> Iterator[Mentions]:
        """The mentions of a split in one language, ``BLOCK`` at a time; those of a pair follow one another."""
        pairs = self._pairs[split]
        pair = np.repeat(np.arange(len(pairs.head)), pairs.sizes[language])
        for number, at in enumerate(range(0, len(pair), BLOCK)):
            draw = _Draw("block", self.config.seed, split, language, number)
            yield self._block(draw, pairs, pair[at : at + BLOCK], language)

    def vectors(self) -> WordVectors:
        """For all words but names: uniform in [−1, 1], four decimals."""
        names = self.symbols.words.names
        words = tuple(word for table in self._words for word in names[table.fillers : table.names])
        values = _Draw("vectors", self.config.seed).uniform(len(words) * self.config.dimension)
        matrix = (np.round(values * 20_000 - 10_000) / 10_000).astype(np.float32).reshape(len(words), -1)
        return WordVectors("planted", words, matrix, digest("planted vectors", matrix.tobytes(), *words))

    def _spell(self, language: int) -> _Words:
        """Add the words of a language to the symbols."""
        syllables = SYLLABLES if language == 0 else CHINESE_WORDS
        plain = self.config.words + self._groups[language] * SYNONYMS
        fillers = len(self.symbols.words)
        for word in _spelt(plain, syllables):
            _ = self.symbols.words[word]
        for name in _spelt(self._entities, SYLLABLES if language == 0 else CHINESE_NAMES):
            _ = self.symbols.words[name.capitalize()]
        return _Words(fillers, fillers + self.config.words, fillers + plain)

    def _deal(self) -> dict[str, _Pairs]:
        """Pairs that no two splits share, with their relations and sizes."""
        config, total = self.config, sum(self._counts.values())
        draw = _Draw("pairs", config.seed)
        drawn = 2 * total + 10
        head = draw.below(self._entities, drawn)
        tail = (head + 1 + draw.below(self._entities - 1, drawn)) % self._entities
        first = np.sort(np.unique(head * self._entities + tail, return_index=True)[1])[:total]
        cuts = np.cumsum(list(self._counts.values()))[:-1]
        dealt = zip(SPLITS, np.split(head[first], cuts), np.split(tail[first], cuts), strict=True)
        return {split: self._label(_Draw("bags", config.seed, split), *ends) for split, *ends in dealt}

    def _label(self, draw: _Draw, head: Places, tail: Places) -> _Pairs:
        config, count = self.config, len(head)
        related = count - round(config.unrelated * count)
        weight = np.cumsum(1 / np.arange(1, config.relations + 1))
        relation = np.zeros(count, dtype=np.int64)
        relation[:related] = 1 + np.searchsorted(weight / weight[-1], (np.arange(related) + 0.5) / max(related, 1))
        relation = draw.shuffled(relation)
        present = np.ones((config.languages, count), dtype=bool)
        if config.languages == 2:
            alone, which = draw.uniform(count) < config.one_language, draw.below(2, count)
            present[0], present[1] = ~alone | (which == 0), ~alone | (which == 1)
        sizes = np.zeros((config.languages, count), dtype=np.int64)
        for language, there in enumerate(present):
            sizes[language, there] = self._sizes(draw, int(there.sum()))
        # small bags first: the first mentions, which a smoke run trains on, are then of many pairs
        order = np.argsort(sizes.max(axis=0), kind="stable")
        return _Pairs(head[order], tail[order], relation[order], sizes[:, order])

    def _sizes(self, draw: _Draw, count: int) -> Places:
        """Zipf's law, then single sentences more or fewer at random until their number is exact."""
        sizes = 1 + np.searchsorted(self._tail, draw.uniform(count), side="right")
        while missing := round(self.config.mean_size * count) - int(sizes.sum()):
            room = np.flatnonzero(sizes < self.config.largest if missing > 0 else sizes > 1)
            sizes[draw.shuffled(room)[: abs(missing)]] += 1 if missing > 0 else -1
        return sizes

    def _block(self, draw: _Draw, pairs: _Pairs, pair: Places, language: int) -> Mentions:
        """One sentence for each of ``pair`` [N], the numbers of pairs."""
        config, words, count = self.config, self._words[language], len(pair)
        length = config.shortest + draw.below(config.longest - config.shortest + 1, count)
        between = 1 + draw.below(WIDEST, count)
        around = length - 2 - between
        first = 1 + draw.below(around - 1, count)
        second = first + 1 + between
        offsets = np.concatenate([[0], np.cumsum(length)])
        start = offsets[:-1]
        tokens = words.fillers + self._fillers[draw.below(RESOLUTION, int(offsets[-1]))]
        distracted = np.flatnonzero(draw.uniform(count) < config.distractors)
        group = draw.below(self._groups[language], len(distracted))
        place = draw.below(first[distracted], len(distracted))
        tokens[start[distracted] + place] = self._trigger(draw, words, group)
        relation = self._expressed(draw, pairs.relation[pair])
        telling = np.flatnonzero(relation)
        group = np.array([r.triggers[language] for r in self.relations])[relation[telling] - 1]
        after = np.array([r.after for r in self.relations])[relation[telling] - 1]
        room = np.where(after, np.minimum(length - 1 - second, 3)[telling], between[telling])
        place = np.where(after, second[telling], first[telling]) + 1 + draw.below(room, len(telling))
        tokens[start[telling] + place] = self._trigger(draw, words, group)
        swapped = draw.uniform(count) < 0.5
        head, tail = np.where(swapped, second, first), np.where(swapped, first, second)
        tokens[start + head] = words.names + pairs.head[pair]
        tokens[start + tail] = words.names + pairs.tail[pair]
        columns = (pairs.head[pair], pairs.tail[pair], pairs.relation[pair], np.full(count, language))
        spans = (head, head + 1, tail, tail + 1)
        return Mentions(
            self.symbols, tokens.astype(np.int32), offsets, np.stack((*columns, *spans), 1).astype(np.int32)
        )

    def _expressed(self, draw: _Draw, relation: Places) -> Places:
        """What each sentence says: the relation that it is labelled with, or by the noise none or another."""
        count, others = len(relation), self.config.relations - 1
        wrong = (relation > 0) & (draw.uniform(count) < self.config.noise)
        another = np.where(draw.uniform(count) < 0.5, 0, (relation + draw.below(others, count)) % (others + 1) + 1)
        return np.where(wrong, another if others else 0, relation)

    @staticmethod
    def _trigger(draw: _Draw, words: _Words, group: Places) -> Places:
        return words.triggers + group * SYNONYMS + draw.below(SYNONYMS, len(group))


def _zipf(largest: int, mean: float) -> npt.NDArray[np.float64]:
    """[largest]: the distribution function of 1, …, largest with probabilities ∝ k^−s that have this mean."""
    size, low, high = np.arange(1, largest + 1), 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        weight = size**-middle
        low, high = (middle, high) if weight @ size > mean * weight.sum() else (low, middle)
    return np.asarray(np.cumsum(weight) / weight.sum())


def _spelt(count: int, syllables: tuple[str, ...]) -> Iterator[str]:
    """So many different words of the same number of syllables: none is a part of another."""
    width = 2
    while len(syllables) ** width < count:
        width += 1
    for number in range(count):
        word, left = "", number
        for _ in range(width):
            left, syllable = divmod(left, len(syllables))
            word += syllables[syllable]
        yield word
