"""The corpora and word vectors that relab knows by name."""

from relab.corpora import CorpusFile, CorpusSource, VectorSource

from trainables.corpora.ace05 import AceOptions, read_ace05_chinese, read_ace05_english
from trainables.corpora.ade import AdeOptions, read_ade
from trainables.corpora.annotated_lines import AnnotatedLineOptions, read_annotated_lines
from trainables.corpora.brat import BratOptions, read_brat
from trainables.corpora.conll04_pairs import read_conll04_pairs
from trainables.corpora.crossre import DOMAINS, SOURCE, SPLITS, TRANSLATION, CrossReOptions, read_crossre
from trainables.corpora.five_column import DrecOptions, FiveColumnOptions, read_five_column
from trainables.corpora.json_lines import read_labelled_lines
from trainables.corpora.labelled import LabelledOptions
from trainables.corpora.mnre import MnreOptions, read_mnre
from trainables.corpora.nyt import MentionLineOptions, read_mention_lines
from trainables.corpora.nyt_arnor import NytArnorOptions, read_nyt_arnor
from trainables.corpora.nyt_standin import NytStandInOptions, read_nyt_standin
from trainables.corpora.planted import PlantedConfig, read_planted
from trainables.corpora.planted_mentions import (
    PlantedBilingualConfig,
    PlantedMentionsConfig,
    read_planted_mentions,
)
from trainables.corpora.planted_pairs import PlantedPairsConfig, read_planted_pairs
from trainables.corpora.planted_sentences import PlantedSentencesConfig, read_planted_sentences
from trainables.corpora.semeval import read_semeval
from trainables.corpora.sent_lists import SentListOptions, read_sent_lists
from trainables.corpora.tacred import TacredOptions, read_tacred
from trainables.corpora.vectors import read_word_vectors
from trainables.corpora.wu_pickles import WuOptions, read_nyt_wu, read_uw_wu

TAGGED = "tagged sentences"
MENTIONS = "mentions of entity pairs"
LABELLED = "labelled sentences"
ANNOTATED = "sentences with entities and relations"
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

PLANTED_PAIRS = CorpusSource(
    name="planted_pairs",
    title="generated documents whose pairs of entities are related by trigger words and entity types",
    shape=ANNOTATED,
    licence="generated; none needed",
    home="docs/corpora.md",
    files=(),
    obtain="Generated when it is read; there are no files.",
    options=PlantedPairsConfig,
    read=read_planted_pairs,
    generated=True,
)

SENT_HOME = "https://github.com/rtmaww/SENT"
ARNOR_DEV = "6c37b2314d717d746fc62c642a5777eccc5bf9aa3229af4819260cf3ec3387d8"
ARNOR_TEST = "448b4efe668abf2689ac249cc06d8cc7ff30905574bd71d877b99de9f5ad1808"
ARNOR_RELATIONS = "5d786d981a9371f846aea0e5c7d9738608cc8a06d664115a571a18a3a32cdd36"

SENT_NYT = CorpusSource(
    name="sent_nyt",
    title="NYT sentences labelled by Freebase, dev and test by hand (Jia et al. 2019; release of Ma et al. 2021)",
    shape=LABELLED,
    licence="none stated; the sentences are from the New York Times Annotated Corpus (LDC2008T19)",
    home=SENT_HOME,
    files=(
        CorpusFile("train", "train_ner.json"),
        CorpusFile("dev", "dev_part_ner.json", sha256=ARNOR_DEV),
        CorpusFile("test", "test_part_ner.json", sha256=ARNOR_TEST),
        CorpusFile("noise", "test_noise_ner.json", optional=True),
        CorpusFile("relations", "rel2id.json", sha256=ARNOR_RELATIONS, optional=True),
    ),
    obtain=f"Public: all files but train_ner.json are in {SENT_HOME}, whose page says where that one is.",
    options=SentListOptions,
    read=read_sent_lists,
)

NYT_ARNOR = CorpusSource(
    name="nyt_arnor",
    title="the NYT-10 stand-in's train, ARNOR's dev and test labelled by hand: relative comparisons only",
    shape=LABELLED,
    licence="none stated by any of the repositories",
    home="docs/corpora.md",
    files=(
        CorpusFile(
            "train", "nyt10/train.txt", sha256="c4886269c640d9ef345e8a0a17e0a23085fffd3d626e2206dcd2f629086762c3"
        ),
        CorpusFile(
            "joint_val_triples",
            "nyt10/joint_val_triples.json",
            sha256="0d0a64d4132620816826d2479623bc18c63b9cb723195cb1bdfe34e398f4b5a9",
        ),
        CorpusFile(
            "joint_test_triples",
            "nyt10/joint_test_triples.json",
            sha256="a23f08aa0c3a764ecbf6826be642538afdb1308818898391e61b791791af3615",
        ),
        CorpusFile("dev", "arnor/dev_part_ner.json", sha256=ARNOR_DEV),
        CorpusFile("test", "arnor/test_part_ner.json", sha256=ARNOR_TEST),
        CorpusFile("relations", "arnor/rel2id.json", sha256=ARNOR_RELATIONS),
    ),
    obtain="The files of nyt10_standin in nyt10, those of sent_nyt in arnor, both in one folder.",
    options=NytArnorOptions,
    read=read_nyt_arnor,
    folder=".",
)

