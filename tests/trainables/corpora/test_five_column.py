"""The five-column format: what is read, what is refused and with which words, and that writing is reading backwards."""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.errors import DataError

from trainables.corpora.five_column import (
    DrecOptions,
    FiveColumnOptions,
    entities,
    parse,
    read_five_column,
    render,
    write_five_column,
)
from trainables.corpora.tagged import TaggedSentence

GOOD = b"""#doc 7
0\tAnn\tB-Peop\t['N']\t[0]
1\tLee\tI-Peop\t['Work_For', 'Live_In']\t[3, 5]
2\tof\tO\t['N']\t[2]
3\tAcme\tB-Org\t['N']\t[3]
4\tin\tO\t['N']\t[4]
5\tnull\tB-Loc\t['N']\t[5]
#doc 8
0\tNA\tO\t['N']\t[0]
1\tnan\tI-Loc\t['N']\t[1]
"""

DRUG = b"""#doc 1
0\trash\tB-Adverse-Effect\t['N']\t[0]
1\tfrom\tO\t['N']\t[1]
2\tgold\tB-Drug\t['Adverse-Effect']\t[0]
"""


def parsed(data: bytes, options: FiveColumnOptions | None = None) -> tuple[tuple[TaggedSentence, ...], Counter[str]]:
    counts: Counter[str] = Counter()
    return parse(data, Path("train.txt"), options or FiveColumnOptions(), counts), counts


def test_documents_tokens_tags_and_relations_are_as_written() -> None:
    sentences, counts = parsed(GOOD)
    assert sentences == (
        TaggedSentence(
            "7",
            ("Ann", "Lee", "of", "Acme", "in", "null"),
            ("B-Peop", "I-Peop", "O", "B-Org", "O", "B-Loc"),
            ((1, "Work_For", 3), (1, "Live_In", 5)),
        ),
        TaggedSentence("8", ("NA", "nan"), ("O", "I-Loc"), ()),
    )
    assert counts == {"tokens": 8, "entities": 4, "relations": 2, "I- tags without a B-": 1}


def test_the_last_line_may_lack_its_end() -> None:
    assert parsed(GOOD.removesuffix(b"\n")) == parsed(GOOD)


def test_a_type_keeps_the_dashes_in_its_name() -> None:
    (sentence,), _ = parsed(DRUG)
    assert entities(sentence.tags) == [("Adverse-Effect", 0, 0), ("Drug", 2, 2)]


def test_the_root_is_a_head_where_it_is_asked_for_and_an_error_elsewhere() -> None:
    data = b"#doc 1\n0\tROOT\tO\t['N']\t[0]\n1\thuis\tB-property\t['part-of']\t[0]\n"
    (sentence,), _ = parsed(data, DrecOptions())
    assert sentence.root and sentence.relations == ((1, "part-of", 0),)
    with pytest.raises(DataError, match=r"train.txt:3: 'part-of' from 1 to 0: token 0 is in no entity"):
        parsed(data)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["B-A", "I-A", "O", "B-A", "B-A"], [("A", 0, 1), ("A", 3, 3), ("A", 4, 4)]),
        (["I-A", "I-A", "I-B", "I-A"], [("A", 0, 1), ("B", 2, 2), ("A", 3, 3)]),
        (["B-A", "I-B", "O", "I-B"], [("A", 0, 0), ("B", 1, 1), ("B", 3, 3)]),
        (["O", "O"], []),
    ],
)
def test_entities_are_chunks_as_conlleval_reads_them(tags: list[str], expected: list[tuple[str, int, int]]) -> None:
    assert entities(tags) == expected


def line(text: str) -> bytes:
    """A document of three tokens of which the last one is ``text``."""
    return f"#doc 1\n0\ta\tB-X\t['N']\t[0]\n1\tb\tB-X\t['N']\t[1]\n{text}\n".encode()


