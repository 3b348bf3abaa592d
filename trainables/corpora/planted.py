"""A generated corpus whose regularities are known, so that an ablation on it has a known answer.

What is planted, and which component of joint extraction it is for, in the order of their weight:

* **Characters.** Every name occurs once in the whole corpus and has no word vector; its type stands in its suffix alone
  (``Mirasov`` a person, ``Dobelburg`` a place, ``Kunatek`` a firm), and fillers without a vector are about as frequent.
  Without character embeddings all of them are one unknown word, and no training finds the entities.
* **Types decide relations.** A trigger alone says nothing: ``joined`` is Works_For between a person and a firm,
  Lives_In between a person and a place, and nothing at all between two places. A relation head that sees the tags, by
  label embeddings, reads the relation off them; without, it has to find the types in the hidden states once more, which
  takes more training.
* **Tag transitions.** Only the first token of an entity has a telling suffix. The second one carries any type's, so
  that it suggests by itself an I- tag that cannot follow the B- tag before it: what a CRF rules out. A BiLSTM learns
  it as well, so that the CRF's lead is small and fades with training.
* **Noise**, in the training split only: a share of the entities has another type, a share of the relations is another
  or missing. Regularisation (adversarial training, dropout) may help against it; how much is not planted.

Equal configs give equal bytes, on every platform: only ``random.Random.random`` is drawn from, whose sequence Python
keeps between versions.
"""

import io
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from relab.corpus import Corpus, WordVectors
from relab.errors import RequestError
from relab.method import Config

from trainables.corpora.drawing import Draw
from trainables.corpora.five_column import FiveColumnOptions, five_column_corpus, read_five_column, render
from trainables.corpora.tagged import TaggedSentence
from trainables.corpora.vectors import parse_word_vectors, read_word_vectors

SPLITS = ("train", "dev", "test")
VECTORS = "vectors.txt"

SUFFIXES = {"Person": ("sov", "ska"), "Place": ("burg", "via"), "Firm": ("tek", "corp")}
"""The endings that tell an entity's type."""
TRIGGERS = {"join": ("joined", "entered"), "lead": ("led", "ran"), "meet": ("met", "saw")}
RELATIONS = {
    ("Person", "join", "Firm"): "Works_For",
    ("Person", "join", "Place"): "Lives_In",
    ("Firm", "join", "Place"): "Based_In",
    ("Person", "lead", "Firm"): "Leads",
}
"""(type of the dependent, trigger, type of the head) -> relation; all other combinations are unrelated."""
AND, BESIDE = "and", "beside"
"""Before a third entity: the first says that the trigger holds for it too, the second that it does not."""
FILLERS = (
    *("the", "a", "this", "that", "of", "in", "on", "at", "by", "with", "from", "to", "while", "after", "before"),
    *("old", "new", "late", "early", "long", "small", "great", "first", "last", "again", "often", "never", "once"),
    *("still", "today", "soon", "because"),
)
ENDINGS = ("en", "al", "ut", "ir")
"""Of fillers without a vector."""


class PlantedConfig(Config):
    """How large the corpus is, and how clean."""

    seed: Annotated[int, Field(ge=0)] = 0
    train: Annotated[int, Field(ge=1)] = 160
    """Sentences; each is a document of its own."""
    dev: Annotated[int, Field(ge=1)] = 60
    test: Annotated[int, Field(ge=1)] = 60
    shortest: Annotated[int, Field(ge=8)] = 8
    """Tokens; eight hold any three entities, their trigger and what joins the third."""
    longest: int = 10
    noise: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of wrong entity types, and of wrong relations, in the training split."""
    dimension: Annotated[int, Field(ge=0)] = 20
    """Of the word vectors for fillers and triggers; 0 for none."""

    @model_validator(mode="after")
    def _lengths(self) -> "PlantedConfig":
        if self.longest < self.shortest:
            raise ValueError(f"longest ({self.longest}) is below shortest ({self.shortest})")
        return self


def generate(config: PlantedConfig) -> dict[str, list[TaggedSentence]]:
    """The sentences of each split. The splits share no name."""
    used: set[str] = set()
    splits = {}
    for split in SPLITS:
        draw = _Draw(f"{config.seed} {split}", used)
        count: int = getattr(config, split)
        noise = config.noise if split == "train" else 0.0
        splits[split] = [_sentence(draw, f"{split}-{i}", config, noise) for i in range(count)]
    return splits


def render_files(config: PlantedConfig) -> dict[str, str]:
    """The text of every file of the corpus, by name."""
    files = {f"{split}.txt": render(sentences) for split, sentences in generate(config).items()}
    return files | ({VECTORS: _vectors(config)} if config.dimension else {})


def write_planted(config: PlantedConfig, folder: Path) -> None:
    """Write the splits in the five-column format, and ``vectors.txt``, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in render_files(config).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def read_planted(name: str, files: Mapping[str, Path], config: PlantedConfig) -> Corpus[TaggedSentence]:
    """The corpus in ``files`` if there are any (``write_planted`` wrote them), else as ``config`` generates it.

    Both ways give the same corpus, fingerprint included. Its word vectors come with it.

    Raises:
        RequestError: files and a config that they cannot follow.
        DataError: a malformed file.
    """
    if files:
        if config != PlantedConfig():
            raise RequestError(f"{name}: options say how to generate it, but files are given; leave out one of the two")
        corpus = read_five_column(name, {split: files[split] for split in SPLITS}, FiveColumnOptions())
        return corpus.with_vectors(read_word_vectors(name, files["vectors"])) if "vectors" in files else corpus
    texts = {file: text.encode() for file, text in render_files(config).items()}
    contents = {split: (Path(f"{split}.txt"), texts[f"{split}.txt"]) for split in SPLITS}
    corpus = five_column_corpus(name, contents, FiveColumnOptions())
    return corpus.with_vectors(_parsed(name, texts[VECTORS])) if config.dimension else corpus


