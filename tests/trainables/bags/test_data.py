"""What preparing mentions gives, against a slow reference; how bags are split; what a batch holds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpus import Corpus, WordVectors
from relab.prepared import Prepared, Split

from trainables.bags.config import BagDataConfig
from trainables.bags.data import (
    END,
    SPECIAL,
    UNKNOWN,
    bag_lengths,
    batch_of,
    batches,
    chunks,
    prepare_bags,
    ranges,
)
from trainables.corpora.mentions import Mention, by_column

CPU = torch.device("cpu")
VECTORS = WordVectors("v", ("a", "née", "zz", "中"), np.arange(8, dtype=np.float32).reshape(4, 2), "fingerprint")
WORDS = ("a", "b", "née", "c_d", "中", ".")


def mention(head: str, tail: str, relation: str, text: str = "x met y", language: str = "en") -> Mention:
    tokens = tuple(text.split())
    return Mention(language, head, tail, relation, tokens, (0, 1), (len(tokens) - 1, len(tokens)))


@st.composite
def mentions(draw: st.DrawFn) -> Mention:
    tokens = tuple(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)))
    head, tail = draw(st.permutations(("x", "y", "z")))[:2]
    spans = [sorted(draw(st.tuples(st.integers(0, len(tokens) - 1), st.integers(1, len(tokens))))) for _ in "ht"]
    return Mention(
        language=draw(st.sampled_from(("zh", "en"))),
        head=head,
        tail=tail,
        relation=draw(st.sampled_from(("NA", "r", "q"))),
        tokens=tokens,
        head_span=(spans[0][0], max(spans[0][1], spans[0][0] + 1)),
        tail_span=(spans[1][0], max(spans[1][1], spans[1][0] + 1)),
    )


@st.composite
def configs(draw: st.DrawFn) -> BagDataConfig:
    return BagDataConfig(
        bags=draw(st.sampled_from(("pair", "pair_relation"))),
        evaluation_bags=draw(st.sampled_from(("pair", "pair_relation"))),
        max_tokens=draw(st.sampled_from((2, 4, 120))),
        longer=draw(st.sampled_from(("exclude", "truncate"))),
        exclude_in_evaluation=draw(st.booleans()),
        max_mentions=draw(st.sampled_from((1, 2, 3, 500))),
        chunks=draw(st.sampled_from(("partition", "overlap"))),
        split_in_evaluation=draw(st.booleans()),
        vocabulary=draw(st.sampled_from((None, 2))),
        other_words=draw(st.sampled_from(("unknown", "drawn"))),
        min_count=draw(st.sampled_from((1, 3))),
    )


@dataclass(frozen=True)
class Sentence:
    """One sentence of a bag as the tests look at it; a word without a row of its own is None."""

    language: str
    words: tuple[str | None, ...]
    spans: tuple[int, ...]


Bags = list[tuple[list[str], tuple[str | None, str | None], list[Sentence]]]
"""Labels, head and tail, sentences."""


def slow(corpus: Corpus[Mention], data: BagDataConfig) -> tuple[dict[str, Bags], dict[str, tuple[str, ...]], Any]:
    """The same as ``prepare_bags``, a mention at a time: bags by split, vocabulary, words drawn by language."""
    kept: dict[str, list[Mention]] = {}
    for name, items in corpus.splits.items():
        excluding = data.longer == "exclude" and (name == "train" or data.exclude_in_evaluation)
        kept[name] = [item for item in items if not (excluding and len(item.tokens) > data.max_tokens)]
    everything = [item for items in corpus.splits.values() for item in items]
    vocabulary = {
        "relations": ("NA", *sorted({item.relation for item in everything} - {"NA"})),
        "languages": tuple(sorted({item.language for item in everything})),
    }
    known = set(corpus.vectors.words[: data.vocabulary]) if corpus.vectors else set()
    drawn = {}
    for language in vocabulary["languages"]:
        used = {w for items in kept.values() for item in items if item.language == language for w in item.tokens}
        count = Counter(w for item in kept["train"] if item.language == language for w in item.tokens)
        own = {w for w in used - known if count[w] >= data.min_count}
        drawn[language] = sorted(own) if data.other_words == "drawn" or not corpus.vectors else []
        vocabulary[f"words/{language}"] = (*drawn[language], *sorted(used & known))
    evaluated = {end for name, items in kept.items() if name != "train" for m in items for end in (m.head, m.tail)}
    splits: dict[str, Bags] = {}
    for name, items in kept.items():
        by_relation = (data.bags if name == "train" else data.evaluation_bags) == "pair_relation"
        bags: dict[tuple[str, ...], list[Mention]] = {}
        for item in items:
            key = (item.head, item.tail, item.relation if by_relation else "")
            bags.setdefault(key, []).append(item)
        splits[name] = []
        for bag in bags.values():
            parts = [bag]
            if name == "train" or data.split_in_evaluation:
                parts = [bag[at : at + data.max_mentions] for at in range(0, len(bag), data.max_mentions)]
                if data.chunks == "overlap":
                    parts[-1] = bag[-data.max_mentions :]
            for part in parts:
                labels = sorted({item.relation for item in part} - {"NA"}) or ["NA"]
                head, tail = (end if end in evaluated else None for end in (part[0].head, part[0].tail))
                sentences = []
                for item in part:
                    rows = set(vocabulary[f"words/{item.language}"])
                    words = tuple(w if w in rows else None for w in item.tokens[: data.max_tokens])
                    spans = tuple(min(end, data.max_tokens) for end in (*item.head_span, *item.tail_span))
                    sentences.append(Sentence(item.language, words, spans))
                splits[name].append((labels, (head, tail), sentences))
    vocabulary["entities"] = tuple(sorted(evaluated))
    return splits, vocabulary, drawn


def seen(split: Split) -> Bags:
    """A prepared split in the reference's terms."""
    tensors, vocabulary = {name: tensor.tolist() for name, tensor in split.tensors.items()}, split.vocabulary
    found: Bags = []
    for bag, (begin, end) in enumerate(zip(tensors["bag_offsets"], tensors["bag_offsets"][1:], strict=False)):
        labels = tensors["labels"][slice(*tensors["label_offsets"][bag : bag + 2])]
        head, tail = (vocabulary["entities"][number] if number >= 0 else None for number in tensors["ends"][bag])
        sentences = []
        for place in range(begin, end):
            language = vocabulary["languages"][tensors["languages"][place]]
            rows = tensors["words"][slice(*tensors["offsets"][place : place + 2])]
            assert all(row == UNKNOWN or row >= SPECIAL for row in rows)
            words = tuple(vocabulary[f"words/{language}"][row - SPECIAL] if row else None for row in rows)
            sentences.append(Sentence(language, words, tuple(tensors["spans"][place])))
        found.append(([vocabulary["relations"][number] for number in labels], (head, tail), sentences))
    return found


