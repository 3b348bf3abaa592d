"""The MNRE layout: where entities are, bags over languages, what is dropped and counted, and what is malformed."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpus import Corpus
from relab.errors import DataError

from trainables.corpora.mentions import Mention
from trainables.corpora.mnre import MnreOptions, read_mnre

RELATIONS = b"NA 0\nP17 1\nP36 2\n"
EN = b"Q90\tQ142\tparis\tfrance\tP36\tparis is the capital of france . ###END###\n"
ZH = "Q90 Q142 巴黎 法国 P36 巴黎 是 法国 的 首都 。\n".encode()
TEST = b"Q1 Q2 rome italy NA rome , not in italy ###END###\n"


@pytest.fixture
def read(tmp_path: Path) -> "Reader":
    return Reader(tmp_path)


class Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, files: Mapping[str, bytes] | None = None, relations: bytes = RELATIONS, **options: object
    ) -> Corpus[Mention]:
        files = {"train_en": EN, "test_en": TEST} | dict(files or {})
        paths = {"relations": self.folder / "relation2id.txt"}
        paths["relations"].write_bytes(relations)
        for role, data in files.items():
            paths[role] = self.folder / f"{role}.txt"
            paths[role].write_bytes(data)
        return read_mnre("m", paths, MnreOptions.model_validate({"dev_share": 0, **options}))

    def train(self, *lines: str, **options: object) -> list[Mention]:
        text = "".join(f"{line}\n" for line in lines)
        return list(self({"train_en": text.encode()}, **options).splits["train"])


def test_a_pair_has_one_bag_in_all_languages(read: Reader) -> None:
    corpus = read({"train_en": EN, "train_zh": ZH, "valid_zh": "Q5 Q6 甲 乙 P17 乙 有 甲\n".encode(), "test_fr": TEST})
    assert list(corpus.splits["train"]) == [
        Mention("en", "Q90", "Q142", "P36", ("paris", "is", "the", "capital", "of", "france", "."), (0, 1), (5, 6)),
        Mention("zh", "Q90", "Q142", "P36", ("巴黎", "是", "法国", "的", "首都", "。"), (0, 1), (2, 3)),
    ]
    assert list(corpus.splits["dev"]) == [Mention("zh", "Q5", "Q6", "P17", ("乙", "有", "甲"), (2, 3), (0, 1))]
    assert [m.language for m in corpus.splits["test"]] == ["en", "fr"]
    assert corpus.counts == {"rows": 5}


def test_mentions_of_a_pair_follow_one_another_in_the_order_of_the_files(read: Reader) -> None:
    lines = {
        "train_en": b"Q1 Q2 a b NA a b 1\nQ3 Q4 a b NA a b 2\nQ1 Q2 a b P17 a b 3\n",
        "train_zh": b"Q5 Q6 a b NA a b 4\nQ3 Q4 a b NA a b 5\nQ1 Q2 a b P17 a b 6\n",
    }
    train = read(lines).splits["train"]
    assert [m.tokens[2] for m in train] == ["1", "3", "6", "2", "5", "4"]
    assert {m.language for m in train[:3]} == {"en", "zh"}, "the first mentions, which a smoke run has, are of both"


def test_pairs_that_train_and_test_share_are_counted_and_dropped_on_wish(read: Reader) -> None:
    """Three pairs in train, two in test, one of them shared: 1."""
    files = {
        "train_en": b"Q1 Q2 a b NA a b\nQ3 Q4 a b NA a b\nQ5 Q6 a b P17 a b\n",
        "test_zh": b"Q3 Q4 a b P17 a b\nQ8 Q9 a b NA a b\n",
        "test_en": b"Q3 Q4 a b P17 a b\n",
    }
    assert read(files).counts["pairs of test that train has too"] == 1
    assert [m.head for m in read(files, overlap="drop").splits["train"]] == ["Q1", "Q5"]


def test_entities_are_ids_not_names(read: Reader) -> None:
    one, other = read.train("Q1 Q2 a b NA a b", "Q1 Q3 a b NA a b")
    assert (one.document, other.document) == ("Q1\tQ2", "Q1\tQ3")


@pytest.mark.parametrize(
    ("sentence", "token", "code"),
    [
        ("ada x ada y bo z bo", (0, 4), (2, 4)),
        ("canada ada bo x", (1, 2), (1, 2)),
        ("ada canada bo", (0, 2), (1, 2)),
        ("canada in bosnia bo", (0, 3), (0, 2)),
        ("rebo ada canada", (1, 0), (2, 0)),
    ],
)
def test_where_the_entities_are(read: Reader, sentence: str, token: tuple[int, int], code: tuple[int, int]) -> None:
    for rule, (head, tail) in (("token", token), ("code", code)):
        (mention,) = read.train(f"Q1 Q2 ada bo NA {sentence}", entities=rule)
        assert (mention.head_span, mention.tail_span) == ((head, head + 1), (tail, tail + 1)), rule


def test_an_entity_that_is_a_part_of_a_token_is_counted(read: Reader) -> None:
    corpus = read({"train_zh": "Q1 Q2 北京 中国 NA 北京市 在 中国\n".encode()})
    assert corpus.counts["entities that are a part of a token"] == 1
    assert corpus.splits["train"][1].head_span == (0, 1)


@pytest.mark.parametrize(
    ("name", "sentence", "tokens"),
    [
        ("jean-luc", "x jean - luc y bo", ("x", "jean-luc", "y", "bo")),
        ("jean-luc", "jean - luc jean - luc bo", ("jean-luc", "jean-luc", "bo")),
        ("u.s.", "u . s . bo", ("u.s.", "bo")),
        ("o'hara", "bo o ' hara", ("bo", "o'hara")),
        ("jean-luc", "jean-luc bo", ("jean-luc", "bo")),
        ("rock_&_roll", "rock_ & _roll bo", ("rock_&_roll", "bo")),
    ],
)
@pytest.mark.parametrize("punctuation", ["keep", "drop"])
def test_a_name_cut_at_its_punctuation_is_one_token_again(
    read: Reader, name: str, sentence: str, tokens: tuple[str, ...], punctuation: str
) -> None:
    (mention,) = read.train(f"Q1 Q2 {name} bo NA {sentence}", punctuation=punctuation)
    assert mention.tokens == tokens
    assert mention.tokens[mention.head_span[0]] == name


def test_punctuation_is_dropped_on_wish_and_spans_follow(read: Reader) -> None:
    line = "Q1 Q2 ada bo NA ( ada ) ... 、 c. bo !"
    (kept,), (dropped,) = read.train(line), read.train(line, punctuation="drop")
    assert kept.tokens == ("(", "ada", ")", "...", "、", "c.", "bo", "!")
    assert dropped.tokens == ("ada", "、", "c.", "bo")
    assert (dropped.head_span, dropped.tail_span) == ((0, 1), (3, 4))


def test_tokens_stand_between_ascii_white_space_alone(read: Reader) -> None:
    (mention,) = read.train("Q1\tQ2  ada \t bo NA  ada x\u3000y\u00a0z   bo  ###END### ")
    assert mention.tokens == ("ada", "x\u3000y\u00a0z", "bo")


def test_a_row_without_an_entity_is_dropped_and_counted_until_there_are_too_many(read: Reader) -> None:
    lines = "".join("Q1 Q2 ada bo NA ada met bo\n" for _ in range(18))
    missing = "Q1 Q2 ada bo NA ada met none\n"
    corpus = read({"train_en": (lines + missing).encode()})
    assert len(corpus.splits["train"]) == 18
    assert corpus.counts["rows dropped: an entity is not in the sentence"] == 1
    with pytest.raises(DataError, match=r"^m: 2 of 21 rows lack an entity, more than not_found_limit=0\.05 allows$"):
        read({"train_en": (lines + missing * 2).encode()})
    assert len(read({"train_en": (lines + missing * 2).encode()}, not_found_limit=0.1).splits["train"]) == 18
    with pytest.raises(DataError, match=r"train_en\.txt:19: the entity 'bo' is not in the sentence$"):
        read({"train_en": (lines + missing).encode()}, not_found="fail")


GOOD = b"Q1 Q2 ada bo NA ada met bo\n"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\n", "a blank line"),
        (b"Q1 Q2 ada bo\n", "no relation: 4 fields, a row has six or more"),
        (b"Q1 Q2 ada bo NA\n", "no sentence: 5 fields, a row has six or more"),
        (b"Q1 Q2 ada bo NA ###END###\n", "an empty sentence"),
        (b"Q1 Q2 ada bo NA ada ###END### bo\n", "###END### is not at the end of the line"),
        (b"Q1 Q2 ada bo P999 ada bo\n", "the relation 'P999' is not in the list of relations"),
        (b"Q1 Q2 ada lovelace bo NA ada bo\n", "the relation 'bo' is not in the list of relations"),
        (b"Q1 Q1 ada bo NA ada bo\n", "the same entity twice: 'Q1'"),
        (b"Q1 Q2 ada bo NA ada bo\r\n", "the line ends in CR LF; the format's lines end in LF alone"),
        (b"Q1 Q2 ada bo NA ada\rbo\n", "a carriage return inside the line"),
        (b"Q1 Q2 ada bo NA ada b\xf6 bo\n", "not UTF-8: byte 0xf6 at place 22 of the line"),
        (b"\xef\xbb\xbfQ1 Q2 ada bo NA ada bo\n", "starts with a byte order mark"),
    ],
)
def test_a_malformed_line_is_named(read: Reader, line: bytes, reason: str) -> None:
    with pytest.raises(DataError) as error:
        read({"train_en": GOOD + line + GOOD})
    assert str(error.value) == f"{read.folder / 'train_en.txt'}:2: {reason}"
    corpus = read({"train_en": GOOD + line + GOOD}, malformed="drop")
    assert len(corpus.splits["train"]) == 2
    assert corpus.counts["rows dropped: malformed"] == 1


@pytest.mark.parametrize(
    ("relations", "reason"),
    [
        (b"", ":1: the file is empty"),
        (b"NA 0\nP17\n", ":2: "),
        (b"NA 0\nP17 one\n", ":2: "),
        (b"NA 0\nP17 1\nP17 2\n", ":3: "),
        (b"P17 0\nNA 1\n", ":1: "),
        (b"NA 0\nP17 2\n", ":1: "),
    ],
)
def test_a_malformed_list_of_relations_is_named(read: Reader, relations: bytes, reason: str) -> None:
    with pytest.raises(DataError) as error:
        read(relations=relations)
    assert str(error.value).startswith(f"{read.folder / 'relation2id.txt'}{reason}")


def test_a_file_that_is_empty_or_has_no_row_left_is_an_error(read: Reader) -> None:
    with pytest.raises(DataError, match=r"train_zh\.txt:1: the file is empty"):
        read({"train_zh": b""})
    with pytest.raises(DataError, match=r"train_zh\.txt:1: no row is left"):
        read({"train_zh": b"Q1 Q2 ada bo NA nobody\n"}, not_found_limit=1)


def test_the_fingerprint_covers_every_file_and_every_option(read: Reader) -> None:
    prints = [
        read().fingerprint,
        read(relations=RELATIONS + b"P1 3\n").fingerprint,
        read({"train_zh": ZH}).fingerprint,
        read({"train_fr": ZH}).fingerprint,
        read({"train_en": EN + EN}).fingerprint,
        read(entities="code").fingerprint,
        read(punctuation="drop").fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert read().fingerprint == prints[0]


@settings(max_examples=300, deadline=None)
@given(
    line=st.lists(
        st.sampled_from([b"Q1", b"Q2", b"a", b"b", b" ", b"\t", b"NA", b"###END###", b"\xe4", b"\r", b"-", b"a-b"])
    )
)
def test_any_line_gives_a_mention_whose_spans_hold_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, line: list[bytes]
) -> None:
    read = Reader(tmp_path_factory.getbasetemp())
    try:
        corpus = read({"train_en": b"Q1 Q2 a-b b NA " + b" ".join(line) + b"\n"}, not_found_limit=1)
    except DataError as error:
        assert "train_en.txt:1: " in str(error)
        return
    (mention,) = corpus.splits["train"]
    assert "a-b" in mention.tokens[mention.head_span[0]]
    assert "b" in mention.tokens[mention.tail_span[0]]
