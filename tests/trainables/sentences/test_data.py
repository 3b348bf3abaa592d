"""From sentences to tensors and batches: what each number means, what is left out, what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relab.corpus import Corpus
from relab.errors import RequestError
from relab.prepared import Split

from trainables.bags.data import END, SPECIAL, UNKNOWN
from trainables.corpora.sentences import LabelledSentence
from trainables.sentences import data as module
from trainables.sentences.config import SentenceDataConfig
from trainables.sentences.data import (
    batch_of,
    batches,
    evaluation_batches,
    prepare_sentences,
)

CPU = torch.device("cpu")
MakeCorpus = Callable[..., Corpus[LabelledSentence]]


def words_of(split: Split, rows: list[int]) -> list[str]:
    names = split.vocabulary["words/text"]
    return [names[row - SPECIAL] if row >= SPECIAL else {UNKNOWN: "?", END: "."}[row] for row in rows]


def test_relations_are_numbered_with_na_first_and_truths_with_them(make_corpus: MakeCorpus) -> None:
    train = prepare_sentences(make_corpus(), SentenceDataConfig()).split("train")
    assert train.vocabulary["relations"] == ("NA", "met", "wrote")
    assert train.tensors["labels"].tolist() == [2, 1, 0]
    assert train.tensors["clean"].tolist() == [2, 0, 3], (
        "a truth that is no relation of the corpus is none of its numbers"
    )
    assert train.tensors["documents"].tolist() == [0, 1, 0]
    assert train.tensors["spans"].tolist() == [[0, 1, 3, 5], [0, 2, 3, 4], [0, 1, 3, 4]]


def test_a_truth_that_is_not_given_is_not_known(make_corpus: MakeCorpus) -> None:
    assert prepare_sentences(make_corpus(), SentenceDataConfig()).splits["dev"]["clean"].tolist() == [-1]


def test_words_with_a_vector_have_rows_and_others_are_unknown(make_corpus: MakeCorpus) -> None:
    prepared = prepare_sentences(make_corpus(), SentenceDataConfig())
    train = prepared.split("train")
    assert train.vocabulary["words/text"] == ("met", "to", "wrote"), "no row for a vector that no sentence uses"
    assert train.shared["vectors/text"].tolist() == [[9, 10, 11], [3, 4, 5], [0, 1, 2]]
    assert words_of(train, train.tensors["words"][:6].tolist()) == ["?", "wrote", "to", "?", "?", "?"]


def test_without_vectors_the_words_of_train_are_drawn(make_corpus: MakeCorpus) -> None:
    prepared = prepare_sentences(make_corpus(vectors=False), SentenceDataConfig())
    dev = prepared.split("dev")
    assert words_of(dev, dev.tensors["words"].tolist()) == ["bo", "wrote", "ada", "?", "?"]
    assert int(dev.shared["drawn/text"]) == len(dev.vocabulary["words/text"]) == 9


@pytest.mark.parametrize(("lower", "found"), [(True, "?"), (False, "Bo")])
def test_case_is_kept_where_it_is_asked_for(lower: bool, found: str, make_corpus: MakeCorpus) -> None:
    dev = prepare_sentences(make_corpus(vectors=False), SentenceDataConfig(lower=lower)).split("dev")
    spelled = words_of(dev, dev.tensors["words"].tolist())
    assert (spelled[0] == "Bo") == (not lower)


def test_tags_have_numbers_from_one_and_a_sentence_without_any_has_zeros(make_corpus: MakeCorpus) -> None:
    prepared = prepare_sentences(make_corpus(), SentenceDataConfig())
    assert prepared.vocabulary["tags"] == ("", "O", "P", "Q")
    assert prepared.splits["dev"]["tags"].tolist() == [2, 1, 2, 1, 3]
    bare = [LabelledSentence("d", ("a", "b"), (0, 1), (1, 2), relation) for relation in ("NA", "met")]
    prepared = prepare_sentences(make_corpus(bare), SentenceDataConfig())
    assert prepared.splits["train"]["tags"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("everywhere", "dev"), [(False, 1), (True, 0)])
def test_longer_sentences_leave_train_and_the_other_splits_on_request(
    everywhere: bool, dev: int, make_corpus: MakeCorpus
) -> None:
    settings = SentenceDataConfig(max_tokens=4, exclude_in_evaluation=everywhere)
    prepared = prepare_sentences(make_corpus(), settings)
    assert prepared.splits["train"]["offsets"].diff().tolist() == [4, 4]
    assert len(prepared.splits["dev"]["labels"]) == dev
    if dev:
        assert prepared.splits["dev"]["offsets"].diff().tolist() == [5], "whole"


def of(**changes: Any) -> LabelledSentence:
    values = {"document": "d", "tokens": ("a", "b", "c"), "head": (0, 1), "tail": (1, 3), "relation": "met"}
    return LabelledSentence(**{**values, **changes})


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (of(head=(0, 0)), r"sentence 1 of train \(d\): head \[0, 0\) in 3 tokens"),
        (of(head=(2, 1)), r"head \[2, 1\)"),
        (of(head=(-1, 1)), r"head \[-1, 1\)"),
        (of(tail=(2, 4)), r"tail \[2, 4\) in 3 tokens"),
        (of(tokens=(), head=(0, 1)), r"head \[0, 1\) in 0 tokens"),
        (of(tags=("O", "O")), "2 tags for 3 tokens"),
    ],
)
def test_a_sentence_that_cannot_be_is_named(wrong: LabelledSentence, reason: str, make_corpus: MakeCorpus) -> None:
    with pytest.raises(RequestError, match=reason):
        prepare_sentences(make_corpus([of(relation="NA"), wrong]), SentenceDataConfig())


@pytest.mark.parametrize("changes", [{"tail": (0, 1)}, {"head": (0, 2)}, {"head": (0, 3)}])
def test_entities_may_overlap_and_be_the_same(changes: dict[str, Any], make_corpus: MakeCorpus) -> None:
    prepared = prepare_sentences(make_corpus([of(**changes), of(relation="NA")]), SentenceDataConfig())
    made = of(**changes)
    assert prepared.splits["train"]["spans"][0].tolist() == [*made.head, *made.tail]


def test_one_label_alone_is_refused(make_corpus: MakeCorpus) -> None:
    with pytest.raises(RequestError, match="one label only"):
        prepare_sentences(make_corpus([of(relation="wrote")]), SentenceDataConfig())


@given(st.lists(st.integers(0, 2), min_size=1, max_size=7))
def test_a_batch_holds_the_sentences_that_were_asked_for(make_corpus: MakeCorpus, chosen: list[int]) -> None:
    train = prepare_sentences(make_corpus(), SentenceDataConfig()).split("train")
    batch = batch_of(train, chosen, CPU)
    offsets = train.tensors["offsets"].tolist()
    assert batch.words.shape == batch.mask.shape == (len(chosen), max(offsets[n + 1] - offsets[n] for n in chosen))
    for row, number in enumerate(chosen):
        own = slice(offsets[number], offsets[number + 1])
        for name in ("words", "tags"):
            assert torch.equal(getattr(batch, name)[row][batch.mask[row]], train.tensors[name][own].long())
        assert batch.spans[row].tolist() == train.tensors["spans"][number].tolist()
    assert (batch.words[~batch.mask] == END).all() and (batch.tags[~batch.mask] == 0).all()


def test_training_batches_hold_each_chosen_sentence_once(make_corpus: MakeCorpus) -> None:
    train = prepare_sentences(make_corpus(), SentenceDataConfig()).split("train")
    made = list(batches(train, torch.tensor([0, 2]), 1, CPU, torch.Generator().manual_seed(0)))
    assert sorted(int(batch.numbers) for batch in made) == [0, 2]


def test_evaluation_batches_stay_within_their_tokens(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOKENS", 8)
    train = prepare_sentences(make_corpus(), SentenceDataConfig()).split("train")
    made = [batch.numbers.tolist() for batch in evaluation_batches(train, CPU)]
    assert made == [[1, 2], [0]]