MALFORMED = {
    "a column missing": (line("2\tc\tO\t['N']"), 4, r"4 tab-separated columns, not 5: \"2\\tc\\tO\\t['N']\""),
    "a column too many": (line("2\tc\tO\t['N']\t[2]\t"), 4, "6 tab-separated columns, not 5"),
    "blanks for tabs": (line("2 c O ['N'] [2]"), 4, "1 tab-separated columns, not 5: \"2 c O ['N'] [2]\""),
    "a head outside": (line("2\tc\tB-X\t['R']\t[3]"), 4, "'R' from 2 to 3: the head is outside the sentence"),
    "a head below 0": (line("2\tc\tB-X\t['R']\t[-1]"), 4, "'R' from 2 to -1: the head is outside the sentence"),
    "more heads": (line("2\tc\tB-X\t['R']\t[0, 1]"), 4, "1 relations but 2 heads"),
    "more relations": (line("2\tc\tB-X\t['R', 'S']\t[0]"), 4, "2 relations but 1 heads"),
    "broken UTF-8": (line("2\tc\tO\t['N']\t[2]").replace(b"\tc", b"\t\xff"), 4, "not UTF-8: byte 0xff at place 3"),
    "a tag that is not BIO": (line("2\tc\tS-X\t['N']\t[2]"), 4, "the tag 'S-X' is not BIO"),
    "a tag without a type": (line("2\tc\tB-\t['N']\t[2]"), 4, "the tag 'B-' is not BIO"),
    "a tag without its dash": (line("2\tc\tBX\t['N']\t[2]"), 4, "the tag 'BX' is not BIO"),
    "an index skipped": (line("3\tc\tO\t['N']\t[3]"), 4, "token index 3 out of sequence: 2 comes next"),
    "an index that is no number": (line("x\tc\tO\t['N']\t[2]"), 4, "the token index 'x' is not a number"),
    "an index with a sign": (line("-2\tc\tO\t['N']\t[2]"), 4, "the token index '-2' is not a number"),
    "an empty token": (line("2\t\tO\t['N']\t[2]"), 4, "an empty token"),
    "relations that are no list": (line("2\tc\tO\tN\t[2]"), 4, "the relation column 'N' is not a list"),
    "a call for a list": (line("2\tc\tO\tlist('N')\t[2]"), 4, "the relation column \"list('N')\" is not a list"),
    "a tuple for a list": (line("2\tc\tO\t['N']\t(2,)"), 4, "the head column '(2,)' is not a list"),
    "brackets without end": (line("2\tc\tO\t['N']\t" + "[" * 500), 4, "is not a list"),
    "a relation that is a number": (line("2\tc\tO\t[1]\t[2]"), 4, "has an element that is not a name"),
    "a head that is a name": (line("2\tc\tO\t['N']\t['2']"), 4, "has an element that is not a whole number"),
    "a head that is a truth value": (line("2\tc\tB-X\t['R']\t[True]"), 4, "has an element that is not a whole number"),
    "empty lists": (line("2\tc\tO\t[]\t[]"), 4, "empty lists"),
    "N beside a relation": (line("2\tc\tB-X\t['N', 'R']\t[2, 0]"), 4, "'N' stands alone"),
    "N elsewhere": (line("2\tc\tO\t['N']\t[0]"), 4, "'N' stands alone and points at its own token, 2"),
    "a relation twice": (line("2\tc\tB-X\t['R', 'R']\t[0, 0]"), 4, "the same relation twice"),
    "a relation outside entities": (line("2\tc\tO\t['R']\t[0]"), 4, "'R' from 2 to 0: token 2 is in no entity"),
    "a relation inside an entity": (
        b"#doc 1\n0\ta\tB-X\t['R']\t[2]\n1\tb\tI-X\t['N']\t[1]\n2\tc\tB-X\t['N']\t[2]\n",
        2,
        "'R' from 0 to 2: token 0 is not the last of its entity, 1 is",
    ),
    "a blank line": (line("") + b"#doc 2\n0\ta\tO\t['N']\t[0]\n", 4, "a blank line; the format has none"),
    "a token before any header": (b"0\ta\tO\t['N']\t[0]\n", 1, "before the first '#doc' header"),
    "a header without id": (b"#doc\n0\ta\tO\t['N']\t[0]\n", 1, "a header is '#doc <id>'"),
    "a header with two ids": (b"#doc 1 2\n0\ta\tO\t['N']\t[0]\n", 1, "a header is '#doc <id>'"),
    "a document without tokens": (b"#doc 1\n#doc 2\n0\ta\tO\t['N']\t[0]\n", 1, "a document without tokens"),
    "the last one without tokens": (line("#doc 2"), 4, "a document without tokens"),
    "CR LF": (b"#doc 1\r\n0\ta\tO\t['N']\t[0]\r\n", 1, "the line ends in CR LF"),
    "a carriage return inside": (line("2\tc\rd\tO\t['N']\t[2]"), 4, "a carriage return inside the line"),
    "a byte order mark": (b"\xef\xbb\xbf#doc 1\n0\ta\tO\t['N']\t[0]\n", 1, "starts with a byte order mark"),
    "nothing but a line end": (b"\n", 1, "before the first '#doc' header"),
    "cut in the middle": (line("2\tc\tO\t['N']\t[2"), 4, "the head column '[2' is not a list"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_line_is_refused_with_its_place_and_reason(case: str) -> None:
    data, number, reason = MALFORMED[case]
    with pytest.raises(DataError) as caught:
        parsed(data)
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"train.txt:{number}: ")
    assert reason.replace('\\"', '"').replace("\\\\", "\\") in first


def test_an_empty_file_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_five_column("x", {"train": path}, FiveColumnOptions())
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"train.txt:1: the file is empty"):
        read_five_column("x", {"train": path}, FiveColumnOptions())


