"""The corpora and word vectors that relab knows by name."""

from relab.corpora import CorpusFile, CorpusSource, VectorSource

from trainables.corpora.ade import AdeOptions, read_ade
from trainables.corpora.crossre import DOMAINS, SOURCE, SPLITS, TRANSLATION, CrossReOptions, read_crossre
from trainables.corpora.five_column import DrecOptions, FiveColumnOptions, read_five_column
from trainables.corpora.mnre import MnreOptions, read_mnre
from trainables.corpora.nyt import MentionLineOptions, read_mention_lines
from trainables.corpora.nyt_standin import NytStandInOptions, read_nyt_standin
from trainables.corpora.planted import PlantedConfig, read_planted
from trainables.corpora.planted_mentions import (
    PlantedBilingualConfig,
    PlantedMentionsConfig,
    read_planted_mentions,
)
from trainables.corpora.vectors import read_word_vectors
from trainables.corpora.wu_pickles import WuOptions, read_nyt_wu, read_uw_wu

TAGGED = "tagged sentences"
MENTIONS = "mentions of entity pairs"
BEKOULIS = "https://github.com/bekou/multihead_joint_entity_relation_extraction"
BEKOULIS_FILES = "https://raw.githubusercontent.com/bekou/multihead_joint_entity_relation_extraction"
FIVE_COLUMN_PROSE = "in the five-column format of Bekoulis et al. (docs/corpora.md)"

CONLL04 = CorpusSource(
    name="conll04",
    title="CoNLL04: news sentences, 4 entity types, 5 relations (Roth & Yih 2004; split of Gupta et al. 2016)",
    shape=TAGGED,
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
    shape=TAGGED,
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
    shape=TAGGED,
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
    shape=TAGGED,
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

NYT10 = CorpusSource(
    name="nyt10",
    title="NYT-10: news sentences labelled by Freebase (Riedel et al. 2010; release of Lin et al. 2016)",
    shape=MENTIONS,
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
    shape=MENTIONS,
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
    shape=MENTIONS,
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
    shape=MENTIONS,
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
    shape=MENTIONS,
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
    shape=MENTIONS,
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
    shape=MENTIONS,
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
    shape=MENTIONS,
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

GLOVE_6B_50D = VectorSource(
    name="glove.6B.50d",
    title="GloVe, 6 billion tokens of Wikipedia and Gigaword, 400,000 words, 50 dimensions (Pennington et al. 2014)",
    licence="PDDL 1.0",
    home="https://nlp.stanford.edu/projects/glove/",
    pattern="glove.6B.50d*.txt",
    folders=("glove",),
    files=(
        CorpusFile(
            "vectors",
            "glove.6B.50d.txt",
            sha256="617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
            url="https://nlp.stanford.edu/data/glove.6B.zip",
            member="glove.6B.50d.txt",
            bytes=862_182_613,
        ),
    ),
    obtain="Public: https://nlp.stanford.edu/data/glove.6B.zip (822 MiB) holds glove.6B.50d.txt beside wider ones; "
    "a part of it, named glove.6B.50d.<something>.txt, is read as well.",
    read=read_word_vectors,
)

PLANTED_JOINT = CorpusSource(
    name="planted_joint",
    title="generated sentences with planted regularities: an ablation has a known answer",
    shape=TAGGED,
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

PLANTED_BAGS = CorpusSource(
    name="planted_bags",
    title="generated bags of sentences with planted regularities and wrong labels",
    shape=MENTIONS,
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
    shape=MENTIONS,
    licence="generated; none needed",
    home="docs/corpora.md",
    files=(),
    obtain="Generated when it is read; there are no files.",
    options=PlantedBilingualConfig,
    read=read_planted_mentions,
    generated=True,
)
