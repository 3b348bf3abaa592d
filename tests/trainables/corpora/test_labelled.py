"""Readers of labelled sentences: each fault has its place, what is written is read, dev and noise come from train."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpora import corpus_source, read_corpus
from relab.errors import DataError, RequestError

from trainables.corpora.json_lines import parse_labelled_lines, read_labelled_lines, write_labelled_lines
from trainables.corpora.labelled import LabelledOptions
from trainables.corpora.semeval import parse_semeval
from trainables.corpora.sent_lists import SentListOptions, parse_sent_list, write_sent_list
from trainables.corpora.sentences import LabelledSentence
from trainables.corpora.tacred import TacredOptions, parse_tacred

Parser = Callable[[bytes, dict[str, Any], Counter[str]], list[LabelledSentence]]
PATH = Path("file")
KNOWN = ("NA", "/people/person/children", "r")

SENT: dict[str, Any] = {
    "sentence": "Ann Lee met Bob .",
    "head": {"word": "Ann Lee", "type": "PERSON", "pos": [0, 1]},
    "tail": {"word": "Bob", "type": "PERSON", "pos": [3, 3]},
    "relation": "r",
    "stanford_ner": ["PERSON", "PERSON", "O", "PERSON", "O"],
}
TACRED: dict[str, Any] = {
    "id": "1",
    "docid": "d",
    "relation": "r",
    "token": ["Ann", "Lee", "met", "Bob", "."],
    "stanford_ner": ["PERSON", "PERSON", "O", "PERSON", "O"],
    **{"subj_start": 0, "subj_end": 1, "subj_type": "PERSON", "obj_start": 3, "obj_end": 3, "obj_type": "PERSON"},
}
LINE: dict[str, Any] = {
    "document": "d",
    "tokens": ["Ann", "Lee", "met", "Bob", "."],
    "head": [0, 2],
    "tail": [3, 4],
    "relation": "r",
    "tags": ["PERSON", "PERSON", "O", "PERSON", "O"],
}
SEMEVAL = '7\t"<e1>Ann Lee</e1> met <e2>Bob</e2>."\r\nOther\r\nComment: none\r\n\r\n'


def sent(data: bytes, options: dict[str, Any], counts: Counter[str]) -> list[LabelledSentence]:
    return parse_sent_list(data, PATH, SentListOptions.model_validate(options), counts, KNOWN)


def tacred(data: bytes, options: dict[str, Any], counts: Counter[str]) -> list[LabelledSentence]:
    return parse_tacred(data, PATH, TacredOptions.model_validate({"mask": True} | options), counts)


def semeval(data: bytes, options: dict[str, Any], counts: Counter[str]) -> list[LabelledSentence]:
    return parse_semeval(data, PATH, LabelledOptions.model_validate(options), counts)


def lines(data: bytes, options: dict[str, Any], counts: Counter[str]) -> list[LabelledSentence]:
    return parse_labelled_lines(data, PATH, LabelledOptions.model_validate(options), counts)


def changed(item: dict[str, Any], **values: Any) -> str:
    """The item as JSON with other values; those that are None are left out."""
    return json.dumps({key: value for key, value in (item | values).items() if value is not None})


def end(which: str, **values: Any) -> dict[str, Any]:
    return {which: {key: value for key, value in (SENT[which] | values).items() if value is not None}}


TAGS = SENT["stanford_ner"]
MALFORMED: dict[str, tuple[Parser, str | bytes, str]] = {
    "sent: no object": (sent, '"Ann"', "not a JSON object"),
    "sent: no sentence": (sent, changed(SENT, sentence=None), "no 'sentence'"),
    "sent: an empty sentence": (sent, changed(SENT, sentence=""), "an empty sentence"),
    "sent: a list of tokens": (sent, changed(SENT, sentence=["Ann"]), "sentence: a list, not a str"),
    "sent: two blanks": (sent, changed(SENT, sentence="Ann Lee  Bob"), "the token '' is empty or has a blank in it"),
    "sent: a tab": (sent, changed(SENT, sentence="Ann Lee met Bob .\t"), "the token '.\\t' is empty or has a blank"),
    "sent: no head": (sent, changed(SENT, head=None), "no 'head'"),
    "sent: a head that is text": (sent, changed(SENT, head="Ann"), "head: a str, not a dict"),
    "sent: no word": (sent, changed(SENT, **end("tail", word=None)), "tail: no 'word'"),
    "sent: an empty word": (sent, changed(SENT, **end("tail", word=" ")), "tail: no words"),
    "sent: no relation": (sent, changed(SENT, relation=None), "no 'relation'"),
    "sent: an unknown relation": (
        sent,
        changed(SENT, relation="/people/person/child"),
        "unknown relation '/people/person/child'; did you mean '/people/person/children'?",
    ),
    "sent: an unknown noisy relation": (sent, changed(SENT, D_relation="q"), "unknown relation 'q'"),
    "sent: a number as relation": (sent, changed(SENT, relation=3), "relation: a int, not a str"),
    "sent: no tags": (sent, changed(SENT, stanford_ner=None), "no 'stanford_ner'"),
    "sent: a tag too few": (sent, changed(SENT, stanford_ner=TAGS[1:]), "4 tags for 5 tokens"),
    "sent: tags that are numbers": (sent, changed(SENT, stanford_ner=[1] * 5), "stanford_ner: not a list of words"),
    "sent: noise that is text": (sent, changed(SENT, is_noise="no"), "is_noise: a str, not a bool"),
    "sent: half a surrogate": (sent, changed(SENT, sentence="Ann Lee met Bob \ud800"), "'utf-8' codec can't encode"),
    "tacred: no object": (tacred, "[]", "not a JSON object"),
    "tacred: no tokens": (tacred, changed(TACRED, token=None), "no 'token'"),
    "tacred: an empty list": (tacred, changed(TACRED, token=[], stanford_ner=[]), "subj: [0, 2) is no span of the"),
    "tacred: an empty token": (tacred, changed(TACRED, token=["Ann", "", "a", "Bob", "."]), "token: not a list of"),
    "tacred: a token with a blank": (tacred, changed(TACRED, token=["Ann", "b c", "a", "Bob", "x y"]), "the token 'x"),
    "tacred: no start": (tacred, changed(TACRED, obj_start=None), "no 'obj_start'"),
    "tacred: a start that is text": (tacred, changed(TACRED, obj_start="3"), "obj_start: a str, not a int"),
    "tacred: a start that is true": (tacred, changed(TACRED, subj_start=True), "subj_start: a bool, not a int"),
    "tacred: an end before the start": (tacred, changed(TACRED, obj_end=2), "obj: [3, 3) is no span of the sentence,"),
    "tacred: a negative start": (tacred, changed(TACRED, subj_start=-1), "subj: [-1, 2) is no span of the sentence"),
    "tacred: an entity beyond the end": (
        tacred,
        changed(TACRED, obj_end=5),
        "obj: [3, 6) is no span of the sentence, which has 5 tokens",
    ),
    "tacred: the same subject and object": (tacred, changed(TACRED, obj_start=0, obj_end=1), "head and tail are the"),
    "tacred: no type to mask with": (tacred, changed(TACRED, subj_type=None), "no 'subj_type'"),
    "tacred: a tag too many": (tacred, changed(TACRED, stanford_ner=[*TAGS, "O"]), "6 tags for 5 tokens"),
    "tacred: no relation": (tacred, changed(TACRED, relation=None), "no 'relation'"),
    "tacred: an empty relation": (tacred, changed(TACRED, relation=""), "an empty relation"),
    "tacred: neither docid nor id": (tacred, changed(TACRED, docid=None, id=None), "no 'id'"),
    "tacred: a noisy label that is a number": (tacred, changed(TACRED, D_relation=1), "D_relation: a int, not a str"),
    "semeval: no tab": (semeval, '8 "<e1>A</e1> b <e2>C</e2>"\nOther\nComment:\n\n', "'8 \"<e1>A</e1> b <e2>C</e2>\"'"),
    "semeval: no number": (semeval, 'x\t"<e1>A</e1> <e2>C</e2>"\nOther\nComment:\n\n', "does not begin with a number"),
    "semeval: no quotes": (semeval, "8\t<e1>A</e1> <e2>C</e2>\nOther\nComment:\n\n", "the sentence is not in quotes"),
    "semeval: one quote": (semeval, '8\t"\nOther\nComment:\n\n', "the sentence is not in quotes"),
    "semeval: no e2": (semeval, '8\t"<e1>A</e1> c"\nOther\nComment:\n\n', "not one e1 and one e2, each opened and"),
    "semeval: e1 twice": (semeval, '8\t"<e1>A</e1> <e1>c</e1>"\nOther\nComment:\n\n', "not one e1 and one e2"),
    "semeval: e1 open": (semeval, '8\t"<e1>A <e2>c</e2>"\nOther\nComment:\n\n', "not one e1 and one e2"),
    "semeval: closed first": (semeval, '8\t"</e1>A<e1> <e2>c</e2>"\nOther\nComment:\n\n', "not one e1 and one e2"),
    "semeval: e2 in e1": (semeval, '8\t"<e1>A <e2>c</e2></e1>"\nOther\nComment:\n\n', "not one e1 and one e2"),
    "semeval: an empty e1": (semeval, '8\t"<e1></e1> <e2>c</e2>"\nOther\nComment:\n\n', "head: [0, 0) is no span of"),
    "semeval: no comment": (semeval, '8\t"<e1>A</e1> <e2>C</e2>"\nOther\n\n', "2 lines between blank ones, not sent"),
    "semeval: two labels": (
        semeval,
        '8\t"<e1>A</e1> <e2>C</e2>"\nOther\nOther\nComment:\n\n',
        "4 lines between blank ones",
    ),
    "semeval: another third line": (
        semeval,
        '8\t"<e1>A</e1> <e2>C</e2>"\nOther\nRemark:\n\n',
        "'Remark:' does not begin with 'Comment:'",
    ),
    "semeval: an unknown label": (
        semeval,
        '8\t"<e1>A</e1> <e2>C</e2>"\nCause-Effect(e1, e2)\nComment:\n\n',
        "unknown relation 'Cause-Effect(e1, e2)'; did you mean 'Cause-Effect(e1,e2)'?",
    ),
    "semeval: broken UTF-8": (semeval, b'8\t"<e1>A</e1> \xe4 <e2>C</e2>"\nOther\nComment:\n\n', "not UTF-8: byte 0xe4"),
    "semeval: a number again": (semeval, SEMEVAL, "the number 7 for the second time"),
    "lines: no JSON": (lines, "Ann\n", "not JSON: Expecting value at place 1"),
    "lines: nested too deeply": (lines, "[" * 100_000 + "\n", "not JSON: "),
    "lines: a list": (lines, "[]\n", "not a JSON object"),
    "lines: a blank line": (lines, "\n", "a blank line"),
    "lines: CR LF": (lines, changed(LINE) + "\r\n", "the line ends in CR LF"),
    "lines: broken UTF-8": (lines, b'{"document": "\xff"}\n', "not UTF-8: byte 0xff at place 15"),
    "lines: no document": (lines, changed(LINE, document=None) + "\n", "no 'document'"),
    "lines: no tokens": (lines, changed(LINE, tokens=[]) + "\n", "no tokens"),
    "lines: tokens as text": (lines, changed(LINE, tokens="Ann met Bob") + "\n", "tokens: a str, not a list"),
    "lines: a token with a blank": (lines, changed(LINE, tokens=["Ann Lee"] * 5) + "\n", "the token 'Ann Lee' is"),
    "lines: one number for a span": (lines, changed(LINE, head=[1]) + "\n", "head: [1] is not two whole numbers"),
    "lines: a span of halves": (lines, changed(LINE, head=[0, 1.5]) + "\n", "head: [0, 1.5] is not two whole numbers"),
    "lines: an empty span": (
        lines,
        changed(LINE, tail=[3, 3]) + "\n",
        "tail: [3, 3) is no span of the sentence, which",
    ),
    "lines: a span beyond the end": (lines, changed(LINE, tail=[3, 6]) + "\n", "tail: [3, 6) is no span of the"),
    "lines: the same head and tail": (lines, changed(LINE, tail=[0, 2]) + "\n", "head and tail are the same tokens"),
    "lines: an empty relation": (lines, changed(LINE, relation="") + "\n", "an empty relation"),
    "lines: an empty truth": (lines, changed(LINE, clean="") + "\n", "an empty relation"),
    "lines: a truth that is a number": (lines, changed(LINE, clean=0) + "\n", "clean: a int, not a str"),
    "lines: a tag too few": (lines, changed(LINE, tags=TAGS[1:]) + "\n", "4 tags for 5 tokens"),
    "lines: an unknown key": (lines, changed(LINE, label="r") + "\n", "unknown key 'label'"),
}


def file(parser: Parser, *items: str | bytes) -> bytes:
    """A file of these items in the form that ``parser`` reads."""
    encoded = [item if isinstance(item, bytes) else item.encode() for item in items]
    return b"[" + b", ".join(encoded) + b"]" if parser in {sent, tacred} else b"".join(encoded)


GOOD: dict[Parser, str] = {
    sent: changed(SENT),
    tacred: changed(TACRED),
    semeval: SEMEVAL,
    lines: changed(LINE) + "\n",
}
PLACE = {sent: "file: item 2: ", tacred: "file: item 2: ", semeval: "file:5: ", lines: "file:2: "}


class TestMalformed:
    @pytest.mark.parametrize("kind", MALFORMED)
    def test_it_is_refused_with_its_place_or_dropped_and_counted(self, kind: str) -> None:
        parser, broken, reason = MALFORMED[kind]
        last = GOOD[parser].replace("7\t", "9\t")
        data = file(parser, GOOD[parser], broken, last)
        with pytest.raises(DataError) as raised:
            parser(data, {}, Counter())
        assert str(raised.value).startswith(PLACE[parser])
        assert reason in str(raised.value)
        assert "\n" not in str(raised.value), "one problem, and the other items have none"
        counts: Counter[str] = Counter()
        assert len(parser(data, {"malformed": "drop"}, counts)) == 2
        assert counts == {"items": 3, "items dropped: malformed": 1}

    @pytest.mark.parametrize("parser", [sent, tacred])
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"[{", "file: not JSON: Expecting property name enclosed in double quotes: line 1 column 3"),
            (b"[" * 100_000, "file: not JSON: "),
            (b'["\xff"]', "file: not UTF-8: byte 0xff at place 3"),
            (b"{}", "file: not a list of items"),
            (b"[]", "file: no item is left, all are malformed or dropped"),
        ],
    )
    def test_a_file_that_is_no_list(self, parser: Parser, data: bytes, reason: str) -> None:
        with pytest.raises(DataError) as raised:
            parser(data, {}, Counter())
        assert str(raised.value).startswith(reason)

    @pytest.mark.parametrize("parser", GOOD)
    def test_all_problems_are_listed_up_to_a_limit(self, parser: Parser) -> None:
        broken = next(broken for kind, broken, _ in MALFORMED.values() if kind is parser)
        data = file(parser, *[broken] * 30)
        with pytest.raises(DataError) as raised:
            parser(data, {}, Counter())
        listed = str(raised.value).split("\n")
        assert len(listed) == 21
        assert "and 10 more malformed " in listed[-1]
        with pytest.raises(DataError, match="file: no item is left, all are malformed or dropped"):
            parser(data, {"malformed": "drop"}, Counter())

    @pytest.mark.parametrize("parser", GOOD)
    def test_mutated_bytes_give_sentences_or_a_data_error_and_nothing_else(self, parser: Parser) -> None:
        rng = random.Random(0)
        base = file(parser, GOOD[parser], GOOD[parser].replace("7\t", "8\t"))
        parts = [b"", b"", b"\xff", b"\n", b"9", b'"', b"]", b"e1", b"Ann", b"\x00", b"null", b"-"]
        outcomes: Counter[str] = Counter()
        for _ in range(300):
            data = bytearray(base)
            for _ in range(rng.randint(1, 2)):
                place = rng.randrange(len(data))
                data[place : place + rng.randint(0, 3)] = rng.choice(parts)
            try:
                for item in parser(bytes(data), {"malformed": rng.choice(["fail", "drop"])}, Counter()):
                    assert 0 <= item.head[0] < item.head[1] <= len(item.tokens)
                    assert len(item.tags) in {0, len(item.tokens)}
                outcomes["read"] += 1
            except DataError as error:
                assert str(error).startswith("file:")
                outcomes["refused"] += 1
        assert min(outcomes["read"], outcomes["refused"]) > 10


TOKENS = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=4), max_size=4)
LABELS = st.sampled_from(("NA", "r", "/a/b", "é"))


@st.composite
def items(draw: st.DrawFn, *, once: bool) -> LabelledSentence:
    """Any sentence; ``once``: both entities are found where they first occur."""
    names = [tuple(f"{which}{word}" for word in range(draw(st.integers(1, 3)))) for which in "ht"]
    parts = [tuple(draw(TOKENS)) for _ in range(3)]
    if once:
        parts = [tuple(f"-{token}" for token in part) for part in parts]
    first = draw(st.integers(0, 1))
    tokens = (*parts[0], *names[first], *parts[1], *names[1 - first], *parts[2])
    begin = len(parts[0]), len(parts[0]) + len(names[first]) + len(parts[1])
    spans = [(begin[place], begin[place] + len(names[which])) for place, which in enumerate((first, 1 - first))]
    tags = tuple(draw(st.lists(st.sampled_from("OPL"), min_size=len(tokens), max_size=len(tokens))))
    return LabelledSentence(
        "\t".join(map(" ".join, names)),
        tokens,
        spans[first],
        spans[1 - first],
        draw(LABELS),
        tags if once or draw(st.booleans()) else (),
        draw(st.none() | LABELS),
    )


class TestRoundTrips:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(items(once=False), min_size=1, max_size=4))
    def test_lines(self, tmp_path_factory: pytest.TempPathFactory, written: list[LabelledSentence]) -> None:
        path = tmp_path_factory.mktemp("x") / "x.jsonl"
        write_labelled_lines(written, path)
        assert parse_labelled_lines(path.read_bytes(), path, LabelledOptions(), Counter()) == written

    @settings(max_examples=100, deadline=None)
    @given(st.lists(items(once=True), min_size=1, max_size=4))
    def test_lists(self, tmp_path_factory: pytest.TempPathFactory, written: list[LabelledSentence]) -> None:
        path = tmp_path_factory.mktemp("x") / "x.json"
        write_sent_list(written, path)
        for position in ("searched", "given"):
            options = SentListOptions.model_validate({"position": position})
            assert parse_sent_list(path.read_bytes(), path, options, Counter()) == written


def corpus(folder: Path, train: int = 200, **options: Any) -> Any:
    """A corpus of lines: two items a document, every fourth with a relation, without dev."""
    for split, count in (("train", train), ("test", 4)):
        written = (
            changed(LINE, document=f"{split}{n // 2}", relation="r" if n % 4 == 0 else "s" if n % 20 == 1 else "NA")
            for n in range(count)
        )
        (folder / f"{split}.jsonl").write_text("".join(line + "\n" for line in written), encoding="utf-8")
    return read_corpus("labelled_lines", options, {"labelled_lines": folder})


class TestSplits:
    def test_dev_is_cut_out_of_train_between_documents(self, tmp_path: Path) -> None:
        made = corpus(tmp_path, 2_000).splits
        documents = {split: {item.document for item in items} for split, items in made.items()}
        assert list(made) == ["train", "dev", "test"]
        assert len(made["train"]) + len(made["dev"]) == 2_000
        assert not documents["train"] & documents["dev"]
        assert 70 <= len(documents["dev"]) <= 130
        assert list(corpus(tmp_path, dev_share=0).splits) == ["train", "test"]

    def test_a_dev_file_is_dev(self, tmp_path: Path) -> None:
        (tmp_path / "dev.jsonl").write_text(changed(LINE, document="dev") + "\n", encoding="utf-8")
        made = corpus(tmp_path, 40).splits
        assert [len(items) for items in made.values()] == [40, 1, 4]

    def test_noise_is_in_train_alone_and_its_truth_is_kept(self, tmp_path: Path) -> None:
        clean = corpus(tmp_path)
        noisy = corpus(tmp_path, noise=0.5)
        assert clean.fingerprint != noisy.fingerprint
        for split in ("dev", "test"):
            assert noisy.splits[split] == clean.splits[split]
            assert {item.clean for item in noisy.splits[split]} == {None}
        pairs = list(zip(clean.splits["train"], noisy.splits["train"], strict=True))
        assert [one.relation for one, _ in pairs] == [other.clean for _, other in pairs]
        changed = sum(one.relation != other.relation for one, other in pairs)
        assert noisy.counts["training labels changed"] == changed > 0

    def test_relations_that_train_lacks_are_counted(self, tmp_path: Path) -> None:
        corpus(tmp_path)
        (tmp_path / "test.jsonl").write_text((changed(LINE, relation="new") + "\n") * 3, encoding="utf-8")
        read = read_corpus("labelled_lines", {}, {"labelled_lines": tmp_path})
        assert read.counts["items of test with a relation that train lacks"] == 3

    def test_the_fingerprint_is_of_bytes_and_options(self, tmp_path: Path) -> None:
        one = corpus(tmp_path).fingerprint
        assert corpus(tmp_path).fingerprint == one
        assert len({one, corpus(tmp_path, 198).fingerprint, corpus(tmp_path, noise_seed=1).fingerprint}) == 3

    def test_noise_for_what_is_noisy_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.jsonl"
        path.write_text(changed(LINE, clean="NA") + "\n", encoding="utf-8")
        files = {"train": path, "dev": path, "test": path}
        assert read_labelled_lines("x", files, LabelledOptions()).splits["train"][0].clean == "NA"
        with pytest.raises(RequestError, match="the training labels are noisy already"):
            read_labelled_lines("x", files, LabelledOptions(noise=0.1))


@pytest.mark.parametrize(
    "name", ["sent_nyt", "nyt_arnor", "tacred", "semeval2010_task8", "labelled_lines", "planted_sentences"]
)
def test_every_source_is_installed_and_can_be_noisy(name: str) -> None:
    source = corpus_source(name)
    assert source.shape == "labelled sentences"
    assert {"noise", "noise_seed", "noise_from"} <= set(source.options.model_fields)