def test_one_message_lists_twenty_lines_and_counts_the_rest() -> None:
    data = b"#doc 1\n" + b"".join(f"{i}\ta\tX\t['N']\t[{i}]\n".encode() for i in range(50))
    with pytest.raises(DataError) as caught:
        parsed(data)
    lines = str(caught.value).splitlines()
    assert [text.split(":")[1] for text in lines[:20]] == [str(i) for i in range(2, 22)]
    assert lines[20:] == ["train.txt: and 30 more malformed lines"]


def test_one_index_out_of_sequence_is_one_error() -> None:
    data = b"#doc 1\n" + b"".join(f"{i}\ta\tO\t['N']\t[{i}]\n".encode() for i in (0, 1, 3, 4, 5))
    with pytest.raises(DataError) as caught:
        parsed(data)
    assert str(caught.value) == "train.txt:4: token index 3 out of sequence: 2 comes next"


def test_malformed_documents_are_dropped_only_on_request_and_counted() -> None:
    bad = b"#doc 6\n0\ta\tO\t['N']\t[0]\n1\tb\tX\t['N']\t[1]\n"
    with pytest.raises(DataError):
        parsed(bad + GOOD)
    sentences, counts = parsed(bad + GOOD, FiveColumnOptions(malformed="drop"))
    assert sentences == parsed(GOOD)[0]
    assert counts["documents dropped as malformed"] == 1
    with pytest.raises(DataError, match="no document is left"):
        parsed(bad, FiveColumnOptions(malformed="drop"))


def test_relations_inside_an_entity_move_to_its_last_token_on_request() -> None:
    data = b"#doc 1\n0\ta\tB-X\t['R']\t[2]\n1\tb\tI-X\t['R']\t[2]\n2\tc\tB-X\t['N']\t[2]\n"
    (sentence,), counts = parsed(data, FiveColumnOptions(relation_ends="move"))
    assert sentence.relations == ((1, "R", 2),)
    assert counts["relations moved to the last token"] == 1
    assert counts["relations"] == 1


def test_a_document_in_two_splits_is_counted(tmp_path: Path) -> None:
    files = {split: tmp_path / f"{split}.txt" for split in ("train", "test")}
    files["train"].write_bytes(GOOD)
    files["test"].write_bytes(GOOD.replace(b"#doc 7", b"#doc 9"))
    corpus = read_five_column("x", files, FiveColumnOptions())
    assert corpus.counts["documents in more than one split"] == 1


def test_the_fingerprint_is_of_bytes_splits_and_options(tmp_path: Path) -> None:
    train, test = tmp_path / "a", tmp_path / "b"
    train.write_bytes(GOOD)
    test.write_bytes(DRUG)

    def fingerprint(files: dict[str, Path], **options: str) -> str:
        return read_five_column("x", files, FiveColumnOptions.model_validate(options)).fingerprint

    base = fingerprint({"train": train, "test": test})
    assert base == fingerprint({"train": train, "test": test})
    assert base != fingerprint({"train": test, "test": train})
    assert base != fingerprint({"train": train, "test": test}, malformed="drop")
    test.write_bytes(DRUG.replace(b"gold", b"zinc"))
    assert base != fingerprint({"train": train, "test": test})


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), min_size=1, max_size=6)
WORD = TEXT.filter(str.strip)
LABEL = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=6).filter(lambda name: name != "N")
IDENTIFIER = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="\ufeff"), min_size=1, max_size=6
)


@st.composite
def sentences(draw: st.DrawFn) -> TaggedSentence:
    """Any sentence that the format can hold."""
    tokens = draw(st.lists(WORD, min_size=1, max_size=8))
    types = st.sampled_from(["Loc", "Adverse-Effect", "Ä"])
    tags = [draw(st.one_of(st.just("O"), st.builds("{}-{}".format, st.sampled_from("BI"), types))) for _ in tokens]
    ends = [end for _, _, end in entities(tags)]
    triple = st.tuples(st.sampled_from(ends), LABEL, st.sampled_from(ends)) if ends else st.nothing()
    relations = draw(st.lists(triple, max_size=4, unique=True)) if ends else []
    ordered = sorted(relations, key=lambda triple: triple[0])
    return TaggedSentence(draw(IDENTIFIER), tuple(tokens), tuple(tags), tuple(ordered))


