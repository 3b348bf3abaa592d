"""TACRED's JSON: inclusive ends, masks in the place of entities, and labels made noisy."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from relab.corpora import read_corpus
from relab.errors import RequestError

from trainables.corpora.sentences import LabelledSentence
from trainables.corpora.tacred import TacredOptions, parse_tacred

ITEM: dict[str, Any] = {
    "id": "e77",
    "docid": "APW_1",
    "relation": "org:founded_by",
    "token": ["Tom", "Thabane", "set", "up", "the", "All", "Basotho", "Convention", "."],
    **{"subj_start": 5, "subj_end": 7, "obj_start": 0, "obj_end": 1},
    **{"subj_type": "ORGANIZATION", "obj_type": "PERSON"},
    "stanford_ner": ["PERSON", "PERSON", "O", "O", "O", *["ORGANIZATION"] * 3, "O"],
    "stanford_pos": ["NNP"] * 9,
}


def parsed(item: dict[str, Any], **options: Any) -> LabelledSentence:
    data = json.dumps([item]).encode()
    (found,) = parse_tacred(data, Path("x"), TacredOptions.model_validate(options), Counter())
    return found


def test_the_released_form() -> None:
    assert parsed(ITEM) == LabelledSentence(
        "APW_1", tuple(ITEM["token"]), (5, 8), (0, 2), "org:founded_by", tuple(ITEM["stanford_ner"])
    )


def test_masks_stand_for_each_token_of_the_entities() -> None:
    masked = parsed(ITEM, mask=True)
    assert masked.tokens == (*["OBJ-PERSON"] * 2, "set", "up", "the", *["SUBJ-ORGANIZATION"] * 3, ".")
    plain = parsed(ITEM)
    assert (masked.head, masked.tail, masked.tags) == (plain.head, plain.tail, plain.tags)


def test_no_relation_is_na_and_an_item_without_docid_is_its_own_document() -> None:
    item = {key: value for key, value in ITEM.items() if key != "docid"} | {"relation": "no_relation"}
    assert (parsed(item).relation, parsed(item).document) == ("NA", "e77")


@pytest.mark.parametrize(
    ("true", "noisy", "expected"),
    [("no_relation", "per:title", ("per:title", "NA")), ("per:title", "no_relation", ("NA", "per:title"))],
)
def test_the_noisy_label_is_what_is_trained_on(true: str, noisy: str, expected: tuple[str, str]) -> None:
    found = parsed(ITEM | {"relation": true, "D_relation": noisy})
    assert (found.relation, found.clean) == expected


def test_noise_is_put_into_the_clean_release_alone(tmp_path: Path) -> None:
    folder = {"tacred": tmp_path}
    items = [ITEM | {"relation": "per:title" if n % 5 == 0 else "no_relation"} for n in range(300)]
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.json").write_text(json.dumps(items), encoding="utf-8")
    made = read_corpus("tacred", {"noise": 0.3}, folder).splits
    changed = [item for item in made["train"] if item.relation != item.clean]
    assert 60 <= len(changed) <= 120
    assert all(item.clean is None for item in (*made["dev"], *made["test"]))
    noisy = [item | {"D_relation": item["relation"]} for item in items]
    (tmp_path / "train.json").write_text(json.dumps(noisy), encoding="utf-8")
    with pytest.raises(RequestError, match="noisy already"):
        read_corpus("tacred", {"noise": 0.3}, folder)
