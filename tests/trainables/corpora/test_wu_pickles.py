"""Wu's pickles: plain data of every protocol is read, and nothing else is, whatever a pickle asks for."""

import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpus import Corpus
from relab.errors import DataError

from trainables.corpora.mentions import Mention
from trainables.corpora.wu_pickles import WuOptions, load_plain, read_nyt_wu, read_uw_wu

PATH = Path("train.p")
TOKENS = ["Ada", "met", "Bo", "."]
SPANS = (0, 1, 2, 3)
RELATIONS = {"NA": 0, "knows": 1, "likes": 2}
GROUPS: dict[Any, Any] = {("m1", "m2"): (["knows"], [TOKENS, ["Bo", "Ada"]], [SPANS, (1, 2, 0, 1)])}
TEST: dict[Any, Any] = {("m3", "m4"): (["NA"], [TOKENS], [SPANS])}
MATRIX = np.arange(6, dtype=np.float64).reshape(3, 2) / 4
VECTORS = (MATRIX, ["Ada", "met", "<pad>"])


class Folder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, values: Mapping[str, object], protocol: int) -> dict[str, Path]:
        paths = {}
        for role, value in values.items():
            paths[role] = self.folder / f"{role}.p"
            paths[role].write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
        return paths

    def nyt(self, protocol: int = 3, malformed: str = "fail", **values: object) -> Corpus[Mention]:
        given = {"relations": RELATIONS, "train": GROUPS, "test": TEST} | values
        options = WuOptions.model_validate({"dev_share": 0, "malformed": malformed})
        return read_nyt_wu("nyt_wu", self.files(given, protocol), options)

    def uw(self, **values: object) -> Corpus[Mention]:
        part = ([TOKENS], [("m1", "m2")], [SPANS], ["knows"])
        given = {"relations": RELATIONS, "random": part, "gabor": part, "distant": part, "test": TEST} | values
        return read_uw_wu("uw_wu", self.files(given, 3), WuOptions(dev_share=0))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_nyt_layout_in_every_protocol(folder: Folder, protocol: int, order: Any) -> None:
    corpus = folder.nyt(protocol, vectors=(np.array(MATRIX, order=order), VECTORS[1]))
    assert list(corpus.splits["train"]) == [
        Mention("en", "m1", "m2", "knows", tuple(TOKENS), (0, 1), (2, 3)),
        Mention("en", "m1", "m2", "knows", ("Bo", "Ada"), (1, 2), (0, 1)),
    ]
    assert [m.relation for m in corpus.splits["test"]] == ["NA"]
    assert corpus.vectors is not None
    assert corpus.vectors.words == ("Ada", "met", "<pad>")
    assert corpus.vectors.matrix.tolist() == MATRIX.tolist()
    assert corpus.vectors.matrix.dtype == np.float32


def test_a_pair_with_two_relations_has_its_sentences_for_each(folder: Folder) -> None:
    train = folder.nyt(train={("a", "b"): (["knows", "likes"], [TOKENS], [SPANS])}).splits["train"]
    assert [(m.document, m.relation) for m in train] == [("a\tb", "knows"), ("a\tb", "likes")]


def test_the_order_of_relations_is_that_of_their_numbers(folder: Folder) -> None:
    shuffled = folder.nyt(relations={"likes": 2, "NA": 0, "knows": 1}).splits["train"]
    assert shuffled.symbols.relations.names == ["NA", "knows", "likes"]  # type: ignore[attr-defined]


def test_pairs_may_be_one_name(folder: Folder) -> None:
    (first, *_) = folder.nyt(train={"m1,m2": GROUPS["m1", "m2"]}).splits["train"]
    assert (first.head, first.tail) == ("m1,m2", "")


def test_shared_pairs_are_counted(folder: Folder) -> None:
    assert folder.nyt(train=GROUPS | TEST).counts["pairs of test that train has too"] == 1


