"""Mentions of entity pairs, which bags are made of."""

from relab.corpora import CorpusFile, CorpusSource

from trainables.corpora.crossre import DOMAINS, SOURCE, SPLITS, TRANSLATION, CrossReOptions, read_crossre
from trainables.corpora.mnre import MnreOptions, read_mnre
from trainables.corpora.nyt import MentionLineOptions, read_mention_lines
from trainables.corpora.nyt_standin import NytStandInOptions, read_nyt_standin
from trainables.corpora.planted_mentions import (
    PlantedBilingualConfig,
    PlantedMentionsConfig,
    read_planted_mentions,
)
from trainables.corpora.wu_pickles import WuOptions, read_nyt_wu, read_uw_wu

SHAPE = "mentions of entity pairs"

NYT10 = CorpusSource(
    name="nyt10",
    title="NYT-10: news sentences labelled by Freebase (Riedel et al. 2010; release of Lin et al. 2016)",
    shape=SHAPE,
    licence="none stated; the sentences are from the New York Times Annotated Corpus (LDC2008T19)",
    home="https://github.com/thunlp/NRE",
    files=(
        CorpusFile("train", "train.txt"),
        CorpusFile("dev", "dev.txt", optional=True),
        CorpusFile("test", "test.txt"),
        CorpusFile("relations", "relation2id.txt", optional=True),
    ),
    obtain="The release of Lin et al. links to an archive with train.txt, test.txt and relation2id.txt.",
    options=MentionLineOptions,
    read=read_mention_lines,
)

NYT10_STANDIN = CorpusSource(
    name="nyt10_standin",
    title="parts of NYT-10 from several repositories, in its place: relative comparisons only",
    shape=SHAPE,
    licence="none stated by any of the repositories",
    home="docs/corpora.md",
    files=(
        CorpusFile("train", "train.txt"),
        CorpusFile("joint_val_triples", "joint_val_triples.json"),
        CorpusFile("joint_test_triples", "joint_test_triples.json"),
        CorpusFile("test", "test.txt"),
        CorpusFile("test_positives", "test_positives.txt"),
    ),
    obtain="train.txt and test.txt are from github.com/ninjatrick/Factored-Neural-Network, test_positives.txt from "
    "github.com/rishabhjoshi/re, the triples from github.com/EduKgs/entity_relation.",
    options=NytStandInOptions,
    read=read_nyt_standin,
    folder="nyt10",
)

GIDS_HOME = "https://github.com/SharmisthaJat/RE-DS-Word-Attention-Models"

GIDS = CorpusSource(
    name="gids",
    title="GIDS: web sentences labelled by Google's relation extraction corpus, 4 relations (Jat et al. 2018)",
    shape=SHAPE,
    licence="none stated",
    home=GIDS_HOME,
    files=(
        CorpusFile("train", "train.tsv"),
        CorpusFile("dev", "dev.tsv"),
        CorpusFile("test", "test.tsv"),
    ),
    obtain="Public, from the authors' repository.",
    options=MentionLineOptions,
    read=read_mention_lines,
)

GIDS_DEV_TEST = CorpusSource(
    name="gids_dev_test",
    title="GIDS without its training file: dev.tsv is what is trained on, and gives up pairs for dev",
    shape=SHAPE,
    licence="none stated",
    home=GIDS_HOME,
    files=(CorpusFile("train", "dev.tsv"), CorpusFile("test", "test.tsv")),
    obtain="Public, from the authors' repository.",
    options=MentionLineOptions,
    read=read_mention_lines,
    folder="gids",
)

MNRE = CorpusSource(
    name="mnre",
    title="English and Chinese Wikipedia sentences labelled by Wikidata, 176 relations (Lin et al. 2017)",
    shape=SHAPE,
    licence="none stated",
    home="https://github.com/thunlp/MNRE",
    files=(
        CorpusFile("relations", "relation2id.txt"),
        *(
            CorpusFile(f"{split}_{language}", f"{split}_{language}.txt", optional=split == "valid")
            for split in ("train", "valid", "test")
            for language in ("en", "zh")
        ),
    ),
    obtain="The authors' page links to an archive with the text files and vectors.",
    options=MnreOptions,
    read=read_mnre,
)

CROSSRE = CorpusSource(
    name="crossre",
    title="CrossRE: sentences of six domains, 17 relations, in English and Chinese (Bassignana & Plank 2022)",
    shape=SHAPE,
    licence="GPL-3.0 (data)",
    home="https://github.com/mainlp/CrossRE",
    files=tuple(
        CorpusFile(
            f"{language}/{domain}-{split}", f"{language}/{domain}-{split}.json", optional=language == TRANSLATION
        )
        for language in (SOURCE, TRANSLATION)
        for domain in DOMAINS
        for split in SPLITS
    ),
    obtain="Public, from the authors' repository: the English files in en, their Chinese translations in zh.",
    options=CrossReOptions,
    read=read_crossre,
)

WU = "https://github.com/jxwuyi/AtNRE"

NYT_WU = CorpusSource(
    name="nyt_wu",
    title="NYT-10 as Wu et al. (2017) released it, pickled",
    shape=SHAPE,
    licence="none stated; the sentences are from the New York Times Annotated Corpus (LDC2008T19)",
    home=WU,
    files=(
        CorpusFile("relations", "relation.p"),
        CorpusFile("train", "train.p"),
        CorpusFile("test", "test.p"),
        CorpusFile("vectors", "embeddings.p", optional=True),
    ),
    obtain="From the authors, renamed; nothing in the pickles is run.",
    options=WuOptions,
    read=read_nyt_wu,
)

UW_WU = CorpusSource(
    name="uw_wu",
    title="the UW corpus as Wu et al. (2017) released it, pickled",
    shape=SHAPE,
    licence="none stated",
    home=WU,
    files=(
        CorpusFile("relations", "relation.p"),
        CorpusFile("random", "random.p"),
        CorpusFile("gabor", "gabor.p"),
        CorpusFile("distant", "distant.p"),
        CorpusFile("test", "test.p"),
        CorpusFile("vectors", "embeddings.p", optional=True),
    ),
    obtain="From the authors, renamed; nothing in the pickles is run.",
    options=WuOptions,
    read=read_uw_wu,
)

PLANTED_BAGS = CorpusSource(
    name="planted_bags",
    title="generated bags of sentences with planted regularities and wrong labels",
    shape=SHAPE,
    licence="generated; none needed",
    home="docs/corpora.md",
    files=(),
    obtain="Generated when it is read; there are no files.",
    options=PlantedMentionsConfig,
    read=read_planted_mentions,
    generated=True,
)

PLANTED_BILINGUAL = CorpusSource(
    name="planted_bilingual",
    title="the same in two languages that know more together than either alone",
    shape=SHAPE,
    licence="generated; none needed",
    home="docs/corpora.md",
    files=(),
    obtain="Generated when it is read; there are no files.",
    options=PlantedBilingualConfig,
    read=read_planted_mentions,
    generated=True,
)
