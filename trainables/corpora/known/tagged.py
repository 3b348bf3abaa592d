"""Sentences with tagged entities and relations between tokens."""

from relab.corpora import CorpusFile, CorpusSource

from trainables.corpora.ade import AdeOptions, read_ade
from trainables.corpora.five_column import DrecOptions, FiveColumnOptions, read_five_column
from trainables.corpora.planted import PlantedConfig, read_planted

SHAPE = "tagged sentences"

BEKOULIS = "https://github.com/bekou/multihead_joint_entity_relation_extraction"

BEKOULIS_FILES = "https://raw.githubusercontent.com/bekou/multihead_joint_entity_relation_extraction"

FIVE_COLUMN_PROSE = "in the five-column format of Bekoulis et al. (docs/corpora.md)"

CONLL04 = CorpusSource(
    name="conll04",
    title="CoNLL04: news sentences, 4 entity types, 5 relations (Roth & Yih 2004; split of Gupta et al. 2016)",
    shape=SHAPE,
    licence="none stated for the text; the repository that distributes this form states its own",
    home=BEKOULIS,
    files=(
        CorpusFile(
            "train",
            "train.txt",
            sha256="0f560fdaa150133fc4843f72e2a8e707e7f74f06a3a3095d4b9921f8d0ce3614",
            url=f"{BEKOULIS_FILES}/08c59327aa0b3bbac9ee40ef51acc6210c875835/data/dataset/train.txt",
            bytes=605_406,
        ),
        CorpusFile(
            "dev",
            "dev.txt",
            sha256="99e854fd2a7d19247230c3ed8c304f79022380c9d21b58f25e7ffc5fe3884e2d",
            url=f"{BEKOULIS_FILES}/08c59327aa0b3bbac9ee40ef51acc6210c875835/data/dataset/dev.txt",
            bytes=158_566,
        ),
        CorpusFile(
            "test",
            "test.txt",
            sha256="d172819deff771c059c9c6688d67c3ff2bdaa25cf71ec56b1f7e8c6705f96700",
            url=f"{BEKOULIS_FILES}/3b603089ea478d54bfba24e021485a513acda007/data/CoNLL04/test.txt",
            bytes=191_006,
        ),
    ),
    obtain=f"Public, from the repository of Bekoulis et al. ({BEKOULIS}).",
    options=FiveColumnOptions,
    read=read_five_column,
)

ADE = CorpusSource(
    name="ade",
    title="ADE: sentences of case reports, drugs and their adverse effects (Gurulingappa et al. 2012)",
    shape=SHAPE,
    licence="none stated; published by its authors for research",
    home="https://doi.org/10.1016/j.jbi.2012.04.008",
    files=(
        CorpusFile(
            "relations",
            "DRUG-AE.rel",
            sha256="542cdc483ccc94927762eaf2c9a8ecac49a6c10037dda2895be6a6e20160f75a",
            url="https://raw.githubusercontent.com/trunghlt/AdverseDrugReaction/master/ADE-Corpus-V2/DRUG-AE.rel",
            bytes=1_423_024,
        ),
    ),
    obtain="Public: DRUG-AE.rel of ADE-Corpus-V2 (6,821 rows).",
    options=AdeOptions,
    read=read_ade,
)

DREC = CorpusSource(
    name="drec",
    title="DREC: Dutch real-estate advertisements, entities and part-of relations (Bekoulis et al. 2017)",
    shape=SHAPE,
    licence="by a signed agreement with its authors",
    home=f"{BEKOULIS}/tree/master/data/DREC",
    files=(
        CorpusFile("train", "train.tsv"),
        CorpusFile("dev", "dev.tsv", optional=True),
        CorpusFile("test", "test.tsv"),
    ),
    obtain=f"Sign the agreement that the home page links to; expected are the authors' files {FIVE_COLUMN_PROSE}, "
    "in which token 0 of a document is the root.",
    options=DrecOptions,
    read=read_five_column,
)

ACE04 = CorpusSource(
    name="ace04",
    title="ACE 2004: news and broadcast text, 7 entity types, 6 relations, folds of Miwa & Bansal (2016)",
    shape=SHAPE,
    licence="LDC licence (LDC2005T09)",
    home="https://catalog.ldc.upenn.edu/LDC2005T09",
    files=(
        CorpusFile("train", "train.txt"),
        CorpusFile("dev", "dev.txt", optional=True),
        CorpusFile("test", "test.txt"),
    ),
    obtain=f"Obtain LDC2005T09 from the LDC and write each split of a fold {FIVE_COLUMN_PROSE}.",
    options=FiveColumnOptions,
    read=read_five_column,
)

PLANTED_JOINT = CorpusSource(
    name="planted_joint",
    title="generated sentences with planted regularities: an ablation has a known answer",
    shape=SHAPE,
    licence="generated; none needed",
    home="docs/corpora.md",
    files=(
        CorpusFile("train", "train.txt"),
        CorpusFile("dev", "dev.txt"),
        CorpusFile("test", "test.txt"),
        CorpusFile("vectors", "vectors.txt", optional=True),
    ),
    obtain="Generated when it is read; no files are needed.",
    options=PlantedConfig,
    read=read_planted,
    generated=True,
)
