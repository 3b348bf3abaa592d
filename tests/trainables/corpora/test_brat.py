"""The brat form: sentences, spans over line breaks, relations over sentence ends, archives, and what is malformed."""

import io
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relab.corpora import read_corpus
from relab.corpus import Corpus
from relab.errors import DataError

from trainables.corpora import document_files
from trainables.corpora.annotated_text import AnnotatedText, Relation, characters, sentences
from trainables.corpora.brat import BratOptions, parse, read_brat, sentence_ends
from trainables.corpora.sentences import AnnotatedSentence, Entity

TEXT = "王明在北京。他爱北京!\n李华\n"
ENTITIES = "T1\tPerson 0 2\t王明\nT2\tPlace 3 5\t北京\nT3\tPerson 6 7\t他\n"
ANN = f"{ENTITIES}R1\tLocated Arg1:T1 Arg2:T2\t\n*\tCoreference T1 T3\n"
READ = [
    AnnotatedSentence(
        "17", tuple("王明在北京。"), (Entity(0, 2, "Person"), Entity(3, 5, "Place")), ((0, "Located", 1),)
    ),
    AnnotatedSentence("17", tuple("他爱北京!"), (Entity(0, 1, "Person"),), ()),
    AnnotatedSentence("17", tuple("李华"), (), ()),
]
Reader = Callable[..., Corpus[AnnotatedSentence]]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    def reader(text: str = TEXT, ann: str | bytes = ANN, **options: object) -> Corpus[AnnotatedSentence]:
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / "17.txt").write_bytes(text.encode())
        (tmp_path / "train" / "17.ann").write_bytes(ann if isinstance(ann, bytes) else ann.encode())
        values = {"wrap": 0, "shift": 0, "not_found": "fail", **options}
        return read_brat("b", {"documents": tmp_path}, BratOptions.model_validate(values))

    return reader