class TestPrepare:
    @settings(max_examples=250, deadline=None)
    @given(
        st.lists(mentions(), min_size=1, max_size=12),
        st.lists(mentions(), max_size=6),
        configs(),
        st.sampled_from([None, VECTORS]),
        st.booleans(),
    )
    def test_it_is_what_the_slow_reference_makes(
        self, train: list[Mention], dev: list[Mention], data: BagDataConfig, vectors: WordVectors | None, columns: bool
    ) -> None:
        splits: Mapping[str, Sequence[Mention]] = {"train": train, "dev": dev}
        corpus = Corpus("x", by_column(splits) if columns else splits, "fingerprint", vectors=vectors)
        prepared = prepare_bags(corpus, data)
        bags, vocabulary, drawn = slow(corpus, data)
        assert {name: tuple(v) for name, v in prepared.vocabulary.items() if name != "entities"} == {
            name: v for name, v in vocabulary.items() if name != "entities"
        }
        assert sorted(prepared.vocabulary["entities"]) == list(vocabulary["entities"])
        assert {name: seen(prepared.split(name)) for name in splits} == bags
        for language in vocabulary["languages"]:
            assert prepared.shared[f"drawn/{language}"].tolist() == [len(drawn[language])]
            known = vocabulary[f"words/{language}"][len(drawn[language]) :]
            if vectors is None:
                assert f"vectors/{language}" not in prepared.shared
            else:
                expected = [vectors.matrix[vectors.words.index(word)].tolist() for word in known]
                assert prepared.shared[f"vectors/{language}"].tolist() == expected

    def test_a_list_and_its_columns_give_equal_tensors(self) -> None:
        items = [mention("a", "b", "r"), mention("c", "d", "q", "中 hit 中", "zh"), mention("a", "b", "NA")]
        one, other = (
            prepare_bags(Corpus("x", splits, "fingerprint", vectors=VECTORS), BagDataConfig())
            for splits in ({"train": items, "dev": items[:1]}, by_column({"train": items, "dev": items[:1]}))
        )
        assert one.vocabulary == other.vocabulary
        assert all(torch.equal(other.shared[name], tensor) for name, tensor in one.shared.items())
        for name, tensors in one.splits.items():
            assert all(torch.equal(other.splits[name][key], tensor) for key, tensor in tensors.items())

    def test_na_is_a_label_only_where_it_is_alone(self) -> None:
        items = [mention("a", "b", "NA"), mention("a", "b", "r"), mention("b", "a", "NA"), mention("a", "b", "q")]
        (both, alone) = seen(prepared_of(items).split("train"))
        assert (both[0], len(both[2])) == (["q", "r"], 3), "the sentence that is labelled NA stays in the bag"
        assert (alone[0], len(alone[2])) == (["NA"], 1)

    def test_bags_of_a_pair_and_a_relation_have_one_label(self) -> None:
        items = [mention("a", "b", "NA"), mention("a", "b", "r"), mention("a", "b", "q"), mention("a", "b", "r")]
        found = seen(prepared_of(items, bags="pair_relation").split("train"))
        assert [(labels, len(sentences)) for labels, _, sentences in found] == [(["NA"], 1), (["r"], 2), (["q"], 1)]

    def test_a_long_sentence_is_left_out_of_train_and_cut_off_in_dev(self) -> None:
        items = [mention("a", "b", "r", "x met y"), mention("c", "d", "r", "x met y")]
        data = prepared_of(items, dev=items, max_tokens=2)
        assert seen(data.split("train")) == []
        assert [bag[2][0].spans for bag in seen(data.split("dev"))] == [(0, 1, 2, 2)] * 2, "y is cut off"
        assert sum(bag_lengths(data.split("dev"))) == 4
        strict = prepared_of(items, dev=items, max_tokens=2, exclude_in_evaluation=True)
        assert seen(strict.split("dev")) == []
        assert len(seen(prepared_of(items, max_tokens=3).split("train"))) == 2

    def test_relations_of_a_list_are_classes_whether_they_occur_or_not(self) -> None:
        made = by_column({"train": [mention("a", "b", "r")], "dev": [mention("a", "b", "s")]})
        corpus = Corpus("x", {"train": made["train"]}, "fingerprint")
        assert prepare_bags(corpus, BagDataConfig()).vocabulary["relations"] == ("NA", "r", "s")