TACRED = CorpusSource(
    name="tacred",
    title="TACRED: newswire and web sentences, 41 relations and no_relation (Zhang et al. 2017)",
    shape=LABELLED,
    licence="LDC licence (LDC2018T24)",
    home="https://catalog.ldc.upenn.edu/LDC2018T24",
    files=(
        CorpusFile("train", "train.json"),
        CorpusFile("dev", "dev.json"),
        CorpusFile("test", "test.json"),
    ),
    obtain="Obtain LDC2018T24 from the LDC; expected are the files of its folder data/json.",
    options=TacredOptions,
    read=read_tacred,
)

SEMEVAL2010_TASK8 = CorpusSource(
    name="semeval2010_task8",
    title="SemEval-2010 task 8: web sentences, 9 relations of nominals in both directions (Hendrickx et al. 2010)",
    shape=LABELLED,
    licence="Creative Commons Attribution 3.0, as its organisers announced it",
    home="https://aclanthology.org/S10-1006",
    files=(
        CorpusFile(
            "train", "TRAIN_FILE.TXT", sha256="c22fee88957d245a4b1650c6743eb8c594dcdeffc6a2aa1fa6cced059eebf0e3"
        ),
        CorpusFile(
            "test", "TEST_FILE_FULL.TXT", sha256="9ec7a35d5582b4da0fb72aa55a6121bc414ade573459e1dcf68bf189f8c18ae8"
        ),
    ),
    obtain="Public; the two files of the release that have the labels.",
    options=LabelledOptions,
    read=read_semeval,
)

LABELLED_LINES = CorpusSource(
    name="labelled_lines",
    title="labelled sentences of your own in JSON lines",
    shape=LABELLED,
    licence="yours",
    home="docs/corpora.md",
    files=(
        CorpusFile("train", "train.jsonl"),
        CorpusFile("dev", "dev.jsonl", optional=True),
        CorpusFile("test", "test.jsonl"),
    ),
    obtain="Write them as docs/corpora.md describes.",
    options=LabelledOptions,
    read=read_labelled_lines,
)

PLANTED_SENTENCES = CorpusSource(
    name="planted_sentences",
    title="generated sentences with two entities, most of them unrelated, and wrong labels that are known",
    shape=LABELLED,
    licence="generated; none needed",
    home="docs/corpora.md",
    files=(),
    obtain="Generated when it is read; there are no files.",
    options=PlantedSentencesConfig,
    read=read_planted_sentences,
    generated=True,
)

CONLL04_PAIRS = CorpusSource(
    name="conll04_pairs",
    title="CoNLL04 as pairs of entities: 4 entity types, 5 relations",
    shape=ANNOTATED,
    licence=CONLL04.licence,
    home=CONLL04.home,
    files=CONLL04.files,
    obtain=CONLL04.obtain,
    options=FiveColumnOptions,
    read=read_conll04_pairs,
    folder="conll04",
)

CHINESE_LITERATURE = CorpusSource(
    name="chinese_literature",
    title="Chinese-Literature: literary texts, 7 entity types in finer classes, 9 relations (Xu et al. 2017)",
    shape=ANNOTATED,
    licence="none stated",
    home="https://github.com/lancopku/Chinese-Literature-NER-RE-Dataset",
    files=(
        CorpusFile(
            "documents",
            "chinese_literature.tar.gz",
            sha256="a9f0f5a87ae652275cb8c92d5d2f7223fa24151592043f1d5fd698bb67ac29f2",
            tree=True,
        ),
    ),
    obtain="Public, from the authors' repository: pack its folders Training, Validation and Testing, with a .txt and "
    "an .ann per document, into a tar archive. It is not unpacked.",
    options=BratOptions,
    read=read_brat,
    folder=".",
)

ACE05_HOME = "https://catalog.ldc.upenn.edu/LDC2006T06"
ACE05_OBTAIN = (
    "Obtain LDC2006T06 from the LDC. Expected are its .sgm and .apf.xml files, as the archive that the LDC sends or as "
    "a tar archive of folders train, dev and test. It is not unpacked."
)

ACE05_ENGLISH = CorpusSource(
    name="ace05_english",
    title="ACE 2005, English: news, broadcasts and the web, 7 entity types, 6 relations",
    shape=ANNOTATED,
    licence="LDC licence (LDC2006T06)",
    home=ACE05_HOME,
    files=(CorpusFile("documents", "ace05.tar.gz", tree=True),),
    obtain=ACE05_OBTAIN,
    options=AceOptions,
    read=read_ace05_english,
    folder="ace05",
)

ACE05_CHINESE = CorpusSource(
    name="ace05_chinese",
    title="ACE 2005, Chinese, in characters: news, broadcasts and the web, 7 entity types, 6 relations",
    shape=ANNOTATED,
    licence="LDC licence (LDC2006T06)",
    home=ACE05_HOME,
    files=(CorpusFile("documents", "ace05.tar.gz", tree=True),),
    obtain=ACE05_OBTAIN,
    options=AceOptions,
    read=read_ace05_chinese,
    folder="ace05",
)

ANNOTATED_LINES = CorpusSource(
    name="annotated_lines",
    title="sentences with entities and relations of your own, as JSON lines",
    shape=ANNOTATED,
    licence="your own",
    home="docs/corpora.md",
    files=(
        CorpusFile("train", "train.jsonl"),
        CorpusFile("dev", "dev.jsonl", optional=True),
        CorpusFile("test", "test.jsonl", optional=True),
    ),
    obtain="Write each split as JSON lines (docs/corpora.md).",
    options=AnnotatedLineOptions,
    read=read_annotated_lines,
)