def packed(path: Path, members: Mapping[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.type = len(data), kind
            archive.addfile(member, io.BytesIO(data))
    return path


def both(name: str) -> dict[str, bytes]:
    return {f"{name}.txt": TEXT.encode(), f"{name}.ann": ANN.encode()}


def test_documents_become_sentences_of_characters(read: Reader) -> None:
    corpus = read()
    assert [(s.tokens, s.entities, s.relations) for s in corpus.splits["train"]] == [
        (s.tokens, s.entities, s.relations) for s in READ
    ]
    assert {s.document for s in corpus.splits["train"]} == {"train/17"}
    assert corpus.counts == {
        "train: relations over a sentence end": 0,
        "dev: relations over a sentence end": 0,
        "test: relations over a sentence end": 0,
        "documents": 1,
        "equivalences not used": 1,
        "tokens": 13,
        "entities": 3,
        "relations": 1,
    }


@pytest.mark.parametrize(
    ("text", "wrap", "pieces"),
    [
        ("甲。乙!丙?丁！戊？己", 0, ["甲。", "乙!", "丙?", "丁！", "戊？", "己"]),
        ("他说：“走!”。好", 0, ["他说：“走!”。", "好"]),
        ("(走。)好", 0, ["(走。)", "好"]),
        ("什么?!好", 0, ["什么?!", "好"]),
        ("甲乙\n丙丁", 0, ["甲乙", "丙丁"]),
        ("甲乙\n丙丁\n戊", 2, ["甲乙丙丁戊"]),
        ("甲\n丙丁\n戊", 2, ["甲", "丙丁戊"]),
        ("甲走。\n”好", 3, ["甲走。”", "好"]),
        ("\n\n甲 乙\n\n", 0, ["甲乙"]),
        ("甲…乙；丙，丁", 0, ["甲…乙；丙，丁"]),
    ],
)
def test_where_sentences_end(text: str, wrap: int, pieces: list[str]) -> None:
    document = AnnotatedText("d", Path("d.ann"), text, (), ())
    made = sentences(document, characters(text), sentence_ends(text, wrap), "train", "drop", Counter())
    assert ["".join(sentence.tokens) for sentence in made] == pieces


def test_a_relation_over_a_sentence_end_is_counted_for_its_split_or_an_error(read: Reader) -> None:
    ann = f"{ANN}R2\tSocial Arg1:T3 Arg2:T1\n"
    corpus = read(ann=ann)
    assert corpus.counts["train: relations over a sentence end"] == 1
    assert corpus.counts["relations"] == 1
    with pytest.raises(DataError, match=r"17\.ann:6: 'Social' relates entities of two sentences"):
        read(ann=ann, lost="error")


def test_no_sentence_ends_inside_an_entity_unless_that_is_a_slip(read: Reader) -> None:
    text, long = "他读《走。吧》吗。好", "甲。" * 51
    (first, second) = read(text, "T1\tThing 2 7\t《走。吧》\nT2\tThing 0 1\t他\nR1\tUse Arg1:T2 Arg2:T1\n").splits[
        "train"
    ]
    assert ("".join(first.tokens), "".join(second.tokens)) == ("他读《走。吧》吗。", "好")
    assert first.relations == ((1, "Use", 0),)
    corpus = read(long, f"T1\tThing 0 102\t{long}\nT2\tThing 0 1\t甲\nR1\tUse Arg1:T2 Arg2:T1\n")
    assert len(corpus.splits["train"]) == 51
    assert corpus.counts["entities dropped: over a sentence end and 100 characters"] == 1
    assert corpus.counts["relations dropped: without their entity"] == 1


def test_nested_and_overlapping_entities_are_kept_and_equal_ones_merged(read: Reader) -> None:
    ann = "T1\tPlace 3 5\t北京\nT2\tName 0 2\t王明\nT3\tThing 1 4\t明在北\nT4\tPlace 3 5\t北京\n"
    relations = "R1\tNear Arg1:T1 Arg2:T4\nR2\tUse Arg1:T2 Arg2:T1\nR3\tUse Arg1:T2 Arg2:T4\n"
    corpus = read(ann=ann + relations)
    first = corpus.splits["train"][0]
    assert first.entities == (Entity(3, 5, "Place"), Entity(0, 2, "Name"), Entity(1, 4, "Thing"))
    assert first.relations == ((1, "Use", 0),)
    lost = {what: n for what, n in corpus.counts.items() if "merged" in what or "dropped" in what or "overlap" in what}
    assert lost == {
        "entities merged: the same span and type": 1,
        "relations dropped: an entity with itself": 1,
        "relations dropped: the same again": 1,
        "entities that overlap another": 3,
    }


def test_spans_over_line_breaks_are_whole_in_whatever_way_they_are_written(read: Reader) -> None:
    """In pieces with a blank for the line break, or with the line break itself in the middle of the annotation."""
    text = "在北\n京和上海\n有"
    ann = "T1\tPlace 1 2;3 4\t北 京\nT2\tPlace 1 4\t北\n京\nT3\tPlace 1 2;6 7\t北 海\n"
    corpus = read(text, ann, wrap=3)
    (sentence,) = corpus.splits["train"]
    assert "".join(sentence.tokens) == "在北京和上海有"
    assert sentence.entities == (Entity(1, 3, "Place"), Entity(1, 6, "Place"))
    assert corpus.counts["entities in pieces, joined"] == 1


@pytest.mark.parametrize(
    ("begin", "end", "claimed", "found"),
    [(1, 3, "王明", (0, 2)), (2, 4, "王明", (0, 2)), (3, 5, "王明", None), (2, 4, "北京", (3, 5)), (0, 2, "王-", None)],
)
def test_a_span_may_stand_a_little_away_from_its_offsets(
    read: Reader, begin: int, end: int, claimed: str, found: tuple[int, int] | None
) -> None:
    corpus = read(ann=f"T1\tName {begin} {end}\t{claimed}\n", shift=2, not_found="drop")
    assert [(e.begin, e.end) for e in corpus.splits["train"][0].entities] == ([found] if found else [])
    assert corpus.counts.get("entities dropped: text not at its offsets", 0) == (found is None)
    assert corpus.counts.get("entities moved to their text", 0) == (found is not None)


def test_of_several_places_near_its_offsets_a_span_stands_at_the_nearest(read: Reader) -> None:
    (sentence,) = read("王明在王。", "T1\tName 2 3\t王\n", shift=2).splits["train"]
    assert sentence.entities == (Entity(3, 4, "Name"),)


def test_signs_may_differ_and_letters_may_not(read: Reader) -> None:
    text = "列夫・托尔斯泰"
    assert len(read(text, "T1\tName 0 7\t列夫、托尔斯泰\n").splits["train"][0].entities) == 1
    with pytest.raises(DataError, match=r"17\.ann:1: T1: the text at its offsets is '列夫・', not '列文・'"):
        read(text, "T1\tName 0 3\t列文・\n")


def test_lines_that_are_no_annotation_are_dropped_and_counted_on_request(read: Reader) -> None:
    corpus = read(
        ann="T1\tName 0 2\t王明\n甲\n乙\nT2\tPlace 3 5\t北京\nR1\tLocated Arg1:T1 Arg2:T2\n", not_found="drop"
    )
    assert corpus.splits["train"][0].entities == (Entity(0, 2, "Name"), Entity(3, 5, "Place"))
    assert corpus.splits["train"][0].relations == ((0, "Located", 1),)
    assert corpus.counts["lines dropped: no annotation, nor the rest of one"] == 2


def test_names_of_relations_can_be_left_out_and_other_lines_are_counted(read: Reader) -> None:
    unused = "#1\tAnnotatorNotes T1\t?\nE1\tMove:T1\nA1\tNegated T1\nN1\tWiki T1 Q1\t王明\n"
    ann = f"{ANN}R2\tCoreference Arg1:T1 Arg2:T2\n{unused}"
    corpus = read(ann=ann)
    assert corpus.counts["relations"] == 1
    shown = {what: n for what, n in corpus.counts.items() if "not used" in what or "left out" in what}
    assert shown == {
        "relations left out: Coreference": 1,
        **dict.fromkeys((f"{what} not used" for what in ("equivalences", "notes", "events", "attributes")), 1),
        "normalisations not used": 1,
    }
    assert read(ann=ann, left_out=[]).counts["relations"] == 2


@pytest.mark.parametrize(
    ("ann", "line", "reason"),
    [
        ("T1 Name 0 2 王明\n", 1, "no annotation, and none before it that goes on: 'T1 Name 0 2 王明'"),
        ("R1\tUse T1 T2\n", 1, "not '<id><tab><name> Arg1:<id> Arg2:<id>'"),
        ("T1\tName 0 2\n", 1, "not '<id><tab><type> <begin> <end><tab><text>'"),
        ("T1\tName 0 x\t王明\n", 1, "not '<id><tab><type> <begin> <end><tab><text>'"),
        ("T1\tName 0 -2\t王明\n", 1, "not '<id><tab><type> <begin> <end><tab><text>'"),
        ("T1\tName 0 99\t王明\n", 1, "T1: [0, 99) is no span of the text, which has 15 characters"),
        ("T1\tName 2 2\t王明\n", 1, "T1: [2, 2) is no span of the text, which has 15 characters"),
        ("T1\tName 3 5;0 2\t北京 王明\n", 1, "T1: its pieces '3 5;0 2' are not in order"),
        (f"{ANN}T1\tName 0 2\t王明\n", 6, "the id T1 for the second time"),
        (f"{ANN}T9\tName 0 2\t北京\n", 6, "T9: the text at its offsets is '王明', not '北京'"),
        (f"{ANN}R2\tUse Arg1:T1 Arg2:T9\n", 6, "'Use' has the end 'T9', which is no entity of the document"),
        (f"{ANN}R2\tUse Arg1:E1 Arg2:T1\n", 6, "'Use' has the end 'E1', which is no entity of the document"),
        (f"{ANN}甲\n", 6, "no annotation, and none before it that goes on: '甲'"),
        (
            "T1\tName 0 2\t王明\nX1\tUse\n",
            1,
            "T1: this line and those after it, which are no annotations, are not in the text",
        ),
        (f"{ANN}\n", 6, "no annotation, and none before it that goes on: ''"),
        (ANN.replace("\n", "\r\n"), 1, "the line ends in CR LF; the format's lines end in LF alone"),
        (b"T1\tName 0 2\t\xff\n", 1, "not UTF-8: byte 0xff at place 13 of the line"),
        (f"\ufeff{ANN}", 1, "starts with a byte order mark"),
    ],
)
def test_a_malformed_line_is_named(read: Reader, tmp_path: Path, ann: str | bytes, line: int, reason: str) -> None:
    with pytest.raises(DataError) as error:
        read(ann=ann)
    assert str(error.value).splitlines()[0] == f"{tmp_path}/train/17.ann:{line}: {reason}"


def test_an_archive_is_read_as_the_folder_that_it_holds(tmp_path: Path) -> None:
    members = both("./Training/1") | both("./Validation/2") | both("./Testing/3") | {"README.md": b"?"}
    archive = packed(tmp_path / "x.tar.gz", members)
    for name, data in members.items():
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    one, other = (read_brat("b", {"documents": path}, BratOptions()) for path in (archive, tmp_path / "x"))
    assert one == other
    assert {split: items[0].document for split, items in one.splits.items()} == {
        "train": "Training/1",
        "dev": "Validation/2",
        "test": "Testing/3",
    }
    assert sorted(tmp_path.rglob("*")) == before
    assert read_corpus("chinese_literature", given={"chinese_literature": archive}).counts["documents"] == 3
    renamed = packed(tmp_path / "y.tar.gz", both("Training/1") | both("Validation/2") | both("Testing/4"))
    assert read_brat("b", {"documents": renamed}, BratOptions()).fingerprint != one.fingerprint


def test_documents_without_folders_of_splits_are_dealt_out_by_name(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for i in range(200):
        members |= both(f"some/{i}")
    corpus = read_brat("b", {"documents": packed(tmp_path / "x.tgz", members)}, BratOptions())
    sizes = {split: len(items) // len(READ) for split, items in corpus.splits.items()}
    assert sum(sizes.values()) == 200
    assert 10 <= sizes["dev"] <= 32
    assert 10 <= sizes["test"] <= 32
    assert len(corpus.fold(0, 5).splits["test"]) == 40 * len(READ)


@pytest.mark.parametrize(
    ("members", "kind", "reason"),
    [
        (both("../1"), tarfile.REGTYPE, "the member '../1.txt' leads out of the archive"),
        (both("/1"), tarfile.REGTYPE, "the member '/1.txt' leads out of the archive"),
        (both("1"), tarfile.SYMTYPE, "the member '1.txt' is not a plain file"),
        (both("1") | both("./1"), tarfile.REGTYPE, "the member './1.txt' is there twice"),
        ({"1.txt": b"?"}, tarfile.REGTYPE, "not there: 1.ann"),
        ({"1.ann": b"?"}, tarfile.REGTYPE, "not there: 1.txt"),
        ({"README.md": b"?"}, tarfile.REGTYPE, "no files *.txt, *.ann in it"),
        (
            both("train/1") | both("2"),
            tarfile.REGTYPE,
            "2 is in no folder of a split, or in two, but other documents are",
        ),
        (both("train/test/1"), tarfile.REGTYPE, "train/test/1 is in no folder of a split, or in two, but other"),
        (both("test/1"), tarfile.REGTYPE, "no document is in a folder for training"),
    ],
)
def test_a_malformed_archive_is_refused(tmp_path: Path, members: dict[str, bytes], kind: bytes, reason: str) -> None:
    path = packed(tmp_path / "x.tar.gz", members, kind)
    with pytest.raises(DataError) as error:
        read_brat("b", {"documents": path}, BratOptions())
    assert str(error.value).startswith(f"{path}: {reason}")


def test_what_is_no_archive_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = packed(tmp_path / "x.tar.gz", {"1.txt": bytes(range(256)) * 99, "1.ann": b""})
    for name, data in (("cut", whole.read_bytes()[:150]), ("other", b"not an archive"), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match="neither a folder nor a tar archive that can be read"):
            read_brat("b", {"documents": tmp_path / name}, BratOptions())
    monkeypatch.setattr(document_files, "LARGEST", 1_000)
    with pytest.raises(DataError, match="25,344 bytes, more than the 1,000 that one document may have"):
        read_brat("b", {"documents": whole}, BratOptions())


@st.composite
def documents(draw: st.DrawFn) -> AnnotatedText:
    text = "".join(draw(st.lists(st.sampled_from("甲乙丙。?”\n a"), min_size=1, max_size=30)))
    spans = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text))).filter(lambda s: s[0] < s[1])
    kinds = st.sampled_from(("Person", "Thing-Name"))
    entities = tuple(draw(st.lists(st.builds(lambda s, kind: Entity(*s, kind), spans, kinds), max_size=5)))
    places = st.integers(0, max(0, len(entities) - 1))
    made = st.builds(lambda h, t, name: (h, name, t), places, places, st.sampled_from(("Use", "Near")))
    triples = draw(st.lists(made, max_size=4)) if entities else []
    relations = tuple(Relation(h, name, t, len(entities) + i) for i, (h, name, t) in enumerate(triples, start=1))
    return AnnotatedText("d", Path("d.ann"), text, entities, relations)


def written(document: AnnotatedText) -> bytes:
    lines = [
        f"T{i}\t{entity.type} {entity.begin} {entity.end}\t{document.text[entity.begin : entity.end]}"
        for i, entity in enumerate(document.entities, start=1)
    ]
    lines += [
        f"R{i}\t{relation.name} Arg1:T{relation.head + 1} Arg2:T{relation.tail + 1}"
        for i, relation in enumerate(document.relations, start=1)
    ]
    return "".join(f"{line}\n" for line in lines).encode()


@given(documents())
def test_a_document_is_read_as_it_was_written(document: AnnotatedText) -> None:
    options = BratOptions(not_found="fail", shift=0)
    back = parse("d", Path("d"), document.text.encode(), written(document), options, Counter())
    assert (back.text, back.entities) == (document.text, document.entities)
    assert [(r.head, r.name, r.tail) for r in back.relations] == [(r.head, r.name, r.tail) for r in document.relations]


@given(documents(), st.sampled_from((0, 3)))
def test_nothing_is_lost_uncounted(document: AnnotatedText, wrap: int) -> None:
    counts = Counter[str]()
    text = document.text
    made = sentences(document, characters(text), sentence_ends(text, wrap), "train", "drop", counts)
    assert "".join(token for s in made for token in s.tokens) == "".join(text.split())
    gone = sum(n for what, n in counts.items() if what.startswith(("entities dropped", "entities merged")))
    assert len(document.entities) == sum(len(s.entities) for s in made) + gone
    lost = sum(n for what, n in counts.items() if what.startswith("relations dropped") or "over a sentence end" in what)
    assert len(document.relations) == sum(len(s.relations) for s in made) + lost
    texts = {("".join(text[e.begin : e.end].split()), e.type) for e in document.entities} - {("", "Person")}
    for sentence in made:
        assert {("".join(sentence.tokens[e.begin : e.end]), e.type) for e in sentence.entities} <= texts


def test_the_real_files(real_data: Path) -> None:
    """16,486 relations: 14,338 in sentences, 2,127 over a sentence end, 18 twice, 2 Coreference, 1 without an end."""
    archive = real_data / "chinese_literature.tar.gz"
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    corpus = read_corpus("chinese_literature", given={"chinese_literature": archive})
    assert dict(corpus.counts) == {
        "train: relations over a sentence end": 1_704,
        "dev: relations over a sentence end": 203,
        "test: relations over a sentence end": 220,
        "documents": 837,
        "tokens": 1_427_099,
        "entities": 153_669,
        "entities that overlap another": 11_566,
        "entities moved to their text": 1_855,
        "entities in pieces, joined": 2,
        "entities merged: the same span and type": 53,
        "entities dropped: text not at its offsets": 2,
        "entities dropped: over a sentence end and 100 characters": 3,
        "sentence ends inside an entity": 74,
        "relations": 14_338,
        "relations left out: Coreference": 2,
        "relations dropped: the same again": 18,
        "relations dropped: without their entity": 1,
        "lines dropped: no annotation, nor the rest of one": 1,
        "equivalences not used": 8_353,
        "notes not used": 1,
    }, "a file unlike the published one would be counted here"
    documents_of = {split: len({s.document for s in items}) for split, items in corpus.splits.items()}
    assert documents_of == {"train": 695, "dev": 58, "test": 84}
    assert len({name for items in corpus.splits.values() for s in items for _, name, _ in s.relations}) == 9