def prepared_of(train: Sequence[Mention], dev: Sequence[Mention] = (), **data: Any) -> Prepared:
    corpus = Corpus("x", {"train": train, "dev": dev}, "fingerprint")
    return prepare_bags(corpus, BagDataConfig.model_validate(data))


class TestChunks:
    """Test W5."""

    @pytest.mark.parametrize(
        ("size", "clean", "overlapping"),
        [
            (499, [(0, 499)], [(0, 499)]),
            (500, [(0, 500)], [(0, 500)]),
            (501, [(0, 500), (500, 501)], [(0, 500), (1, 501)]),
            (700, [(0, 500), (500, 700)], [(0, 500), (200, 700)]),
            (1000, [(0, 500), (500, 1000)], [(0, 500), (500, 1000)]),
            (1200, [(0, 500), (500, 1000), (1000, 1200)], [(0, 500), (500, 1000), (700, 1200)]),
        ],
    )
    def test_known_answers(self, size: int, clean: list[tuple[int, int]], overlapping: list[tuple[int, int]]) -> None:
        assert list(chunks(size, 500, "partition")) == clean
        assert list(chunks(size, 500, "overlap")) == overlapping

    @pytest.mark.parametrize(("how", "sizes"), [("partition", [500, 200]), ("overlap", [500, 500])])
    def test_a_bag_of_train_is_split_and_one_of_dev_is_not(self, how: str, sizes: list[int]) -> None:
        items = [mention("a", "b", "r", f"x{n} met y") for n in range(700)]
        data = prepared_of(items, dev=items, chunks=how)
        parts = [[sentence.words[0] for sentence in bag[2]] for bag in seen(data.split("train"))]
        assert [len(part) for part in parts] == sizes
        assert parts[1] == [f"x{n}" for n in range(700 - sizes[1], 700)]
        assert data.splits["dev"]["bag_offsets"].tolist() == [0, 700]
        both = prepared_of(items, dev=items, chunks=how, split_in_evaluation=True)
        assert both.splits["dev"]["bag_offsets"].tolist() == both.splits["train"]["bag_offsets"].tolist()

    def test_a_part_has_the_labels_of_its_own_sentences(self) -> None:
        items = [mention("a", "b", relation) for relation in ("r", "r", "q")]
        found = seen(prepared_of(items, max_mentions=2).split("train"))
        assert [labels for labels, _, _ in found] == [["r"], ["q"]]


ITEMS = [
    mention("a", "b", "r", "x met the y"),
    mention("a", "b", "q", "中 见 中", "zh"),
    mention("c", "d", "NA", "x and a b c y"),
    mention("e", "f", "r", "中 见 过 中 。", "zh"),
    mention("a", "b", "NA", "x saw y"),
]
"""Bags: (a, b) with sentences 0, 1, 4; (c, d) with 2; (e, f) with 3."""
MEMBERS = [[0, 1, 4], [2], [3]]