def test_the_uw_layout_trains_on_all_three_parts_and_merges_pairs(folder: Folder) -> None:
    other = ([TOKENS, TOKENS], [("m1", "m2"), ("m5", "m6")], [SPANS, SPANS], ["NA", "likes"])
    corpus = folder.uw(distant=other)
    assert [(m.head, m.relation) for m in corpus.splits["train"]] == [
        ("m1", "knows"),
        ("m1", "knows"),
        ("m1", "NA"),
        ("m5", "likes"),
    ]
    assert len({m.document for m in corpus.splits["train"]}) == 2


def test_byte_strings_of_python_2_are_utf_8(folder: Folder) -> None:
    dumped = b"(dp0\n(S'm1'\np1\nVm2\np2\ntp3\n((lp4\nS'knows'\np5\na(lp6\n(lp7\nS'caf\\xc3\\xa9'\np8\naVBo\np9\naa"
    dumped += b"(lp10\n(I0\nI1\nI1\nI2\ntp11\natp12\ns."
    (mention,) = folder.nyt(train=dumped).splits["train"]
    assert mention == Mention("en", "m1", "m2", "knows", ("café", "Bo"), (0, 1), (1, 2))


def test_an_array_of_python_2_is_read() -> None:
    rows = np.array([[0.5, -1.0]], dtype="<f4")
    dumped = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01K\x02\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08" + rows.tobytes() + b"tb."
    )
    assert load_plain(dumped, PATH).values.tolist() == [[0.5, -1.0]]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.sets(st.integers())
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(value=plain, protocol=st.integers(0, 5))
def test_plain_data_comes_back_as_it_was(value: object, protocol: int) -> None:
    assert load_plain(pickle.dumps(value, protocol), PATH) == value


