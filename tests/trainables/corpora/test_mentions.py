"""Mentions by column behave as the list of them; splits are cut between pairs; shared pairs are counted."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpus import Corpus

from trainables.corpora.mentions import Mention, Mentions, PairOptions, by_column, finish

few = settings(max_examples=60, deadline=None)


@st.composite
def spans(draw: st.DrawFn, length: int) -> tuple[int, int]:
    begin = draw(st.integers(0, length - 1))
    return begin, draw(st.integers(begin + 1, length))


@st.composite
def mentions(draw: st.DrawFn) -> Mention:
    tokens = tuple(draw(st.lists(st.sampled_from(("a", "b", "née", "c_d", "中", ".")), min_size=1, max_size=6)))
    head, tail = draw(st.permutations(("x", "y", "z")))[:2]
    return Mention(
        language=draw(st.sampled_from(("en", "zh"))),
        head=head,
        tail=tail,
        relation=draw(st.sampled_from(("NA", "r", "q"))),
        tokens=tokens,
        head_span=draw(spans(len(tokens))),
        tail_span=draw(spans(len(tokens))),
    )


def mention(head: str, tail: str, relation: str = "r", language: str = "en") -> Mention:
    return Mention(language, head, tail, relation, (head, "met", tail), (0, 1), (2, 3))


def columns(items: Sequence[Mention]) -> Mentions:
    return by_column({"train": items})["train"]


def finished(train: Sequence[Mention], test: Sequence[Mention], **options: object) -> Corpus[Mention]:
    splits = by_column({"train": train, "test": test})
    return finish("x", splits, "fingerprint", {"rows": 5}, PairOptions.model_validate(options))


def pairs_of(items: Sequence[Mention]) -> set[str]:
    return {item.document for item in items}


class TestColumns:
    @few
    @given(st.lists(mentions(), max_size=8), st.data())
    def test_they_are_the_list_of_them(self, items: list[Mention], data: st.DataObject) -> None:
        made = columns(items)
        assert len(made) == len(items)
        assert list(made) == items
        assert [made[place] for place in range(-len(items), len(items))] == items + items
        chosen = data.draw(st.slices(len(items)))
        part = made[chosen]
        assert isinstance(part, Mentions) and part.symbols is made.symbols
        assert list(part) == items[chosen]
        assert part.lengths.tolist() == [len(item.tokens) for item in items[chosen]]
        places = data.draw(st.lists(st.integers(0, len(items) - 1), max_size=8)) if items else []
        assert list(made.take(np.array(places, dtype=np.int64))) == [items[place] for place in places]
        kept = np.array([item.relation == "r" for item in items], dtype=bool)
        assert list(part.take(np.arange(len(part)))[1:][::-1]) == items[chosen][1:][::-1], "a part of a part of a part"
        assert list(made.where(kept)) == [item for item in items if item.relation == "r"]
        for place in (len(items), -len(items) - 1):
            with pytest.raises(IndexError):
                made[place]

    @few
    @given(st.lists(mentions(), max_size=6), st.lists(mentions(), max_size=6))
    def test_all_splits_share_their_symbols(self, train: list[Mention], test: list[Mention]) -> None:
        made = by_column({"train": train, "test": test})
        assert {name: list(items) for name, items in made.items()} == {"train": train, "test": test}
        assert made["train"].symbols is made["test"].symbols
        assert made["train"].symbols.relations.names[0] == "NA"
        numbers = [*made["train"].pairs.tolist(), *made["test"].pairs.tolist()]
        documents = [item.document for item in (*train, *test)]
        for one, first in zip(numbers, documents, strict=True):
            assert [one == other for other in numbers] == [first == second for second in documents]

    def test_what_a_reader_made_is_not_copied_but_parts_of_two_readers_are_put_together(self) -> None:
        made = by_column({"train": [mention("a", "b")], "test": [mention("b", "c")]})
        assert by_column(made) == made
        apart = {"train": columns([mention("a", "b")]), "test": columns([mention("b", "c")])}
        together = by_column(apart)
        assert together["train"].symbols is together["test"].symbols
        assert [list(items) for items in together.values()] == [list(items) for items in apart.values()]
        mixed = by_column({"train": made["train"], "test": [mention("b", "c")]})
        assert mixed["train"].symbols is mixed["test"].symbols


class TestCorpus:
    ITEMS = [mention(f"h{n % 7}", f"t{n % 5}", language=("en", "zh")[n % 2]) for n in range(60)]

    def test_the_head_of_a_corpus_stays_by_column(self) -> None:
        corpus = Corpus("x", {"train": columns(self.ITEMS)}, "fingerprint").head(3)
        assert isinstance(corpus.splits["train"], Mentions)
        assert list(corpus.splits["train"]) == self.ITEMS[:3]

    def test_folds_are_cut_between_pairs(self) -> None:
        plain = Corpus("x", {"train": self.ITEMS[:40], "test": self.ITEMS[40:]}, "fingerprint")
        corpus = Corpus("x", by_column(plain.splits), "fingerprint")
        tested: list[Mention] = []
        for index in range(4):
            fold = corpus.fold(index, 4)
            assert fold.splits == plain.fold(index, 4).splits
            parts = [pairs_of(items) for items in fold.splits.values()]
            assert sum(map(len, parts)) == len(set.union(*parts)) == 35
            tested += fold.splits["test"]
            made = by_column(fold.splits)
            assert {name: list(items) for name, items in made.items()} == fold.splits
        assert sorted(map(repr, tested)) == sorted(map(repr, self.ITEMS))


class TestFinish:
    def test_three_pairs_in_train_and_two_in_test_of_which_one_is_in_both(self) -> None:
        """Known answer of section 1g: overlap 1."""
        train = [mention("a", "b"), mention("c", "d"), mention("a", "b", "NA"), mention("e", "f")]
        test = [mention("b", "a"), mention("c", "d"), mention("c", "d", "q")]
        corpus = finished(train, test, dev_share=0)
        assert corpus.counts == {"rows": 5, "pairs of test that train has too": 1}
        assert [list(corpus.splits[split]) for split in ("train", "test")] == [train, test]
        strict = finished(train, test, dev_share=0, overlap="drop")
        assert strict.counts == corpus.counts, "counted either way"
        assert list(strict.splits["train"]) == [train[0], *train[2:]]
        assert list(strict.splits["test"]) == test

    def test_no_shared_pair_is_no_count(self) -> None:
        assert finished([mention("a", "b")], [mention("b", "a")], dev_share=0).counts == {"rows": 5}

    @pytest.mark.parametrize("overlap", ["keep", "drop"])
    def test_a_dev_of_its_own_is_counted_and_kept(self, overlap: str) -> None:
        splits = by_column(
            {
                "test": [mention("c", "d")],
                "train": [mention("a", "b"), mention("c", "d"), mention("e", "f")],
                "dev": [mention("a", "b"), mention("x", "y")],
            }
        )
        corpus = finish("x", splits, "fingerprint", {}, PairOptions.model_validate({"overlap": overlap}))
        assert list(corpus.splits) == ["train", "dev", "test"]
        assert corpus.counts == {"pairs of dev that train has too": 1, "pairs of test that train has too": 1}
        assert len(corpus.splits["dev"]) == 2
        assert len(corpus.splits["train"]) == {"keep": 3, "drop": 1}[overlap]

    MANY = [mention(f"h{n % 40}", f"t{n % 30}", ("NA", "r", "q")[n % 3]) for n in range(500)]

    @few
    @given(st.permutations(range(500)), st.sampled_from([0.1, 0.3, 0.9]))
    def test_dev_is_cut_between_pairs_whatever_their_order(self, order: list[int], share: float) -> None:
        first = finished(self.MANY, [], dev_share=share)
        assert list(first.splits) == ["train", "dev", "test"]
        train, dev = pairs_of(first.splits["train"]), pairs_of(first.splits["dev"])
        assert not train & dev
        assert train | dev == pairs_of(self.MANY)
        assert abs(len(dev) / len(train | dev) - share) < 0.1
        shuffled = finished([self.MANY[place] for place in order], [], dev_share=share)
        assert pairs_of(shuffled.splits["dev"]) == dev
        assert list(first.splits["train"]) == [item for item in self.MANY if item.document in train]
        assert list(first.splits["dev"]) == [item for item in self.MANY if item.document in dev]

    def test_a_larger_share_adds_to_dev(self) -> None:
        small, large = (pairs_of(finished(self.MANY, [], dev_share=share).splits["dev"]) for share in (0.1, 0.2))
        assert small < large

    def test_without_a_share_there_is_no_dev(self) -> None:
        assert list(finished(self.MANY, [], dev_share=0).splits) == ["train", "test"]

    @few
    @given(st.floats(0.05, 0.95), st.sampled_from(["keep", "drop"]))
    def test_what_is_shared_with_test_does_not_depend_on_dev(self, share: float, overlap: str) -> None:
        test = [mention(f"h{n}", f"t{n}") for n in range(60)]
        shared = pairs_of(test) & pairs_of(self.MANY)
        corpus = finished(self.MANY, test, dev_share=share, overlap=overlap)
        assert corpus.counts["pairs of test that train has too"] == len(shared) == 30
        left = pairs_of(corpus.splits["train"]) | pairs_of(corpus.splits["dev"])
        assert left & pairs_of(test) == (shared if overlap == "keep" else set())
