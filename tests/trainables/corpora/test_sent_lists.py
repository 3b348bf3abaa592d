"""SENT's JSON lists: places that are searched, what marks of noise mean, and the counts of the released files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from relab.errors import DataError

from trainables.corpora.sent_lists import (
    SentListOptions,
    parse_relation_ids,
    parse_sent_list,
    read_sent_lists,
)
from trainables.corpora.sentences import LabelledSentence

PATH = Path("x.json")


def item(sentence: str, head: str, tail: str, relation: str = "r", **more: Any) -> dict[str, Any]:
    """An item without places."""
    return {
        "sentence": sentence,
        "head": {"word": head, "type": "PERSON"},
        "tail": {"word": tail, "type": "PERSON"},
        "relation": relation,
        "stanford_ner": ["O"] * len(sentence.split(" ")),
        **more,
    }


def parsed(*items: Any, **options: Any) -> tuple[list[LabelledSentence], Counter[str]]:
    counts: Counter[str] = Counter()
    data = json.dumps(items).encode()
    return parse_sent_list(data, PATH, SentListOptions.model_validate(options), counts), counts


def test_the_released_form() -> None:
    text = b"""[{"head": {"type": "CITY", "word": "Wellington", "pos": [1, 1]},
        "tail": {"type": "COUNTRY", "word": "New Zealand", "pos": [3, 4]}, "sentence": "In Wellington , New Zealand .",
        "relation": "None", "stanford_ner": ["O", "CITY", "O", "COUNTRY", "COUNTRY", "O"]}]"""
    assert parse_sent_list(text, PATH, SentListOptions(), Counter()) == [
        LabelledSentence(
            "Wellington\tNew Zealand",
            ("In", "Wellington", ",", "New", "Zealand", "."),
            (1, 2),
            (3, 5),
            "NA",
            ("O", "CITY", "O", "COUNTRY", "COUNTRY", "O"),
        )
    ]


class TestPlaces:
    def test_an_entity_is_where_its_words_first_occur_together(self) -> None:
        ((one,), _) = parsed(item("New Bob of New York met Bob in New York", "New York", "Bob"))
        assert (one.head, one.tail) == ((3, 5), (1, 2))

    def test_or_where_its_place_is_given(self) -> None:
        raw = item("Bob and Ann and Bob", "Bob", "Ann")
        raw["head"]["pos"], raw["tail"]["pos"] = [4, 4], [2, 2]
        assert parsed(raw)[0][0].head == (0, 1)
        assert parsed(raw, position="given")[0][0].head == (4, 5)

    @pytest.mark.parametrize(
        ("pos", "reason"),
        [
            ([2, 2], "head: at [2, 2] stands 'Ann', not 'Bob'"),
            ([4, 3], "head: pos: [4, 4) is no span of the sentence, which has 5 tokens"),
            ([5, 5], "head: pos: [5, 6) is no span of the sentence, which has 5 tokens"),
            ([-1, -1], "head: pos: [-1, 0) is no span"),
            ([4], "head: pos: [4] is not two whole numbers"),
            (None, "head: pos: a NoneType, not a list"),
        ],
    )
    def test_a_given_place_without_the_words_is_malformed(self, pos: object, reason: str) -> None:
        raw = item("Bob and Ann and Bob", "Bob", "Ann")
        raw["head"]["pos"], raw["tail"]["pos"] = pos, [2, 2]
        with pytest.raises(DataError) as raised:
            parsed(raw, position="given")
        assert str(raised.value).startswith(f"x.json: item 1: {reason}")

    def test_what_is_not_found_is_dropped_and_counted_up_to_a_limit(self) -> None:
        good, absent = item("Ann met Bob", "Ann", "Bob"), item("Ann met Bobs", "Ann", "Bob")
        found, counts = parsed(*[good] * 19, absent)
        assert len(found) == 19, "5 % are allowed"
        assert counts == {"items": 20, "items dropped: an entity is not in the sentence": 1}
        with pytest.raises(DataError, match=r"x.json: in 2 of 20 items an entity is not in the sentence. That is more"):
            parsed(*[good] * 18, absent, absent)
        assert len(parsed(good, absent, not_found_limit=0.5)[0]) == 1

    def test_entities_may_overlap(self) -> None:
        ((one,), _) = parsed(item("New York University", "New York University", "New York"))
        assert (one.head, one.tail) == ((0, 3), (0, 2))

    def test_entities_with_the_same_words_are_in_one_place_and_counted(self) -> None:
        ((one,), counts) = parsed(item("Ann met Ann", "Ann", "Ann"))
        assert (one.head, one.tail) == ((0, 1), (0, 1))
        assert counts == {"items": 1, "items with one span for both entities": 1}

    def test_a_no_break_space_is_part_of_a_token(self) -> None:
        ((one,), _) = parsed(item("Ann at (718)\xa0488 met Bob", "Ann", "Bob"))
        assert one.tokens[2] == "(718)\xa0488"


class TestLabels:
    @pytest.mark.parametrize("name", ["None", "no_relation", "NA"])
    def test_no_relation_is_na_whatever_it_is_called(self, name: str) -> None:
        ((one,), _) = parsed(item("Ann met Bob", "Ann", "Bob", name, D_relation=name))
        assert (one.relation, one.clean) == ("NA", "NA")

    @pytest.mark.parametrize(
        ("relation", "noise", "clean", "cleared"),
        [("r", True, "NA", 0), ("r", False, "r", 0), ("NA", False, "NA", 0), ("NA", True, "NA", 1)],
    )
    def test_a_mark_of_noise_says_that_the_label_is_not_the_truth(
        self, relation: str, noise: bool, clean: str, cleared: int
    ) -> None:
        ((one,), counts) = parsed(item("Ann met Bob", "Ann", "Bob", relation, is_noise=noise))
        assert (one.relation, one.clean) == (relation, clean)
        assert counts["noise marks cleared: the label is NA"] == cleared

    def test_the_noisy_label_is_what_is_trained_on(self) -> None:
        ((one,), _) = parsed(item("Ann met Bob", "Ann", "Bob", "no_relation", D_relation="r"))
        assert (one.relation, one.clean) == ("r", "NA")

    def test_without_either_the_truth_is_not_known(self) -> None:
        assert parsed(item("Ann met Bob", "Ann", "Bob"))[0][0].clean is None


class TestRelations:
    def test_they_are_in_the_order_of_their_numbers(self) -> None:
        assert parse_relation_ids(b'{"b": 2, "None": 0, "a": 1}', PATH) == ("NA", "a", "b")

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"[1]", "x.json: not an object with a number for each relation"),
            (b'{"NA": "0"}', "x.json: not an object with a number for each relation"),
            (b'{"NA": true}', "x.json: not an object with a number for each relation"),
            (b'{"NA": 0, "r": 2}', "x.json: the numbers of 2 relations are not 0 to 1"),
            (b'{"NA": 1, "r": 0}', "x.json: the number 0 does not belong to 'NA'"),
            (b"{}", "x.json: the number 0 does not belong to 'NA'"),
            (b"{", "x.json: not JSON: "),
            (b"\xff", "x.json: not UTF-8: byte 0xff at place 1"),
        ],
    )
    def test_another_content_is_refused(self, data: bytes, reason: str) -> None:
        with pytest.raises(DataError) as raised:
            parse_relation_ids(data, PATH)
        assert str(raised.value).startswith(reason)

    def test_no_other_relation_is_allowed_where_there_is_a_list(self, tmp_path: Path) -> None:
        (tmp_path / "rel2id.json").write_text('{"NA": 0, "q": 1}', encoding="utf-8")
        (tmp_path / "train.json").write_text(json.dumps([item("Ann met Bob", "Ann", "Bob")]), encoding="utf-8")
        files = {"relations": tmp_path / "rel2id.json", "train": tmp_path / "train.json"}
        with pytest.raises(DataError, match="item 1: unknown relation 'r'"):
            read_sent_lists("x", files, SentListOptions())
        del files["relations"]
        assert list(read_sent_lists("x", files, SentListOptions(dev_share=0)).splits) == ["train"]


def test_the_noise_file_is_a_split_of_its_own(tmp_path: Path) -> None:
    noise = [item("Ann met Bob", "Ann", "Bob", is_noise=noise) for noise in (True, False)]
    texts = {"train": [item("Ann met Bob", "Ann", "Bob")], "noise": noise}
    files = {split: tmp_path / split for split in texts}
    for split, path in files.items():
        path.write_text(json.dumps(texts[split]), encoding="utf-8")
    made = read_sent_lists("x", files, SentListOptions(dev_share=0)).splits
    assert [one.clean for one in made["noise"]] == ["NA", "r"]
    assert made["train"][0].clean is None


class TestRealFiles:
    @pytest.mark.parametrize(
        ("split", "items", "positive", "same"), [("dev", 2_363, 337, 17), ("test", 2_145, 323, 22)]
    )
    def test_the_counts_are_those_of_the_release(
        self, real_data: Path, split: str, items: int, positive: int, same: int
    ) -> None:
        folder = real_data / "arnor"
        if not folder.is_dir():
            pytest.skip("no arnor beside the other real files")
        known = parse_relation_ids((folder / "rel2id.json").read_bytes(), PATH)
        assert len(known) == 25
        counts: Counter[str] = Counter()
        data = (folder / f"{split}_part_ner.json").read_bytes()
        found = parse_sent_list(data, PATH, SentListOptions(), counts, known)
        assert counts == {"items": items, "items with one span for both entities": same}, "all entities are found"
        assert len(found) == items
        assert sum(one.relation != "NA" for one in found) == positive
        assert sum(len(one.tokens) > 256 for one in found) == (split == "dev")
        given = parse_sent_list(data, PATH, SentListOptions(position="given"), counts, known)
        assert given == found, "the places given are the first ones"
