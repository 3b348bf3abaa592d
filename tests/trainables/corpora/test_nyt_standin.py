"""Rows made of sentences with triples, and the counts of the real stand-in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from relab.corpora import read_corpus
from relab.corpus import Corpus
from relab.errors import DataError

from trainables.corpora.mentions import Mention, by_column
from trainables.corpora.nyt_standin import NytStandInOptions, read_nyt_standin

FILES = {
    "train": "train.txt",
    "joint_val_triples": "joint_val_triples.json",
    "joint_test_triples": "joint_test_triples.json",
    "test": "test.txt",
    "test_positives": "test_positives.txt",
}
ROW = "m.1\tm.2\tann_lee\tbob\tr\tann_lee met bob ###END###\n"


def read(folder: Path, triples: object, train: str = ROW, **options: Any) -> Corpus[Mention]:
    """A corpus of one file of triples beside one row of train and two of test."""
    files = {role: folder / path for role, path in FILES.items()}
    files["train"].write_text(train, encoding="utf-8")
    text = triples if isinstance(triples, str) else json.dumps(triples)
    files["joint_val_triples"].write_bytes(text.encode("utf-8", "surrogateescape"))
    files["joint_test_triples"].write_text("[]", encoding="utf-8")
    files["test"].write_text(ROW.replace("ann_lee", "eve"), encoding="utf-8")
    files["test_positives"].write_text(ROW.replace("bob", "tom"), encoding="utf-8")
    return read_nyt_standin("x", files, NytStandInOptions.model_validate({"dev_share": 0, **options}))


def sentence(text: str, *triples: tuple[str, str, str]) -> dict[str, Any]:
    return {"text": text, "triple_list": [list(triple) for triple in triples]}


def rows(corpus: Corpus[Mention]) -> list[tuple[str, str, str, str]]:
    """Head, tail, relation, sentence of train, without its first row, which is from the lines."""
    found = []
    for mention in list(corpus.splits["train"])[1:]:
        for name, (begin, end) in ((mention.head, mention.head_span), (mention.tail, mention.tail_span)):
            assert mention.tokens[begin:end] == (name,)
        found.append((mention.head, mention.tail, mention.relation, " ".join(mention.tokens)))
    return found


class TestTriples:
    def test_each_ordered_pair_has_its_relations_or_na(self, tmp_path: Path) -> None:
        text = "In Queens , New York , Al Roe spoke ."
        triples = [("Queens", "in", "New York"), ("Al Roe", "lives", "Queens"), ("Queens", "of", "New York")]
        made = rows(read(tmp_path, [sentence(text, *triples, triples[0])]))
        assert made == [
            ("queens", "new_york", "in", "in queens , new_york , al roe spoke ."),
            ("queens", "new_york", "of", "in queens , new_york , al roe spoke ."),
            ("queens", "al_roe", "NA", "in queens , new york , al_roe spoke ."),
            ("new_york", "queens", "NA", "in queens , new_york , al roe spoke ."),
            ("new_york", "al_roe", "NA", "in queens , new_york , al_roe spoke ."),
            ("al_roe", "queens", "lives", "in queens , new york , al_roe spoke ."),
            ("al_roe", "new_york", "NA", "in queens , new_york , al_roe spoke ."),
        ]

    def test_each_occurrence_is_joined_and_the_longer_name_comes_first(self, tmp_path: Path) -> None:
        text = "New York Mets of New York beat New Yorkers in New York"
        one, other = rows(read(tmp_path, [sentence(text, ("New York Mets", "in", "New York"))]))
        assert one == ("new_york_mets", "new_york", "in", "new_york_mets of new_york beat new yorkers in new_york")
        assert other[:3] == ("new_york", "new_york_mets", "NA")

    def test_accents_do_not_matter_and_the_name_keeps_its_own(self, tmp_path: Path) -> None:
        made = rows(read(tmp_path, [sentence("in Sao Paulo , José Sarney", ("José Sarney", "in", "São Paulo"))]))
        assert made[0] == ("josé_sarney", "são_paulo", "in", "in são_paulo , josé_sarney")

    def test_a_name_that_only_stands_inside_another_is_not_found(self, tmp_path: Path) -> None:
        corpus = read(tmp_path, [sentence("New York Mets won", ("New York Mets", "in", "New York"))], not_found_limit=1)
        assert rows(corpus) == []
        assert corpus.counts["rows dropped: an entity is no token of the sentence"] == 2
        with pytest.raises(DataError, match="in 2 of 5 rows an entity is no token"):
            read(tmp_path, [sentence("New York Mets won", ("New York Mets", "in", "New York"))])

    def test_a_row_that_the_lines_have_too_is_a_duplicate(self, tmp_path: Path) -> None:
        again = [sentence("Ann Lee met Bob", ("Ann Lee", "r", "Bob"))]
        corpus = read(tmp_path, again)
        assert [row[:3] for row in rows(corpus)] == [("bob", "ann_lee", "NA")]
        assert corpus.counts["rows dropped: duplicates"] == 1
        assert len(rows(read(tmp_path, again, duplicates="keep"))) == 2

    def test_test_is_of_both_its_files_and_pairs_are_told_by_name(self, tmp_path: Path) -> None:
        corpus = read(tmp_path, [sentence("Eve met Bob", ("Eve", "r", "Bob"))])
        assert [(m.head, m.tail) for m in corpus.splits["test"]] == [("eve", "bob"), ("ann_lee", "tom")]
        assert corpus.counts["pairs of test that train has too"] == 1
        strict = read(tmp_path, [sentence("Eve met Bob", ("Eve", "r", "Bob"))], overlap="drop")
        assert [(m.head, m.tail) for m in strict.splits["train"]] == [("ann_lee", "bob"), ("bob", "eve")]

    @pytest.mark.parametrize(
        ("triples", "reason"),
        [
            ("", "1: the file is empty"),
            ("[{", " not JSON: Expecting property name enclosed in double quotes: line 1 column 3"),
            ("[" * 100_000, " not JSON: "),
            ("[\udcff]", " not UTF-8: byte 0xff at place 2"),
            ({"text": "a"}, " not a list of sentences"),
            (["a"], " sentence 1: no text"),
            ([{"text": 1, "triple_list": []}], " sentence 1: no text"),
            ([sentence("a b", ("a", "r", "b")), {"text": "a"}], " sentence 2: no triples"),
            ([sentence("a b")], " sentence 1: no triples"),
            ([{"text": "a b", "triple_list": [["a", "b"]]}], " sentence 1: ['a', 'b'] is no triple of head,"),
            ([{"text": "a b", "triple_list": [["a", 1, "b"]]}], " sentence 1: ['a', 1, 'b'] is no triple of head,"),
            ([sentence("a b", ("a", " ", "b"))], " sentence 1: ['a', ' ', 'b'] has an empty part"),
            ([sentence(" ", ("a", "r", "b"))], " sentence 1: an empty sentence"),
            ([sentence("a \ud800 b", ("a", "r", "b"))], " sentence 1: 'utf-8' codec can't encode"),
        ],
    )
    def test_malformed_triples_are_refused(self, tmp_path: Path, triples: object, reason: str) -> None:
        with pytest.raises(DataError) as raised:
            read(tmp_path, triples)
        assert str(raised.value).startswith(f"{tmp_path / 'joint_val_triples.json'}:{reason}")


class TestRealFiles:
    @pytest.fixture(autouse=True)
    def _here(self, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not (real_data / "nyt10" / "joint_val_triples.json").is_file():
            pytest.skip("no nyt10/joint_val_triples.json beside the other real files")
        monkeypatch.setenv("RELAB_DATA", str(real_data))

    def test_the_counts_are_those_of_the_stand_in(self) -> None:
        corpus = read_corpus("nyt10_standin", {"dev_share": 0})
        train, test = by_column(corpus.splits).values()
        assert (len(train), len(test)) == (37_643, 9_604)
        assert corpus.counts == {
            "rows": 10_230 + 9_703 + 6_944 + 30_703,
            "rows dropped: duplicates": 10_316,
            "rows dropped: an entity is no token of the sentence": 17,
            "entities found as tokens": 2 * (37_643 + 9_604),
            "pairs of test that train has too": 630,
        }
        assert int((train.relation == 0).sum()) == 14_803
        assert [len(np.unique(items.pairs)) for items in (train, test)] == [14_694, 5_424]
        facts = np.stack([test.pairs, test.relation], 1)[test.relation > 0]
        assert len(np.unique(facts, axis=0)) == 1_947

    def test_the_strict_protocol_has_no_shared_pair(self) -> None:
        corpus = read_corpus("nyt10_standin", {"overlap": "drop"})
        train, dev, test = (set(items.pairs.tolist()) for items in by_column(corpus.splits).values())
        assert not (train | dev) & test and not train & dev
        assert len(train) + len(dev) == 14_694 - 630
        assert corpus.counts["pairs of test that train has too"] == 630
