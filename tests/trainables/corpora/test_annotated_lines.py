"""The JSON lines of one's own corpus: what is written is read back, what is malformed is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relab.corpora import read_corpus
from relab.errors import DataError, NotFound

from trainables.corpora.annotated_lines import parse, render, write_annotated_lines
from trainables.corpora.sentences import AnnotatedSentence, Entity

GOOD: dict[str, Any] = {
    "document": "17",
    "tokens": ["Ada", "Lovelace", "knew", "Babbage"],
    "entities": [[0, 2, "PER"], [0, 1, "PER"], [3, 4, "PER"]],
    "relations": [[0, "social", 2]],
}
READ = AnnotatedSentence(
    "17",
    ("Ada", "Lovelace", "knew", "Babbage"),
    (Entity(0, 2, "PER"), Entity(0, 1, "PER"), Entity(3, 4, "PER")),
    ((0, "social", 2),),
)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).filter(str.strip)


@st.composite
def sentences(draw: st.DrawFn) -> AnnotatedSentence:
    tokens = draw(st.lists(NAMES, min_size=1, max_size=6))
    spans = st.tuples(st.integers(0, len(tokens) - 1), st.integers(1, len(tokens))).filter(lambda s: s[0] < s[1])
    entities = draw(st.lists(st.builds(lambda s, kind: Entity(*s, kind), spans, NAMES), max_size=4, unique=True))
    ends = st.permutations(range(len(entities))).map(lambda order: order[:2])
    triples = st.builds(lambda pair, name: (pair[0], name, pair[1]), ends, NAMES.filter(lambda name: name != "NA"))
    relations = draw(st.lists(triples, max_size=3, unique=True)) if len(entities) > 1 else []
    return AnnotatedSentence(draw(NAMES), tuple(tokens), tuple(entities), tuple(relations))


@given(st.lists(sentences(), min_size=1, max_size=4))
def test_what_is_written_is_read_back(items: list[AnnotatedSentence]) -> None:
    assert parse(render(items).encode(), Path("train.jsonl")) == tuple(items)


def test_a_corpus_is_read_with_what_it_counts(tmp_path: Path) -> None:
    write_annotated_lines([READ, READ], tmp_path / "train.jsonl")
    write_annotated_lines([READ], tmp_path / "test.jsonl")
    corpus = read_corpus("annotated_lines", given={"annotated_lines": tmp_path})
    assert corpus.splits == {"train": (READ, READ), "test": (READ,)}
    assert corpus.counts == {
        "entities": 9,
        "entities that overlap another": 6,
        "relations": 3,
        "documents in more than one split": 1,
    }
    write_annotated_lines([READ, READ], tmp_path / "test.jsonl")
    assert read_corpus("annotated_lines", given={"annotated_lines": tmp_path}).fingerprint != corpus.fingerprint
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(NotFound, match=r"lacks train\.jsonl"):
        read_corpus("annotated_lines", given={"annotated_lines": tmp_path})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"document": ""}, "document: not a name"),
        ({"document": 17}, "document: not a name"),
        ({"tokens": []}, "tokens: not a list of tokens, each with more than blanks in it"),
        ({"tokens": ["Ada", " ", "knew", "her"]}, "tokens: not a list of tokens, each with more than blanks in it"),
        (
            {"tokens": ["Ada", "\ud800", "knew", "her"]},
            "tokens: not a list of tokens, each with more than blanks in it",
        ),
        ({"entities": [[0, 5, "PER"]]}, "entities: [0, 5) is no span of the sentence, which has 4 tokens"),
        ({"entities": [[2, 2, "PER"]]}, "entities: [2, 2) is no span of the sentence, which has 4 tokens"),
        ({"entities": [[-1, 2, "PER"]]}, "entities: [-1, 2) is no span of the sentence, which has 4 tokens"),
        ({"entities": [[0, True, "PER"]]}, 'entities: [0, true, "PER"] is not [begin, end, type]'),
        ({"entities": [[0, 1, ""]]}, 'entities: [0, 1, ""] is not [begin, end, type]'),
        ({"entities": [[0, 1]]}, "entities: not a list of lists of three"),
        ({"entities": {"0": 1}}, "entities: not a list of lists of three"),
        ({"entities": [*GOOD["entities"], [0, 2, "PER"]]}, "the same entity twice"),
        ({"relations": [[0, "social", 3]]}, "relations: 0 or 3 is no place in entities, which are 3"),
        ({"relations": [[-1, "social", 2]]}, "relations: -1 or 2 is no place in entities, which are 3"),
        ({"relations": [[2, "social", 2]]}, "relations: 'social' relates entity 2 with itself"),
        ({"relations": [[0, "NA", 2]]}, "relations: pairs without a relation have no entry, and so no 'NA'"),
        ({"relations": [[0, 1, 2]]}, "relations: [0, 1, 2] is not [head, relation, tail]"),
        ({"relations": [*GOOD["relations"], *GOOD["relations"]]}, "the same relation twice"),
        ({"tags": []}, "not an object with document, tokens, entities, relations and nothing else"),
    ],
)
def test_a_malformed_line_is_named(change: dict[str, object], reason: str) -> None:
    lines = "".join(f"{json.dumps(values)}\n" for values in (GOOD, GOOD | change))
    with pytest.raises(DataError) as error:
        parse(lines.encode(), Path("train.jsonl"))
    assert str(error.value) == f"train.jsonl:2: {reason}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "a blank line"),
        (b"[]", "not a JSON object"),
        (b'{"document": ', "not JSON: Expecting value at place 14"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
        (b'{"document": "\xff"}', "not UTF-8: byte 0xff at place 15 of the line"),
        (json.dumps(GOOD).encode() + b"\r", "the line ends in CR LF; the format's lines end in LF alone"),
        (b'{"tokens": []}', "not an object with document, tokens, entities, relations and nothing else"),
    ],
)
def test_what_is_no_sentence_at_all_is_named(line: bytes, reason: str) -> None:
    with pytest.raises(DataError) as error:
        parse(json.dumps(GOOD).encode() + b"\n" + line + b"\n", Path("train.jsonl"))
    assert str(error.value) == f"train.jsonl:2: {reason}"