def _parsed(name: str, data: bytes) -> WordVectors:
    return parse_word_vectors(name, Path(VECTORS), io.BytesIO(data))


class _Draw(Draw):
    """Random choices of one split; no two words of the corpus have one stem."""

    def name(self, kind: str) -> str:
        return self.stem().capitalize() + self.one(*SUFFIXES[kind])

    def filler(self) -> str:
        """A filler; as often as not one that has no word vector."""
        return self.one(*FILLERS) if self.chance(0.5) else self.stem() + self.one(*ENDINGS)


class _Builder:
    """A sentence while its tokens are laid out."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.tags: list[str] = []

    def word(self, token: str) -> None:
        self.tokens.append(token)
        self.tags.append("O")

    def entity(self, draw: _Draw, kind: str, tagged: str, length: int) -> int:
        """Lay out an entity of ``kind``, tagged as ``tagged``; its last token's index."""
        for i in range(length):
            self.tokens.append(draw.name(kind if i == 0 else draw.one(*SUFFIXES)))
            self.tags.append(f"{'I' if i else 'B'}-{tagged}")
        return len(self.tokens) - 1


def _sentence(draw: _Draw, document: str, config: PlantedConfig, noise: float) -> TaggedSentence:
    """Fillers around: entity, trigger, entity, and sometimes a third entity that is related like the second, or not."""
    kinds, group, link = _content(draw)
    lengths = [1 + draw.below(2) for _ in kinds]
    goal = config.shortest + draw.below(config.longest - config.shortest + 1)
    spare = goal - sum(lengths) - len(kinds) + 1
    before = draw.below(spare + 1)
    built, ends = _Builder(), []
    for _ in range(before):
        built.word(draw.filler())
    for i, (kind, length) in enumerate(zip(kinds, lengths, strict=True)):
        if i:
            built.word(draw.one(*TRIGGERS[group]) if i == 1 else link)
        tagged = draw.one(*SUFFIXES) if draw.chance(noise) else kind
        ends.append(built.entity(draw, kind, tagged, length))
    for _ in range(spare - before):
        built.word(draw.filler())
    relations = []
    for i, head in enumerate(ends[1:] if link == AND else ends[1:2], start=1):
        relation = _noisy(draw, RELATIONS.get((kinds[0], group, kinds[i]), ""), noise)
        if relation:
            relations.append((ends[0], relation, head))
    return TaggedSentence(document, tuple(built.tokens), tuple(built.tags), tuple(relations))


def _content(draw: _Draw) -> tuple[list[str], str, str]:
    """The types of two or three entities, the kind of trigger, and what joins the third: most pairs are related."""
    if draw.chance(0.85):
        first, group, second = tuple(RELATIONS)[draw.below(len(RELATIONS))]
    else:
        first, group, second = draw.one(*SUFFIXES), draw.one(*TRIGGERS), draw.one(*SUFFIXES)
    third = [second if draw.chance(0.5) else draw.one(*SUFFIXES)] if draw.chance(0.5) else []
    return [first, second, *third], group, draw.one(AND, BESIDE)


def _noisy(draw: _Draw, relation: str, noise: float) -> str:
    """``relation``, or by ``noise`` any relation or none."""
    return draw.one("", *RELATIONS.values()) if draw.chance(noise) else relation


def _vectors(config: PlantedConfig) -> str:
    """Vectors for every word that is not made of syllables: uniform in [-1, 1], four decimals."""
    draw = random.Random(f"{config.seed} vectors")
    words = sorted({*FILLERS, AND, BESIDE, *(word for group in TRIGGERS.values() for word in group)})
    rows = (" ".join(f"{2 * draw.random() - 1:.4f}" for _ in range(config.dimension)) for _ in words)
    return "".join(f"{word} {row}\n" for word, row in zip(words, rows, strict=True))