class TestBatches:
    SPLIT = prepared_of(ITEMS).split("train")

    def words(self, language: str, rows: Sequence[int]) -> list[str]:
        return [self.SPLIT.vocabulary[f"words/{language}"][row - SPECIAL] for row in rows]

    @pytest.mark.parametrize("end", [False, True])
    @pytest.mark.parametrize("bags", [[0], [2, 0], [0, 1, 2], [1, 1]])
    def test_a_batch_holds_its_bags_sentences(self, bags: list[int], end: bool) -> None:
        batch = batch_of(self.SPLIT, bags, CPU, end=end)
        expected = [ITEMS[place] for bag in bags for place in MEMBERS[bag]]
        assert batch.bags == tuple(bags)
        assert batch.lengths.tolist() == [len(item.tokens) for item in expected]
        assert batch.words.shape == (len(expected), max(batch.lengths.tolist()) + end)
        assert batch.bag.tolist() == [place for place, bag in enumerate(bags) for _ in MEMBERS[bag]]
        assert batch.spans.tolist() == [[*item.head_span, *item.tail_span] for item in expected]
        for row, item in enumerate(expected):
            length = len(item.tokens)
            assert self.SPLIT.vocabulary["languages"][batch.languages[row]] == item.language
            assert self.words(item.language, batch.words[row, :length].tolist()) == list(item.tokens)
            assert set(batch.words[row, length:].tolist()) <= {END}
            assert batch.mask[row].tolist() == [place < length for place in range(batch.words.shape[1])]
        relations = self.SPLIT.vocabulary["relations"]
        own = [{ITEMS[place].relation for place in MEMBERS[bag]} for bag in bags]
        expected_labels = [sorted(labels - {"NA"}) or ["NA"] for labels in own]
        assert [[relations[r] for r in row.nonzero().flatten().tolist()] for row in batch.labels] == expected_labels
        assert set(batch.labels.flatten().tolist()) == {0.0, 1.0}

    @pytest.mark.parametrize("end", [False, True])
    def test_the_sentences_of_one_language(self, end: bool) -> None:
        batch = batch_of(self.SPLIT, [0, 1, 2], CPU, end=end)
        assert self.SPLIT.vocabulary["languages"] == ("en", "zh")
        for language, places in (("en", [0, 2, 3]), ("zh", [1, 4])):
            own = batch.of_language(("en", "zh").index(language))
            width = int(batch.lengths[places].max()) + end
            assert torch.equal(own.words, batch.words[places, :width])
            for name in ("lengths", "spans", "languages", "bag"):
                assert torch.equal(getattr(own, name), getattr(batch, name)[places])
            assert own.bags == batch.bags and torch.equal(own.labels, batch.labels)
            assert torch.equal(own.mask, batch.mask[places, :width])

    @pytest.mark.parametrize("end", [False, True])
    def test_a_language_that_is_not_there_is_an_empty_batch(self, end: bool) -> None:
        missing = batch_of(self.SPLIT, [1], CPU, end=end).of_language(1)
        assert missing.words.shape == missing.mask.shape == (0, 0)
        assert len(missing.lengths) == len(missing.bag) == 0
        assert missing.labels.shape[0] == 1

    def test_all_bags_once_by_their_longest_sentence(self) -> None:
        assert bag_lengths(self.SPLIT) == [4, 6, 5]
        assert [batch.bags for batch in batches(self.SPLIT, 2, CPU, None)] == [(0, 1), (2,)]
        shuffled = [batch.bags for batch in batches(self.SPLIT, 2, CPU, torch.Generator().manual_seed(0))]
        assert sorted(bag for bags in shuffled for bag in bags) == [0, 1, 2]
        assert all(
            batch.words.shape[1] == 1 + max(batch.lengths) for batch in batches(self.SPLIT, 2, CPU, None, end=True)
        )

    def test_a_split_without_bags_has_no_batches(self) -> None:
        empty = prepared_of(ITEMS, dev=[]).split("dev")
        assert bag_lengths(empty) == []
        assert list(batches(empty, 2, CPU, None)) == []


def test_ranges_that_are_asked_for_in_any_order_and_more_than_once() -> None:
    place, owner = ranges(torch.tensor([0, 2, 2, 3]), torch.tensor([2, 1, 0, 2]))
    assert place.tolist() == [2, 0, 1, 2]
    assert owner.tolist() == [0, 2, 2, 3]
