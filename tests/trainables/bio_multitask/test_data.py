"""Tags, words and spans as tensors, and batches that hold every instance once."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpus import Corpus
from relab.prepared import Prepared
from torch import Tensor

from trainables.bio_multitask.config import PairConfig, PairDataConfig
from trainables.bio_multitask.data import batch_of, batches, prepare_pairs, tagged
from trainables.bio_multitask.extraction import COUNTS
from trainables.corpora.sentences import AnnotatedSentence, Entity

CPU = torch.device("cpu")
SENTENCE = AnnotatedSentence(
    "d",
    ("the", "Bank", "of", "England", "hired", "Ann", "Lee", "today"),
    (Entity(1, 4, "ORG"), Entity(3, 4, "GPE"), Entity(5, 7, "PER")),
    ((2, "EMPLOYED", 0),),
)


def prepared_of(*sentences: AnnotatedSentence, **changes: object) -> Prepared:
    corpus = Corpus("c", {"train": sentences, "dev": sentences[:1], "test": ()}, "f")
    return prepare_pairs(corpus, PairDataConfig.model_validate({"min_count": 1, **changes}))


def tags(prepared: Prepared) -> list[str]:
    return [prepared.vocabulary["tags"][number] for number in prepared.splits["train"]["tags"].tolist()]


class TestTags:
    """Of all entities, not of the two of an instance (trap 4); of nested ones the longest."""

    def test_with_the_type_inside(self) -> None:
        assert tags(prepared_of(SENTENCE)) == ["O", "B-ORG", "I-ORG", "I-ORG", "O", "B-PER", "I-PER", "O"]

    def test_with_one_inside_tag_for_all_types(self) -> None:
        prepared = prepared_of(SENTENCE, inside_tags="shared")
        assert tags(prepared) == ["O", "B-ORG", "I", "I", "O", "B-PER", "I", "O"]
        assert sorted(prepared.vocabulary["tags"]) == ["B-GPE", "B-ORG", "B-PER", "I", "O"]

    def test_a_nested_entity_has_pairs_all_the_same(self) -> None:
        split = prepared_of(SENTENCE, type_filter="off").splits["train"]
        assert split["spans"].tolist() == [[1, 4, 3, 4], [1, 4, 5, 7], [3, 4, 5, 7]]
        assert split["labels"].tolist() == [0, 1, 0]

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 4)), max_size=7))
    def test_no_two_tagged_entities_share_a_token_and_each_left_out_shares_one_with_a_better_one(
        self, spans: list[tuple[int, int]]
    ) -> None:
        entities = [Entity(begin, begin + size, "X") for begin, size in spans]
        kept = tagged(entities)
        assert all(one.end <= other.begin for one, other in pairwise(sorted(kept, key=lambda e: e.begin)))
        for entity in entities:
            rivals = [k for k in kept if k.begin < entity.end and entity.begin < k.end]
            assert any((entity.begin - entity.end, entity.begin) >= (k.begin - k.end, k.begin) for k in rivals)


def test_words_that_train_has_too_seldom_share_a_row_and_test_adds_none() -> None:
    other = AnnotatedSentence("e", ("the", "Bank", "hired", "Bob"), (Entity(1, 2, "ORG"), Entity(3, 4, "PER")), ())
    prepared = prepared_of(SENTENCE, other, min_count=2)
    assert prepared.vocabulary["words"] == ("Bank", "hired", "the")
    corpus = Corpus("c", {"train": [SENTENCE], "dev": [SENTENCE], "test": []}, "f")
    alone = prepare_pairs(corpus, PairDataConfig(min_count=1))
    assert "Bob" not in alone.vocabulary["words"] and len(alone.vocabulary["words"]) == 8


def test_what_the_extraction_counted_is_kept_with_each_split(prepared: Prepared) -> None:
    assert prepared.vocabulary["counts"] == tuple(COUNTS)
    for split in prepared.splits.values():
        counts = dict(zip(prepared.vocabulary["counts"], split["counts"].tolist(), strict=True))
        assert counts["sentences"] == len(split["offsets"]) - 1
        assert counts["positives"] == int((split["labels"] > 0).sum())
        assert counts["negatives"] == int((split["labels"] == 0).sum())


class TestBatches:
    @pytest.mark.parametrize("seed", [None, 0])
    @pytest.mark.parametrize("size", [1, 7, 10_000])
    def test_every_instance_is_in_one_batch_with_its_own_sentence(
        self, seed: int | None, size: int, prepared: Prepared
    ) -> None:
        split = prepared.split("train")
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        seen: list[int] = []
        for batch in batches(split, size, CPU, generator):
            seen += batch.instances.tolist()
            for row, number in enumerate(batch.instances.tolist()):
                place = int(split.tensors["sentence"][number])
                begin, end = split.tensors["offsets"][place : place + 2].tolist()
                own = int(batch.sentence[row])
                assert int(batch.lengths[own]) == end - begin
                assert torch.equal(batch.words[own, : end - begin], split.tensors["words"][begin:end].long())
                assert torch.equal(batch.tags[own, : end - begin], split.tensors["tags"][begin:end].long())
                assert not batch.tags[own, end - begin :].any()
                assert torch.equal(batch.spans[row], split.tensors["spans"][number].long())
        assert sorted(seen) == list(range(len(split.tensors["labels"])))

    def test_a_sentence_is_encoded_once_in_a_batch(self, prepared: Prepared) -> None:
        split = prepared.split("train")
        found = list(batches(split, 64, CPU, torch.Generator().manual_seed(0)))
        sentences = sum(len(batch.words) for batch in found)
        assert sentences < len(split.tensors["offsets"]) - 1 + len(found), "a cut parts one sentence at most"

    def test_the_order_is_the_streams(self, prepared: Prepared) -> None:
        def order(seed: int) -> list[Tensor]:
            split = prepared.split("train")
            return [batch.instances for batch in batches(split, 16, CPU, torch.Generator().manual_seed(seed))]

        assert all(torch.equal(a, b) for a, b in zip(order(0), order(0), strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(order(0), order(1), strict=True))

    def test_one_instance_is_a_batch(self, prepared: Prepared) -> None:
        batch = batch_of(prepared.split("dev"), [0], CPU)
        assert batch.words.shape == (1, int(batch.lengths[0])) and batch.labels.shape == (1,)


def test_the_small_fixture_has_related_and_unrelated_pairs(
    prepared: Prepared, small: Callable[..., PairConfig]
) -> None:
    for split in prepared.splits.values():
        assert 0 < int((split["labels"] > 0).sum()) < len(split["labels"])
    assert small().data.type_filter == "corpus"
