"""CoNLL04 as pairs: spans from tags, relations between the entities whose last tokens carry them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relab.corpora import read_corpus
from relab.errors import DataError, RequestError

from trainables.corpora.conll04_pairs import annotated
from trainables.corpora.five_column import write_five_column
from trainables.corpora.planted import PlantedConfig, generate
from trainables.corpora.sentences import AnnotatedSentence, Entity
from trainables.corpora.tagged import TaggedSentence

TAGGED = TaggedSentence(
    "d1",
    ("Mrs.", "Rose", "hired", "Ed", "Ames", "of", "Rome"),
    ("B-Peop", "I-Peop", "O", "B-Peop", "B-Peop", "O", "I-Loc"),
    ((1, "Work_For", 4), (4, "Live_In", 6)),
)
PAIRS = AnnotatedSentence(
    "d1",
    TAGGED.tokens,
    (Entity(0, 2, "Peop"), Entity(3, 4, "Peop"), Entity(4, 5, "Peop"), Entity(6, 7, "Loc")),
    ((0, "Work_For", 2), (2, "Live_In", 3)),
)


def test_tags_become_spans_and_last_tokens_become_entities() -> None:
    assert annotated(TAGGED) == PAIRS


@given(st.integers(0, 200))
def test_nothing_is_lost(seed: int) -> None:
    for sentence in generate(PlantedConfig(seed=seed, train=5, dev=1, test=1))["train"]:
        made = annotated(sentence)
        tags = ["O"] * len(sentence.tokens)
        for entity in made.entities:
            for i in range(entity.begin, entity.end):
                tags[i] = f"{'B' if i == entity.begin else 'I'}-{entity.type}"
        assert tuple(tags) == sentence.tags
        back = tuple((made.entities[h].end - 1, name, made.entities[t].end - 1) for h, name, t in made.relations)
        assert back == sentence.relations


def test_files_options_and_errors_are_those_of_the_five_columns(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        write_five_column([TAGGED], tmp_path / f"{split}.txt")
    given_files = {"conll04_pairs": tmp_path, "conll04": tmp_path}
    corpus = read_corpus("conll04_pairs", given=given_files)
    assert corpus.splits == dict.fromkeys(("train", "dev", "test"), (PAIRS,))
    assert corpus.fingerprint != read_corpus("conll04", given=given_files).fingerprint
    with pytest.raises(RequestError, match="an artificial root is no entity"):
        read_corpus("conll04_pairs", {"root": True}, given_files)
    (tmp_path / "dev.txt").write_text("#doc d1\n0\tRose\tB-Peop\t['Kill']\t[7]\n")
    with pytest.raises(DataError, match=r"dev\.txt:2: 'Kill' from 0 to 7: the head is outside the sentence"):
        read_corpus("conll04_pairs", given=given_files)
    with (tmp_path / "dev.txt").open("a") as file:
        file.write((tmp_path / "train.txt").read_text())
    dropped = read_corpus("conll04_pairs", {"malformed": "drop"}, given_files)
    assert (dropped.splits["dev"], dropped.counts["documents dropped as malformed"]) == ((PAIRS,), 1)


def test_the_real_files(real_data: Path) -> None:
    corpus = read_corpus("conll04_pairs", given={"conll04_pairs": real_data / "conll04"})
    assert {split: len(items) for split, items in corpus.splits.items()} == {"train": 910, "dev": 243, "test": 288}
    every = [sentence for items in corpus.splits.values() for sentence in items]
    assert sum(len(sentence.entities) for sentence in every) == corpus.counts["entities"] == 5_349
    assert sum(len(sentence.relations) for sentence in every) == corpus.counts["relations"] == 2_048
    assert {entity.type for sentence in every for entity in sentence.entities} == {"Peop", "Loc", "Org", "Other"}
    assert len({relation for sentence in every for _, relation, _ in sentence.relations}) == 5