class Runs:
    """Python's own loader would run it."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_a_command_is_refused_by_name(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "ran"
    dumped = pickle.dumps([Runs(os.system, f"touch {target}")], protocol)
    with pytest.raises(DataError, match=rf"^train\.p: not a pickle of plain data: it asks for {os.name}\.system$"):
        load_plain(dumped, PATH)
    pickle.loads(dumped)
    assert target.exists(), "it is a pickle that would have run"


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (Runs(eval, "1"), "__builtin__.eval"),
        (Runs(getattr, [], "append"), "__builtin__.getattr"),
        (OrderedDict(), "collections.OrderedDict"),
        (np.float64(1), "numpy.*scalar"),
        (Runs(np.load, "x"), "numpy.load"),
        (np.dtype("f4").type, "numpy.float32"),
        (bytearray(b"x"), "__builtin__.bytearray"),
        (frozenset({1}), "__builtin__.frozenset"),
        (1j, "__builtin__.complex"),
        (WuOptions(), "trainables.corpora.wu_pickles.WuOptions"),
    ],
)
def test_other_globals_are_refused_by_name(value: object, asked: str) -> None:
    with pytest.raises(DataError, match=f"it asks for {asked}"):
        load_plain(pickle.dumps(value, 2), PATH)


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
DTYPE = b"cnumpy\ndtype\n"
EMPTY = RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R"
F4 = DTYPE + b"X\x02\x00\x00\x00f4K\x00K\x01\x87R"
ONE = b"C\x04\x00\x00\x80\x3f"


def array(version: bytes = b"K\x01", shape: bytes = b"K\x01\x85", kind: bytes = F4, data: bytes = ONE) -> bytes:
    return b"\x80\x03" + EMPTY + b"(" + version + shape + kind + b"\x89" + data + b"tb."


def test_the_hand_made_array_is_well_formed_by_itself() -> None:
    assert load_plain(array(), PATH).values.tolist() == [1.0]


@pytest.mark.parametrize(
    ("dumped", "reason"),
    [
        (b"", "it ends before its end"),
        (b"\x80\x03]", "it ends before its end"),
        (b"\x80\x03K.", "it ends before its end"),
        (b"\x80\x03X\xff\xff\xff\x00ab.", "it ends before its end"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"ab.", "it ends before its end"),
        (b"\x80\x04\x95" + b"\xff" * 8 + b"].", "FRAME length exceeds"),
        (b"\x80\x03\xff.", "the byte 0xff at 2 is no operation"),
        (b"\x80\x03}r\xff\xff\xff\x7f.", "the place 2,147,483,647 in the memo"),
        (b"}p99999999\n.", "the place 99,999,999 in the memo"),
        (b"}p-1\n.", "the place -1 in the memo"),
        (b"}px\n.", "invalid literal"),
        (b"\x80\x03h\x05.", "Memo value not found at index 5"),
        (b"\x80\x03.", ""),
        (b"(ios\nsystem\n.", "it asks for os.system"),
        (b"(ios\nsystem.", "it ends before its end"),
        (b"(cos\nsystem\no.", "it asks for os.system"),
        (b"\x80\x02cos\nsystem\n)\x81.", "it asks for os.system"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"Pfile\n.", "the operation PERSID"),
        (b"\x80\x02\x82\x01.", "the operation EXT1"),
        (b"\x80\x05\x97.", "the operation NEXT_BUFFER"),
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93.", "it asks for os.system"),
        (b"\x80\x04K\x01K\x02\x93.", "STACK_GLOBAL requires str"),
        (b"\x80\x03K\x01)R.", "not callable"),
        (DTYPE + b"}X\x05\x00\x00\x00_callK\x01sb.", "a change to a global"),
        (DTYPE + b"N}X\x05\x00\x00\x00_callK\x01s\x86b.", "a change to a global"),
        (b"cbuiltins\nset\nK\x05\x85R.", "not iterable"),
        (b"cbuiltins\nbytes\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.", "argument"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.", "_codecs.encode of something else"),
        (b"c_codecs\nencode\nK\x01X\x06\x00\x00\x00latin1\x86R.", "_codecs.encode of something else"),
        (DTYPE + b"X\x02\x00\x00\x00O8\x85R.", "an array of type 'O8'"),
        (DTYPE + b"X\x0b\x00\x00\x00f4,(1000)f8\x85R.", "an array of type"),
        (DTYPE + b"K\x04\x85R.", "a int, not a text"),
        (DTYPE + b")R.", "argument"),
        (F4[:-1] + b"R(K\x03X\x01\x00\x00\x00?tb.", "byte order '\\?'"),
        (F4[:-1] + b"RK\x03b.", "byte order ''"),
        (array(shape=b"K\x02\x85"), "cannot reshape"),
        (array(shape=b"J\xff\xff\xff\xff\x85"), "another shape"),
        (array(shape=b"(K\x01K\x01K\x01t"), "another shape"),
        (array(kind=b"N"), "an array without a type"),
        (array(kind=b"cnumpy\nndarray\n"), "an array without a type"),
        (array(data=b"]"), "an array whose data is a list"),
        (array(data=b"C\x03abc"), "buffer size"),
        (b"\x80\x03" + EMPTY + b"K\x01b.", "an array without its five values"),
    ],
)
def test_odd_and_broken_pickles_are_errors_and_nothing_worse(dumped: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=rf"^train\.p: not a pickle of plain data: .*{reason}"):
        load_plain(dumped, PATH)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_change_to_a_pickle_gets_more_than_plain_data_out_of_it(data: st.DataObject) -> None:
    dumped = bytearray(pickle.dumps([GROUPS, VECTORS], data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        dumped[data.draw(st.integers(0, len(dumped) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(dumped)))
    for made in (bytes(dumped), bytes(dumped[:cut])):
        try:
            found = load_plain(made, PATH)
        except DataError:
            continue
        assert type(found).__module__ in {"builtins", "trainables.corpora.wu_pickles"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"relations": ["NA"]}, "a list, not a dictionary from names to numbers"),
        ({"relations": {"NA": 1, "x": 0}}, "the number 0 belongs to 'x', not to 'NA'"),
        ({"relations": {"NA": 0, "x": 2}}, "the numbers of 2 relations are not 0 to 1"),
        ({"relations": {"NA": 0, 3: 1}}, "a int, not a text"),
        ({"train": [1]}, "a list, not a dictionary of entity pairs"),
        ({"train": {}}, "no sentence is left"),
        ({"train": {("a", "b"): (["knows"], [TOKENS])}}, "not enough values to unpack"),
        ({"train": {("a", "b"): (["knows"], [TOKENS], [])}}, "1 sentences and 0 spans"),
        ({"train": {("a", "b"): (["knows"], [], [])}}, "0 sentences and 0 spans"),
        ({"train": {("a", "b"): ([], [TOKENS], [SPANS])}}, "no relation"),
        ({"train": {("a", "b"): ("knows", [TOKENS], [SPANS])}}, "a str, not a list"),
        ({"train": {("a", "b"): (["hates"], [TOKENS], [SPANS])}}, "'hates' is not in the file of relations"),
        ({"train": {("a", "b", "c"): (["knows"], [TOKENS], [SPANS])}}, "the entity pair is not two names"),
        ({"train": {("a", 2): (["knows"], [TOKENS], [SPANS])}}, "a int, not a text"),
        ({"train": {("a", "b"): (["knows"], [["x", 3]], [SPANS])}}, "a int, not a text"),
        ({"train": {("a", "b"): (["knows"], [["x", ""]], [SPANS])}}, "an empty token"),
        ({"train": {("a", "b"): (["knows"], [TOKENS], [(0, 1, 2)])}}, "not four whole numbers"),
        ({"train": {("a", "b"): (["knows"], [TOKENS], [(0, 1, 2, True)])}}, "not four whole numbers"),
        ({"train": {("a", "b"): (["knows"], [TOKENS], [(0, 1, 2, 9)])}}, "the span [2, 9) is not in the sentence"),
        ({"train": {("a", "b"): (["knows"], [TOKENS], [(1, 1, 2, 3)])}}, "the span [1, 1) is not in the sentence"),
        ({"vectors": [MATRIX]}, "not a matrix and its words"),
        ({"vectors": (MATRIX.tolist(), VECTORS[1])}, "not a matrix and its words"),
        ({"vectors": (MATRIX, ["a", "b"])}, "a float64 matrix of shape (3, 2) for 2 words"),
        ({"vectors": (MATRIX[0], ["a", "b"])}, "a float64 matrix of shape (2,) for 2 words"),
        ({"vectors": (MATRIX + np.inf, ["a", "b", "c"])}, "a number that is not finite"),
        ({"vectors": (MATRIX, ["a", "b", "a"])}, "a word for the second time"),
    ],
)
def test_other_data_than_the_layout_is_named(folder: Folder, values: dict[str, object], reason: str) -> None:
    with pytest.raises(DataError) as error:
        folder.nyt(**values)
    assert str(error.value).startswith(f"{folder.folder / next(iter(values))}.p: ")
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ([TOKENS], "not four lists of one length: [4]"),
        (([TOKENS], [("a", "b")], [SPANS], []), "not four lists of one length: [1, 1, 1, 0]"),
        (([], [], [], []), "not four lists of one length: [0, 0, 0, 0]"),
        (([TOKENS], [("a", "b")], 4, ["NA"]), "a int, not a list"),
        (
            ([TOKENS], [("a", "b")], [SPANS], ["hates"]),
            "sentence 0: the relation 'hates' is not in the file of relations",
        ),
    ],
)
def test_other_data_than_the_uw_layout_is_named(folder: Folder, part: object, reason: str) -> None:
    with pytest.raises(DataError) as error:
        folder.uw(gabor=part)
    assert str(error.value).startswith(f"{folder.folder / 'gabor.p'}: ")
    assert reason in str(error.value)


def test_malformed_sentences_are_dropped_on_wish_and_counted(folder: Folder) -> None:
    train = {("a", "b"): (["knows"], [TOKENS, TOKENS], [SPANS, (0, 1, 2, 9)])}
    corpus = folder.nyt(train=train, malformed="drop")
    assert len(corpus.splits["train"]) == 1
    assert corpus.counts["sentences dropped: malformed"] == 1
