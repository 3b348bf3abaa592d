"""The line format of NYT-10: every form of it is read, every fault has its line, every loss is counted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpora import read_corpus
from relab.corpus import Corpus
from relab.errors import DataError, NotFound

from trainables.corpora.mentions import Mention
from trainables.corpora.nyt import MentionLineOptions, parse_relations, read_mention_lines

GOOD = "m.1\tm.2\tqueens\tbelle_harbor\t/location/contains\tfire in belle_harbor , queens . ###END###\n"


def read(folder: Path, train: str | bytes, relations: str | None = None, **options: Any) -> Corpus[Mention]:
    """A corpus of one file, without dev, and perhaps with a list of relations."""
    files = {"train": folder / "train.txt"}
    files["train"].write_bytes(train.encode() if isinstance(train, str) else train)
    if relations is not None:
        files["relations"] = folder / "relation2id.txt"
        files["relations"].write_text(relations, encoding="utf-8")
    return read_mention_lines("x", files, MentionLineOptions.model_validate({"dev_share": 0, **options}))


def line(sentence: str, head: str = "ann", tail: str = "bob", relation: str = "r", ids: str = "m.1 m.2") -> str:
    return "\t".join([*ids.split(), head, tail, relation, f"{sentence} ###END###\n"])


FORMS = {
    "the mark after the sentence": "m.1\tm.2\tann\tbob\tr\tann met bob . ###END###\n",
    "the mark as a column": "m.1\tm.2\tann\tbob\tr\tann met bob .\t###END###\n",
    "blanks after the mark": "m.1\tm.2\tann\tbob\tr\tann met bob . ###END###  \n",
    "several blanks": "m.1\tm.2\tann\tbob\tr\t ann  met bob . \t###END###\n",
    "blanks between the fields": "m.1 m.2 ann bob r ann met bob . ###END###\n",
    "blanks, and the mark as a column": "m.1 m.2  ann bob r ann met bob .\t###END###\n",
    "no last line end": "m.1\tm.2\tann\tbob\tr\tann met bob . ###END###",
}
ANN = Mention("en", "m.1", "m.2", "r", ("ann", "met", "bob", "."), (0, 1), (2, 3))


class TestForms:
    @pytest.mark.parametrize("form", FORMS)
    def test_each_form_gives_the_same_mention(self, tmp_path: Path, form: str) -> None:
        corpus = read(tmp_path, FORMS[form])
        assert list(corpus.splits["train"]) == [ANN]
        assert corpus.counts == {"rows": 1, "entities found as tokens": 2}

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.lists(st.sampled_from(("née", "中", "\xa0", "\u2028", "a_b", "##", "x")), max_size=5),
                st.sampled_from(("NA", "r", "/a/b")),
                st.sampled_from(("\t###END###", " ###END###")),
            ),
            min_size=1,
            max_size=5,
        ),
        st.sampled_from("\t "),
    )
    def test_what_is_written_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[list[str], str, str]], blank: str
    ) -> None:
        """Tokens are between ASCII blanks: a no-break space or a line separator is part of one."""
        text, expected = "", []
        for number, (words, relation, mark) in enumerate(rows):
            tokens = (*words, "são_paulo", *words, "brazil")
            text += blank.join((f"m.{number}", "m.x", "são_paulo", "brazil", relation, " ".join(tokens))) + mark + "\n"
            head, tail = len(words), len(tokens) - 1
            expected.append(Mention("pt", f"m.{number}", "m.x", relation, tokens, (head, head + 1), (tail, tail + 1)))
        assert list(read(tmp_path_factory.mktemp("x"), text, language="pt").splits["train"]) == expected


MALFORMED = {
    "too few fields": (
        b"m.1\tm.2\tann\tbob\tann met bob ###END###\n",
        "5 fields before the end mark, not 6: first id,",
    ),
    "too few blanks": (b"m.1 m.2 ann bob ###END###\n", "4 fields before the end mark, not 6"),
    "too many fields": (b"m.1\tm.2\tann\tbob\tr\tann met\tbob ###END###\n", "7 fields before the end mark, not 6"),
    "no sentence": (b"m.1\tm.2\tann\tbob\tr\t###END###\n", "5 fields before the end mark, not 6"),
    "an empty sentence": (b"m.1\tm.2\tann\tbob\tr\t\t###END###\n", "an empty field: sentence"),
    "a blank sentence": (b"m.1\tm.2\tann\tbob\tr\t  \t###END###\n", "an empty sentence"),
    "an empty name": (b"m.1\tm.2\tann\t\tr\tann met bob ###END###\n", "an empty field: second name"),
    "an empty id": (b"\tm.2\tann\tbob\tr\tann met bob ###END###\n", "an empty field: first id"),
    "an empty relation": (b"m.1\tm.2\tann\tbob\t\tann met bob ###END###\n", "an empty field: relation"),
    "a blank name": (b"m.1\tm.2\t \tbob\tr\tann met bob ###END###\n", "blanks around the field ' '"),
    "blanks around an id": (b"m.1\tm.2 \tann\tbob\tr\tann met bob ###END###\n", "blanks around the field 'm.2 '"),
    "broken UTF-8": (b"m.1\tm.2\tann\tbob\tr\tann met \xe4 bob ###END###\n", "not UTF-8: byte 0xe4 at place 27 of the"),
    "broken UTF-8 in a name": (b"m.1\tm.2\t\xff\tbob\tr\tann met bob ###END###\n", "not UTF-8: byte 0xff at place 9"),
    "CR LF": (b"m.1\tm.2\tann\tbob\tr\tann met bob ###END###\r\n", "the line ends in CR LF"),
    "a carriage return": (b"m.1\tm.2\tann\tbob\tr\tann met\rbob ###END###\n", "a carriage return inside the line"),
    "a byte order mark": (
        b"\xef\xbb\xbfm.1\tm.2\tann\tbob\tr\tann met bob ###END###\n",
        "starts with a byte order mark",
    ),
    "no end mark": (b"m.1\tm.2\tann\tbob\tr\tann met bob .\n", "no end mark ###END###"),
    "a blank line": (b"\n", "a blank line"),
    "the end mark alone": (b"###END###\n", "0 fields before the end mark, not 6"),
    "the end mark in a token": (b"m.1\tm.2\tann\tbob\tr\tann met bob.###END###\n", "the end mark is part of a token"),
    "text after the end mark": (b"m.1\tm.2\tann\tbob\tr\tann met bob ###END### .\n", "text after the end mark"),
    "two end marks": (b"m.1\tm.2\tann\tbob\tr\tann ###END### bob ###END###\n", "text after the end mark"),
    "a column after the end mark": (b"m.1\tm.2\tann\tbob\tr\tann met bob\t###END###\t\n", "text after the end mark"),
    "the same entity twice": (b"m.1\tm.1\tann\tbob\tr\tann met bob ###END###\n", "the same entity twice: 'm.1'"),
    "an unknown relation": (b"m.1\tm.2\tann\tbob\ts\tann met bob ###END###\n", "unknown relation 's'"),
    "a misspelt relation": (
        b"m.1\tm.2\tann\tbob\t/location/contain\tann met bob ###END###\n",
        "unknown relation '/location/contain'; did you mean '/location/contains'?",
    ),
}
KNOWN = "NA 0\n/location/contains 1\nr 2\n"


class TestMalformed:
    @pytest.mark.parametrize("kind", MALFORMED)
    def test_it_is_refused_with_its_line_or_dropped_and_counted(self, tmp_path: Path, kind: str) -> None:
        broken, reason = MALFORMED[kind]
        # What a file may only begin with stands in its first line, all else in its second.
        first = kind == "a byte order mark"
        data = broken + GOOD.encode() if first else GOOD.encode() + broken + GOOD.encode()
        with pytest.raises(DataError) as raised:
            read(tmp_path, data, KNOWN)
        assert str(raised.value).startswith(f"{tmp_path / 'train.txt'}:{1 if first else 2}: {reason}")
        assert "\n" not in str(raised.value), "one problem, and the other lines have none"
        corpus = read(tmp_path, data, KNOWN, malformed="drop")
        assert len(corpus.splits["train"]) == (1 if first else 2)
        assert corpus.counts["rows dropped: malformed"] == 1

    def test_all_of_them_are_listed_up_to_a_limit(self, tmp_path: Path) -> None:
        with pytest.raises(DataError) as raised:
            read(tmp_path, (GOOD + "x\n") * 30)
        listed = str(raised.value).split("\n")
        assert [row.split(":")[1] for row in listed[:20]] == [str(2 * n) for n in range(1, 21)]
        assert listed[20:] == [f"{tmp_path / 'train.txt'}: and 10 more malformed lines"]

    def test_a_file_without_a_good_line_is_no_split(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"train.txt:1: the file is empty"):
            read(tmp_path, "")
        with pytest.raises(DataError, match=r"train.txt:1: no row is left, all are malformed or lack an entity"):
            read(tmp_path, "x\n", malformed="drop")

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(
            st.sampled_from([b"m.1", b"m.2", b"\t", b"\t", b" ", b"r", b"###END###", b"\n", b"\r", b"\xff", b"\x0b"]),
            max_size=16,
        )
    )
    def test_no_bytes_raise_anything_else(self, tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
        folder, data = tmp_path_factory.mktemp("x"), GOOD.encode() + b"".join(parts)
        kept = len(read(folder, data, malformed="drop").splits["train"])
        lines = len(data.removesuffix(b"\n").split(b"\n"))
        try:
            assert len(read(folder, data).splits["train"]) == kept == lines
        except DataError as error:
            assert len(str(error).split("\n")) == lines - kept


class TestPlaces:
    def test_an_entity_is_where_its_name_first_occurs(self, tmp_path: Path) -> None:
        (mention,) = read(tmp_path, line("bob , bob and ann , ann")).splits["train"]
        assert (mention.head_span, mention.tail_span) == ((4, 5), (0, 1))

    @pytest.mark.parametrize(
        ("name", "sentence", "place"),
        [
            ("Windsor,_London", "bob of Windsor,_London.", 2),
            ("Windsor,_London", "bob of (Windsor,_London) , Windsor,_London", 4),
            ("King_Jr.", "bob , King_Jr. , died", 2),
            ("King_Jr.", "bob , King_Jr.; died", 2),
            ("King_Jr", "bob , King_Jr., died", 2),
            ("Żoë", "bob , 'Żoë'", 2),
        ],
    )
    def test_the_name_itself_comes_before_the_name_with_punctuation(
        self, tmp_path: Path, name: str, sentence: str, place: int
    ) -> None:
        corpus = read(tmp_path, line(sentence, head=name))
        assert corpus.splits["train"][0].head_span == (place, place + 1)
        bare = int(name not in sentence.split())
        assert corpus.counts["entities found as tokens"] == 2 - bare
        assert corpus.counts.get("entities found without punctuation", 0) == bare

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [("Paris", "bob is Paris-born"), ("ann", "bob met Ann"), ("...", "bob met !"), ("a b", "a b bob")],
    )
    def test_nothing_else_is_the_name(self, tmp_path: Path, name: str, sentence: str) -> None:
        absent = line(sentence, head=name)
        corpus = read(tmp_path, GOOD + absent, not_found_limit=0.5)
        assert len(corpus.splits["train"]) == 1
        assert corpus.counts["rows dropped: an entity is no token of the sentence"] == 1
        for malformed in ("fail", "drop"):
            with pytest.raises(DataError) as raised:
                read(tmp_path, GOOD + absent, not_found="fail", malformed=malformed)
            assert str(raised.value) == f"{tmp_path / 'train.txt'}:2: the entity {name!r} is no token of the sentence"

    def test_the_missing_one_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="the entity 'bob' is no token"):
            read(tmp_path, line("ann met Bob"), not_found="fail")

    def test_too_many_of_them_are_refused_even_if_they_are_dropped(self, tmp_path: Path) -> None:
        text = GOOD * 19 + line("ann met Bob")
        assert len(read(tmp_path, text).splits["train"]) == 19, "5 % are allowed"
        with pytest.raises(DataError, match=r"x: in 2 of 20 rows an entity is no token of the sentence. That is more "):
            read(tmp_path, text.removeprefix(GOOD) + line("ann met Bob"))
        assert len(read(tmp_path, line("ann met Bob") + GOOD, not_found_limit=1).splits["train"]) == 1
        with pytest.raises(DataError, match="more than the 0.0% that not_found_limit allows"):
            read(tmp_path, text, not_found_limit=0)


class TestOptions:
    def test_duplicates_have_the_same_entities_relation_and_tokens(self, tmp_path: Path) -> None:
        text = GOOD + line("ann met bob") + line("ann  met bob") + GOOD + line("ann met bob", relation="NA")
        text += line("ann met bob", ids="m.1 m.3") + line("bob met ann")
        assert len(read(tmp_path, text).splits["train"]) == 7
        corpus = read(tmp_path, text, duplicates="drop")
        assert corpus.counts["rows dropped: duplicates"] == 2
        assert [(m.relation, m.tail, m.tokens[0]) for m in corpus.splits["train"]] == [
            ("/location/contains", "m.2", "fire"),
            ("r", "m.2", "ann"),
            ("NA", "m.2", "ann"),
            ("r", "m.3", "ann"),
            ("r", "m.2", "bob"),
        ]
        assert len(read(tmp_path, text, duplicates="drop", identity="name").splits["train"]) == 4

    def test_a_row_of_another_split_is_no_duplicate(self, tmp_path: Path) -> None:
        files = {split: tmp_path / f"{split}.txt" for split in ("train", "test")}
        for path in files.values():
            path.write_text(GOOD, encoding="utf-8")
        corpus = read_mention_lines("x", files, MentionLineOptions(duplicates="drop", dev_share=0))
        assert {split: len(items) for split, items in corpus.splits.items()} == {"train": 1, "test": 1}
        assert corpus.counts["pairs of test that train has too"] == 1

    def test_what_identifies_an_entity(self, tmp_path: Path) -> None:
        text = line("ann met bob") + line("ann met bob", ids="m.3 m.2")
        by_id, by_name = (read(tmp_path, text, identity=identity).splits["train"] for identity in ("mid", "name"))
        assert [(m.head, m.tail) for m in by_id] == [("m.1", "m.2"), ("m.3", "m.2")]
        assert [(m.head, m.tail) for m in by_name] == [("ann", "bob")] * 2
        cities = line("new_york is in new_york", head="new_york", tail="new_york")
        (mention,) = read(tmp_path, cities).splits["train"]
        assert (mention.head, mention.tail, mention.head_span, mention.tail_span) == ("m.1", "m.2", (0, 1), (0, 1))
        with pytest.raises(DataError, match="the same entity twice: 'new_york'"):
            read(tmp_path, cities, identity="name")

    def test_the_fingerprint_is_of_bytes_and_options(self, tmp_path: Path) -> None:
        one = read(tmp_path, GOOD).fingerprint
        assert read(tmp_path, GOOD).fingerprint == one
        others = {
            read(tmp_path, GOOD + GOOD).fingerprint,
            read(tmp_path, GOOD, duplicates="drop").fingerprint,
            read(tmp_path, GOOD, dev_share=0.1).fingerprint,
            read(tmp_path, GOOD, KNOWN).fingerprint,
            read(tmp_path, GOOD, KNOWN + "s 3\n").fingerprint,
        }
        assert len(others | {one}) == 6


class TestRelations:
    def test_they_are_all_there_is_in_the_order_of_their_ids(self, tmp_path: Path) -> None:
        made = read(tmp_path, GOOD, "4\nNA 0\nq 3\n/location/contains 1\n\u00fcber 2").splits["train"]
        assert made.symbols.relations.names == ["NA", "/location/contains", "über", "q"]  # type: ignore[attr-defined]
        assert made[0].relation == "/location/contains"

    def test_without_a_list_they_are_those_of_the_rows(self, tmp_path: Path) -> None:
        made = read(tmp_path, line("ann met bob") + GOOD).splits["train"]
        assert made.symbols.relations.names == ["NA", "r", "/location/contains"]  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("data", "place", "reason"),
        [
            (b"NA 0\nr\n", 2, "'r' is not a relation and its id"),
            (b"NA 0\nr 1 x\n", 2, "'r 1 x' is not a relation and its id"),
            (b"NA 0\nr x\n", 2, "'r x' is not a relation and its id"),
            (b"NA 0\n2\nr 1\n", 2, "'2' is not a relation and its id"),
            (b"NA 0\n\nr 1\n", 2, "'' is not a relation and its id"),
            (b"NA 0\nr 1\r\n", 2, "the line ends in CR LF"),
            (b"NA 0\n\xff 1\n", 2, "not UTF-8: byte 0xff"),
            (b"\xef\xbb\xbfNA 0\n", 1, "starts with a byte order mark"),
            (b"NA 0\nr 1\nr 2\n", 3, "'r 2': the name or the id for the second time"),
            (b"NA 0\nr 1\ns 1\n", 3, "'s 1': the name or the id for the second time"),
            (b"NA 0\nr 2\n", 1, "2 ids that are not the numbers from 0 to 1"),
            (b"NA 1\nr 0\n", 1, "the id 0 belongs to 'NA', not to 'r'"),
            (b"r 0\n", 1, "the id 0 belongs to 'NA', not to 'r'"),
            (b"3\nNA 0\nr 1\n", 1, "3 relations announced, 2 there"),
        ],
    )
    def test_a_malformed_list_is_refused(self, data: bytes, place: int, reason: str) -> None:
        with pytest.raises(DataError) as raised:
            parse_relations(data, Path("relation2id.txt"))
        assert str(raised.value).startswith(f"relation2id.txt:{place}: {reason}")


def test_a_source_may_read_the_folder_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAB_DATA", str(tmp_path))
    with pytest.raises(NotFound, match="with the files in FOLDER/gids"):
        read_corpus("gids_dev_test")
    (tmp_path / "gids").mkdir()
    (tmp_path / "gids" / "dev.tsv").write_text(GOOD, encoding="utf-8")
    (tmp_path / "gids" / "test.tsv").write_text(GOOD + GOOD, encoding="utf-8")
    corpus = read_corpus("gids_dev_test", {"dev_share": 0})
    assert {split: len(items) for split, items in corpus.splits.items()} == {"train": 1, "test": 2}
    with pytest.raises(NotFound, match="lacks train.tsv"):
        read_corpus("gids")


def facts(items: Sequence[Mention]) -> int:
    return len({(item.document, item.relation) for item in items if item.relation != "NA"})


def pairs(items: Sequence[Mention]) -> int:
    return len({item.document for item in items})


class TestRealFiles:
    def test_gids(self, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not (real_data / "gids" / "dev.tsv").is_file():
            pytest.skip("no gids/dev.tsv beside the other real files")
        monkeypatch.setenv("RELAB_DATA", str(real_data))
        corpus = read_corpus("gids_dev_test")
        assert corpus.counts == {
            "rows": 1_864 + 5_663,
            "rows dropped: an entity is no token of the sentence": 14,
            "entities found as tokens": 14_977,
            "entities found without punctuation": 49,
        }, "and no pair is in both files"
        train, dev, test = corpus.splits.values()
        assert len(train) + len(dev) == 1_863
        assert pairs(train) + pairs(dev) == 1_081, "1,082 less one whose only row was dropped"
        assert len(test) == 5_650
        assert round(float(np.mean([m.relation == "NA" for m in (*train, *dev, *test)])), 2) == 0.24

    def test_the_line_files_of_the_nyt_stand_in(self, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The end mark is in the sentence's field in train.txt, and a column of its own in test.txt."""
        if not (real_data / "nyt10" / "train.txt").is_file():
            pytest.skip("no nyt10/train.txt beside the other real files")
        monkeypatch.setenv("RELAB_DATA", str(real_data))
        with pytest.raises(DataError) as raised:
            read_corpus("nyt10")
        assert str(raised.value).count(": unknown relation '") == 20, "this train.txt and this list are no pair"
        assert "and 12 more malformed lines" in str(raised.value)
        corpus = read_corpus("nyt10", {"malformed": "drop", "duplicates": "drop", "dev_share": 0})
        assert len(corpus.splits["test"]) == 9_003 - 4
        assert facts(corpus.splits["test"]) == 1_884
        assert corpus.splits["train"].symbols.relations.names[:2] == [  # type: ignore[attr-defined]
            "NA",
            "/location/neighborhood/neighborhood_of",
        ]
