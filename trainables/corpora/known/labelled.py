"""Sentences with one pair of entities, labelled."""

from relab.corpora import CorpusFile, CorpusSource

from trainables.corpora.json_lines import read_labelled_lines
from trainables.corpora.labelled import LabelledOptions
from trainables.corpora.nyt_arnor import NytArnorOptions, read_nyt_arnor
from trainables.corpora.planted_sentences import PlantedSentencesConfig, read_planted_sentences
from trainables.corpora.semeval import read_semeval
from trainables.corpora.sent_lists import SentListOptions, read_sent_lists
from trainables.corpora.tacred import TacredOptions, read_tacred

SHAPE = "labelled sentences"

SENT_HOME = "https://github.com/rtmaww/SENT"

ARNOR_DEV = "6c37b2314d717d746fc62c642a5777eccc5bf9aa3229af4819260cf3ec3387d8"

ARNOR_TEST = "448b4efe668abf2689ac249cc06d8cc7ff30905574bd71d877b99de9f5ad1808"

ARNOR_RELATIONS = "5d786d981a9371f846aea0e5c7d9738608cc8a06d664115a571a18a3a32cdd36"

SENT_NYT = CorpusSource(
    name="sent_nyt",
    title="NYT sentences labelled by Freebase, dev and test by hand (Jia et al. 2019; release of Ma et al. 2021)",
    shape=SHAPE,
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
    shape=SHAPE,
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
    shape=SHAPE,
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
    shape=SHAPE,
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
    shape=SHAPE,
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
    shape=SHAPE,
    licence="generated; none needed",
    home="docs/corpora.md",
    files=(),
    obtain="Generated when it is read; there are no files.",
    options=PlantedSentencesConfig,
    read=read_planted_sentences,
    generated=True,
)
