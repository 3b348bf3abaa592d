"""Scores of a split's bags: what is ranked, what is kept, and that every bag is asked once."""

import pytest
import torch
from relab.corpus import Corpus
from relab.prepared import Split

from trainables.bags import evaluation
from trainables.bags.config import METRICS, BagDataConfig
from trainables.bags.data import prepare_bags
from trainables.bags.evaluation import evaluation_batches, gold_of, scored
from trainables.corpora.mentions import Mention


def mention(head: str, tail: str, relation: str, length: int) -> Mention:
    return Mention("en", head, tail, relation, (head, tail, *["word"] * (length - 2)), (0, 1), (1, 2))


ROWS = [
    ("a", "b", "born", 3),
    ("a", "b", "lives", 9),
    ("c", "d", "NA", 2),
    ("e", "f", "lives", 5),
    ("e", "f", "lives", 4),
    ("e", "f", "NA", 7),
    ("g", "h", "born", 30),
]


@pytest.fixture(scope="module")
def split() -> Split:
    mentions = [mention(*row) for row in ROWS]
    corpus = Corpus("bags", {"train": mentions[:2], "dev": mentions}, "fingerprint", {})
    return prepare_bags(corpus, BagDataConfig()).split("dev")


def test_gold_has_every_relation_of_a_bag_and_none_only_where_there_is_nothing_else(split: Split) -> None:
    assert split.vocabulary["relations"] == ("NA", "born", "lives")
    assert gold_of(split).tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]


SCORES = torch.tensor([[9.0, -1, -4], [9, -2, -9], [9, -8, -3], [9, -7, -6]]).double()
"""The ranking without NA: hit, miss, hit, hit, miss, hit, …"""


def test_the_ranking_is_over_all_bags_and_leaves_out_the_column_of_none(split: Split) -> None:
    found = scored(split, SCORES)
    assert tuple(found.metrics) == METRICS
    assert found.metrics["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 6) / 4)
    assert found.metrics["precision_at_10"] == 1 and found.metrics["precision_at_40"] == pytest.approx(2 / 3)
    assert found.metrics["interpolated_precision_at_40"] == 0.75


def test_the_tables_have_the_curve_each_relation_and_the_top_by_name(split: Split) -> None:
    tables = scored(split, SCORES).tables
    assert tables["curve"]["recall"].to_list() == [0.25, 0.5, 0.75, 1]
    assert tables["relations"].rows() == [("born", 2, (1 + 2 / 3) / 2), ("lives", 2, 1.0)]
    top = tables["bags"]
    assert top.columns == ["head", "relation", "tail", "score", "gold"]
    assert top.rows()[:3] == [
        ("a", "born", "b", -1, True),
        ("c", "born", "d", -2, False),
        ("e", "lives", "f", -3, True),
    ]
    assert len(top) == 8 and top["gold"].sum() == 4


def test_the_top_is_cut(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "TOP", 3)
    tables = scored(split, SCORES).tables
    assert (len(tables["bags"]), len(tables["curve"])) == (3, 4)


@pytest.mark.parametrize(("tokens", "count"), [(1, 4), (30, 3), (1000, 1)])
def test_every_bag_comes_once_in_batches_of_bounded_size(
    tokens: int, count: int, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "TOKENS", tokens)
    found = list(evaluation_batches(split, torch.device("cpu"), end=True))
    assert sorted(bag for batch in found for bag in batch.bags) == [0, 1, 2, 3]
    assert len(found) == count
    for batch in found:
        assert batch.words.shape[1] == int(batch.lengths.max()) + 1
        assert len(batch.bags) == 1 or int(batch.lengths.max()) * len(batch.lengths) <= tokens


def test_a_split_without_bags_has_no_batches_and_no_positives() -> None:
    corpus = Corpus("bags", {"train": [mention(*ROWS[0])], "dev": []}, "fingerprint", {})
    empty = prepare_bags(corpus, BagDataConfig()).split("dev")
    assert not list(evaluation_batches(empty, torch.device("cpu")))
    assert set(scored(empty, torch.zeros(0, 2)).metrics.values()) == {0.0}
