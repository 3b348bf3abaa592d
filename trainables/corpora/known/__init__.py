"""The corpora and word vectors that relab knows by name, a module for each shape of items."""

from trainables.corpora.known.annotated import (
    ACE05_CHINESE,
    ACE05_ENGLISH,
    ANNOTATED_LINES,
    CHINESE_LITERATURE,
    CONLL04_PAIRS,
    PLANTED_PAIRS,
)
from trainables.corpora.known.labelled import (
    LABELLED_LINES,
    NYT_ARNOR,
    PLANTED_SENTENCES,
    SEMEVAL2010_TASK8,
    SENT_NYT,
    TACRED,
)
from trainables.corpora.known.mentions import (
    CROSSRE,
    GIDS,
    GIDS_DEV_TEST,
    MNRE,
    NYT10,
    NYT10_STANDIN,
    NYT_WU,
    PLANTED_BAGS,
    PLANTED_BILINGUAL,
    UW_WU,
)
from trainables.corpora.known.tagged import ACE04, ADE, CONLL04, DREC, PLANTED_JOINT
from trainables.corpora.known.vectors import GLOVE_6B_50D

__all__ = [
    "ACE04",
    "ACE05_CHINESE",
    "ACE05_ENGLISH",
    "ADE",
    "ANNOTATED_LINES",
    "CHINESE_LITERATURE",
    "CONLL04",
    "CONLL04_PAIRS",
    "CROSSRE",
    "DREC",
    "GIDS",
    "GIDS_DEV_TEST",
    "GLOVE_6B_50D",
    "LABELLED_LINES",
    "MNRE",
    "NYT10",
    "NYT10_STANDIN",
    "NYT_ARNOR",
    "NYT_WU",
    "PLANTED_BAGS",
    "PLANTED_BILINGUAL",
    "PLANTED_JOINT",
    "PLANTED_PAIRS",
    "PLANTED_SENTENCES",
    "SEMEVAL2010_TASK8",
    "SENT_NYT",
    "TACRED",
    "UW_WU",
]