@settings(max_examples=200, deadline=None)
@given(st.lists(sentences(), min_size=1, max_size=4))
def test_what_is_written_is_read_back(written: list[TaggedSentence]) -> None:
    assert parsed(render(written).encode())[0] == tuple(written)


def test_writing_the_real_form_gives_its_bytes(tmp_path: Path) -> None:
    write_five_column(parsed(GOOD)[0], tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == GOOD


@pytest.mark.parametrize("malformed", ["fail", "drop"])
def test_mutated_bytes_give_sentences_or_a_data_error_and_nothing_else(malformed: str) -> None:
    rng = random.Random(malformed)
    options = FiveColumnOptions.model_validate({"malformed": malformed})
    outcomes: Counter[str] = Counter()
    for _ in range(300):
        data = bytearray(GOOD)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            piece = rng.choice(
                [b"", b"\x00", b"\xff", b"\n", b"\t", b"[", b"'", b"9", b"#doc", bytes([rng.randrange(256)])]
            )
            data[place : place + rng.randint(0, 3)] = piece
        try:
            found, _ = parsed(bytes(data), options)
            assert all(len(s.tokens) == len(s.tags) > 0 for s in found)
            outcomes["read"] += 1
        except DataError as error:
            assert str(error).startswith("train.txt:")
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 10


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_sentences_or_a_data_error(data: bytes) -> None:
    try:
        parsed(b"#doc 1\n0\t" + data)
    except DataError as error:
        assert str(error).startswith("train.txt:")


@pytest.fixture(scope="module")
def splits(real_data: Path) -> dict[str, tuple[TaggedSentence, ...]]:
    files = {split: real_data / "conll04" / f"{split}.txt" for split in ("train", "dev", "test")}
    corpus = read_five_column("conll04", files, FiveColumnOptions())
    assert corpus.counts["I- tags without a B-"] == 2
    return {split: tuple(items) for split, items in corpus.splits.items()}


@dataclass(frozen=True)
class Counts:
    """What one split holds; ``several`` counts tokens with more than one head, ``kinds`` the relations by name."""

    split: str
    documents: int
    tokens: int
    begins: int
    chunks: int
    relations: int
    several: int
    kinds: tuple[int, int, int, int, int]


COUNTS = (
    Counts("train", 910, 26_804, 3_391, 3_393, 1_273, 138, (203, 342, 245, 241, 242)),
    Counts("dev", 243, 6_975, 877, 877, 353, 41, (18, 79, 67, 106, 83)),
    Counts("test", 288, 8_408, 1_079, 1_079, 422, 46, (47, 100, 94, 105, 76)),
)


class TestConll04:
    """Counts taken from the published files (Bekoulis et al. 2018, data/CoNLL04)."""

    @pytest.mark.parametrize("expected", COUNTS, ids=lambda expected: expected.split)
    def test_counts(self, splits: dict[str, tuple[TaggedSentence, ...]], expected: Counts) -> None:
        items = splits[expected.split]
        assert len({item.document for item in items}) == len(items) == expected.documents
        assert sum(len(item.tokens) for item in items) == expected.tokens
        assert sum(tag.startswith("B-") for item in items for tag in item.tags) == expected.begins
        assert sum(len(entities(item.tags)) for item in items) == expected.chunks
        assert sum(len(item.relations) for item in items) == expected.relations
        names = Counter(relation for item in items for _, relation, _ in item.relations)
        assert names == dict(
            zip(("Kill", "Live_In", "Located_In", "OrgBased_In", "Work_For"), expected.kinds, strict=True)
        )
        heads = Counter((item.document, token) for item in items for token, _, _ in item.relations)
        assert sum(number > 1 for number in heads.values()) == expected.several
        assert all(item.relations for item in items)
        pairs = [(item.document, token, head) for item in items for token, _, head in item.relations]
        assert len(set(pairs)) == len(pairs)

    def test_types_lengths_and_orphans(self, splits: dict[str, tuple[TaggedSentence, ...]]) -> None:
        items = [item for split in splits.values() for item in split]
        assert max(len(item.tokens) for item in items) == 119
        assert {tag[2:] for item in items for tag in item.tags if tag != "O"} == {"Loc", "Org", "Other", "Peop"}
        orphans = {
            (item.document, i)
            for item in items
            for i, tag in enumerate(item.tags)
            if tag.startswith("I-") and (i == 0 or item.tags[i - 1][1:] != tag[1:])
        }
        assert orphans == {("4295", 31), ("1395", 34)}

    def test_writing_them_gives_their_bytes(
        self, splits: dict[str, tuple[TaggedSentence, ...]], real_data: Path
    ) -> None:
        for split, items in splits.items():
            assert render(items).encode() == (real_data / "conll04" / f"{split}.txt").read_bytes()
