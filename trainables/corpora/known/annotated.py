"""Sentences with all their entities and the relations between them."""

from relab.corpora import CorpusFile, CorpusSource

from trainables.corpora.ace05 import AceOptions, read_ace05_chinese, read_ace05_english
from trainables.corpora.annotated_lines import AnnotatedLineOptions, read_annotated_lines
from trainables.corpora.brat import BratOptions, read_brat
from trainables.corpora.conll04_pairs import read_conll04_pairs
from trainables.corpora.five_column import FiveColumnOptions
from trainables.corpora.known.tagged import CONLL04
from trainables.corpora.planted_pairs import PlantedPairsConfig, read_planted_pairs

SHAPE = "sentences with entities and relations"

PLANTED_PAIRS = CorpusSource(
    name="planted_pairs",
    title="generated documents whose pairs of entities are related by trigger words and entity types",
    shape=SHAPE,
    licence="generated; none needed",
    home="docs/corpora.md",
    files=(),
    obtain="Generated when it is read; there are no files.",
    options=PlantedPairsConfig,
    read=read_planted_pairs,
    generated=True,
)

CONLL04_PAIRS = CorpusSource(
    name="conll04_pairs",
    title="CoNLL04 as pairs of entities: 4 entity types, 5 relations",
    shape=SHAPE,
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
    shape=SHAPE,
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
    shape=SHAPE,
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
    shape=SHAPE,
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
    shape=SHAPE,
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
