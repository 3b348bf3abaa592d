"""CrossRE: aligned pairs are bags over two languages, unrelated pairs are NA, and what is malformed is named."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from relab.corpora import corpus_source, read_corpus
from relab.corpus import Corpus
from relab.errors import DataError, RequestError

from trainables.corpora.crossre import CrossReOptions, read_crossre
from trainables.corpora.mentions import Mention

EN: dict[str, Any] = {
    "doc_key": "ai-train-1",
    "sentence": ["Ada", "Lovelace", "knew", "Babbage", "in", "London", "."],
    "ner": [[0, 1, "person"], [3, 3, "person"], [5, 5, "location"]],
    "relations": [[0, 1, 3, 3, "social", "", True, False], [3, 3, 5, 5, "physical", "", False, False]],
}
ZH: dict[str, Any] = {
    "doc_key": "ai-train-1",
    "sentence": ["阿达", "在", "伦敦", "认识", "巴贝奇", "。"],
    "ner": [[2, 2, "location"], [0, 0, "person"], [4, 4, "person"]],
    "ner_mapping_to_source": [2, 0, 1],
    "relations": [[0, 0, 4, 4, "social", "", True, False], [4, 4, 2, 2, "physical", "", False, False]],
}


def changed(document: dict[str, Any], **values: object) -> dict[str, Any]:
    """``document`` with other values; None takes a key away."""
    return {key: value for key, value in (document | values).items() if value is not None}


def other(split: str) -> dict[str, Any]:
    return changed(EN, doc_key=f"ai-{split}-1", relations=[[0, 1, 3, 3, "social"]])


def line(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode() + b"\n"


@pytest.fixture
def read(tmp_path: Path) -> "Reader":
    return Reader(tmp_path)


class Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, en: list[object], zh: list[object] | None = None, **options: object) -> Corpus[Mention]:
        parts = {"en/ai-train": en, "en/ai-dev": [other("dev")], "en/ai-test": [other("test")]}
        files = {}
        for role, documents in (parts | ({} if zh is None else {"zh/ai-train": zh})).items():
            files[role] = self.folder / f"{role}.json"
            files[role].parent.mkdir(exist_ok=True)
            files[role].write_bytes(b"".join(map(line, documents)))
        return read_crossre("c", files, CrossReOptions.model_validate({"domains": ["ai"], **options}))


def test_an_aligned_pair_is_one_bag_in_both_languages(read: Reader) -> None:
    corpus = read([EN], [ZH], unrelated=0)
    one, two, three = "ai-train-1/0", "ai-train-1/1", "ai-train-1/2"
    en, zh = tuple(EN["sentence"]), tuple(ZH["sentence"])
    assert list(corpus.splits["train"]) == [
        Mention("en", one, two, "social", en, (0, 2), (3, 4)),
        Mention("zh", one, two, "social", zh, (0, 1), (4, 5)),
        Mention("en", two, three, "physical", en, (3, 4), (5, 6)),
        Mention("zh", two, three, "physical", zh, (4, 5), (2, 3)),
    ]
    assert len({m.document for m in corpus.splits["train"]}) == 2, "a fold never parts the languages"


def test_unrelated_pairs_are_na_in_one_direction_and_their_share_is_as_asked(read: Reader) -> None:
    corpus = read([EN], [ZH])
    unrelated = [m for m in corpus.splits["train"] if m.relation == "NA"]
    assert {frozenset((m.head[-1], m.tail[-1])) for m in unrelated} == {frozenset("02")}
    assert [m.language for m in unrelated] == ["en", "zh"]
    assert len({m.document for m in unrelated}) == 1
    assert corpus.counts["pairs without a relation"] == 5
    assert corpus.counts["pairs with a relation"] == 4
    reversed_relation = read([changed(EN, relations=[[3, 3, 0, 1, "social"]])]).splits["train"]
    assert {frozenset((m.head[-1], m.tail[-1])) for m in reversed_relation if m.relation == "NA"} == {
        frozenset("02"),
        frozenset("12"),
    }
    assert "NA" not in {m.relation for m in read([EN], [ZH], unrelated=0).splits["train"]}


def test_without_a_translation_or_an_aligned_entity_the_other_language_is_missing(read: Reader) -> None:
    assert {m.language for m in read([EN]).splits["train"]} == {"en"}
    partial = changed(ZH, ner=ZH["ner"][1:], ner_mapping_to_source=[0, 1], relations=ZH["relations"][:1])
    corpus = read([EN, changed(EN, doc_key="ai-train-2")], [partial])
    assert Counter(m.language for m in corpus.splits["train"]) == {"en": 6, "zh": 1}
    assert corpus.counts["pairs without a zh mention"] == 2


def test_a_pair_with_two_relations_has_a_mention_for_each(read: Reader) -> None:
    both = [[0, 1, 3, 3, "social"], [0, 1, 3, 3, "named"], [0, 1, 3, 3, "social"], [3, 3, 3, 3, "win-defeat"]]
    corpus = read([changed(EN, relations=both)], unrelated=0)
    assert [m.relation for m in corpus.splits["train"]] == ["social", "named"]
    assert corpus.counts["relations dropped: the same again"] == 1
    assert corpus.counts["relations dropped: an entity with itself"] == 1


def test_labels_are_the_english_ones_and_differences_are_counted(read: Reader) -> None:
    zh = changed(ZH, relations=[[0, 0, 4, 4, "role"], [4, 4, 2, 2, "physical"]])
    corpus = read([EN], [zh], unrelated=0)
    assert [m.relation for m in corpus.splits["train"] if m.language == "zh"] == ["social", "physical"]
    assert corpus.counts["relations of the zh files alone"] == 1
    assert corpus.counts["relations of the en files alone, both entities in zh"] == 1


def test_two_translated_entities_may_have_one_span(read: Reader) -> None:
    zh = changed(ZH, ner=[[2, 2, "l"], [0, 0, "p"], [0, 0, "p"]], relations=[[0, 0, 0, 0, "social"]])
    zh["ner_mapping_to_source"] = [2, 0, 1]
    corpus = read([EN], [zh], unrelated=0)
    assert [(m.head_span, m.tail_span) for m in corpus.splits["train"] if m.language == "zh"] == [
        ((0, 1), (0, 1)),
        ((0, 1), (2, 3)),
    ]
    assert "relations of the zh files alone" not in corpus.counts


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"\n", "a blank line"),
        (b'{"doc_key": \n', "not JSON: Expecting value at place 13"),
        (b"[" * 100_000 + b"\n", "not JSON: nested too deeply"),
        (b"[1]\n", "not a JSON object"),
        (b'{"a": "\xff"}\n', "not UTF-8: byte 0xff at place 8 of the line"),
        (changed(EN, relations=None), "no 'relations'"),
        (changed(EN, sentence="Ada"), "sentence: a str, not a list"),
        (changed(EN, sentence=[]), "sentence: not a list of tokens"),
        (changed(EN, sentence=["Ada", 1]), "sentence: not a list of tokens"),
        (changed(EN, doc_key=7), "doc_key: a int, not a str"),
        (changed(EN, ner=[[0, 7, "p"]]), "ner: the span [0, 7] is not in the sentence, which has 7 tokens"),
        (changed(EN, ner=[[-1, 0, "p"]]), "ner: the span [-1, 0] is not in the sentence, which has 7 tokens"),
        (changed(EN, ner=[[2, 1, "p"]]), "ner: the span [2, 1] is not in the sentence, which has 7 tokens"),
        (changed(EN, ner=[[0, True]]), "ner: [0, true] does not have a begin and an end at place 1"),
        (changed(EN, ner=[[0]]), "ner: [0] does not have a begin and an end at place 1"),
        (changed(EN, ner=[*EN["ner"], [5, 5, "city"]]), "two entities with the same span"),
        (changed(EN, relations=[[0, 1, 4, 4, "social"]]), "relations: no entity has the span [4, 4]"),
        (changed(EN, relations=[[0, 1, 3, 3]]), "relations: [0, 1, 3, 3] has no type at place 5"),
        (changed(EN, relations=[[0, 1, 3, 3, 4]]), "relations: [0, 1, 3, 3, 4] has no type at place 5"),
        (changed(EN, relations=[[0, 1, 3]]), "relations: [0, 1, 3] does not have a begin and an end at place 3"),
        (EN, "doc_key 'ai-train-1' for the second time"),
    ],
)
def test_a_malformed_english_line_is_named(read: Reader, bad: object, reason: str) -> None:
    with pytest.raises(DataError) as error:
        read([EN, bad])
    assert str(error.value) == f"{read.folder / 'en' / 'ai-train.json'}:2: {reason}"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (changed(ZH, doc_key="ai-train-9"), "doc_key 'ai-train-9' is not in the English file"),
        (ZH, "doc_key 'ai-train-1' for the second time"),
        (changed(ZH, ner_mapping_to_source=None), "no 'ner_mapping_to_source'"),
        (changed(ZH, ner_mapping_to_source=[0, 1]), "ner_mapping_to_source: 2 numbers for 3 entities"),
        (changed(ZH, ner_mapping_to_source=[0, 1, 1]), "ner_mapping_to_source: one English entity for two"),
        (changed(ZH, ner_mapping_to_source=[0, 1, "2"]), "ner_mapping_to_source: not a list of whole numbers"),
        (
            changed(ZH, doc_key="ai-train-2", ner_mapping_to_source=[0, 1, 3]),
            "ner_mapping_to_source: 3, but the English sentence has 3 entities",
        ),
        (
            changed(ZH, doc_key="ai-train-2", ner_mapping_to_source=[0, 1, -1]),
            "ner_mapping_to_source: -1, but the English sentence has 3 entities",
        ),
    ],
)
def test_a_malformed_translation_is_named(read: Reader, bad: object, reason: str) -> None:
    with pytest.raises(DataError) as error:
        read([EN, changed(EN, doc_key="ai-train-2")], [ZH, bad])
    assert str(error.value) == f"{read.folder / 'zh' / 'ai-train.json'}:2: {reason}"


def test_a_key_of_another_file_is_refused_and_so_is_a_domain_without_files(read: Reader) -> None:
    with pytest.raises(DataError, match=r"ai-dev\.json:1: doc_key 'ai-dev-1' for the second time"):
        read([other("dev")])
    with pytest.raises(RequestError, match=r"the domain 'music' is asked for, but en/music-train\.json is not there"):
        read([EN], domains=["ai", "music"])


def test_the_fingerprint_covers_files_and_options(read: Reader) -> None:
    first = read([EN], [ZH]).fingerprint
    assert first == read([EN], [ZH]).fingerprint
    assert len({first, read([EN]).fingerprint, read([EN], [ZH], unrelated=0.5).fingerprint}) == 3


def test_the_real_files(real_data: Path) -> None:
    folder = real_data / "crossre"
    if not (folder / "en" / "ai-train.json").is_file():
        pytest.skip(f"no CrossRE in {real_data}")
    corpus = read_corpus("crossre", given={"crossre": folder})
    assert {split: len(items) for split, items in corpus.splits.items()} == {
        "train": 19_111,
        "dev": 68_166,
        "test": 80_626,
    }
    assert dict(corpus.counts) == {
        "sentences": 5_265,
        "relations": 19_761,
        "relations dropped: an entity with itself": 5,
        "relations dropped: the same again": 3,
        "relations of the zh files alone": 1,
        "relations of the en files alone, both entities in zh": 4,
        "pairs with a relation": 18_603,
        "pairs without a relation": 64_804,
        "pairs without a zh mention": 1_201,
        "pairs of names of dev that train has too": 307,
        "pairs of names of test that train has too": 371,
    }
    whole, part = (
        read_corpus("crossre", {"domains": ["news"], "unrelated": share}, {"crossre": folder}) for share in (1, 0.25)
    )
    assert part.counts["pairs with a relation"] == whole.counts["pairs with a relation"]
    share = part.counts["pairs without a relation"] / whole.counts["pairs without a relation"]
    assert share == pytest.approx(0.25, abs=0.03)
    assert set(part.splits["train"]) < set(whole.splits["train"])


def test_the_source_lists_all_files() -> None:
    files = corpus_source("crossre").files
    assert len(files) == 36
    assert {file.role for file in files if file.optional} == {f.role for f in files if f.role.startswith("zh/")}
