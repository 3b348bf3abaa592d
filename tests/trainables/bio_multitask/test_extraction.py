"""The converter against test Y3, against pairs counted one by one, and on input that does not fit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relab.corpus import Corpus
from relab.errors import DataError, RequestError

from trainables.bio_multitask.extraction import COUNTS, ExtractionConfig, Instances, extract
from trainables.corpora.planted_pairs import PlantedPairsConfig, read_planted_pairs
from trainables.corpora.sentences import NO_RELATION, AnnotatedSentence, Entity

LABELS = (NO_RELATION, "r", "s")
FOUR = (Entity(0, 1, "PER"), Entity(2, 3, "ORG"), Entity(4, 5, "GPE"), Entity(6, 7, "VEH"))


def sentence(
    relations: Sequence[tuple[int, str, int]],
    entities: Sequence[Entity] = FOUR,
    document: str = "d",
    tokens: int = 8,
) -> AnnotatedSentence:
    return AnnotatedSentence(document, tuple(f"t{n}" for n in range(tokens)), tuple(entities), tuple(relations))


AB = sentence([(0, "r", 1)])
CA = sentence([(2, "s", 0)])


def extracted(train: Sequence[AnnotatedSentence], **changes: Any) -> Instances:
    return extract({"train": train}, LABELS, ExtractionConfig(**changes))["train"]


def sizes(found: Instances) -> tuple[int, int]:
    return int((found.label > 0).sum()), int((found.label == 0).sum())


def pairs(found: Instances, sentence: int = 0) -> dict[tuple[int, int], int]:
    """(where the head begins, where the tail begins) -> label."""
    own = found.sentence == sentence
    begins = zip(found.spans[own, 0].tolist(), found.spans[own, 2].tolist(), strict=True)
    return dict(zip(begins, found.label[own].tolist(), strict=True))


class TestY3:
    """One sentence, A:PER B:ORG C:GPE D:VEH, one relation A→B: the counts of the paper's rules."""

    @pytest.mark.parametrize(
        ("direction", "filtered", "order", "expected"),
        [
            ("undirected", "off", None, (1, 5)),
            ("undirected", "corpus", None, (1, 0)),
            ("directed", "off", None, (1, 11)),
            ("directed", "corpus", None, (1, 0)),
            ("directed", "corpus", "ordered", (1, 0)),
            ("directed", "corpus", "unordered", (1, 1)),
            ("undirected", "corpus", "ordered", (1, 0)),
        ],
    )
    def test_one_sentence(self, direction: str, filtered: str, order: str | None, expected: tuple[int, int]) -> None:
        assert sizes(extracted([AB], direction=direction, type_filter=filtered, type_order=order)) == expected

    def test_against_the_annotated_order_a_pair_is_a_negative(self) -> None:
        found = pairs(extracted([AB], direction="directed", type_order="unordered"))
        assert found == {(0, 2): 1, (2, 0): 0}

    @pytest.mark.parametrize(
        ("direction", "order", "first", "second"),
        [
            ("undirected", None, {(0, 2): 1, (0, 4): 0}, {(0, 2): 0, (0, 4): 2}),
            ("directed", None, {(0, 2): 1, (4, 0): 0}, {(0, 2): 0, (4, 0): 2}),
            (
                "directed",
                "unordered",
                {(0, 2): 1, (2, 0): 0, (0, 4): 0, (4, 0): 0},
                {(0, 2): 0, (2, 0): 0, (0, 4): 0, (4, 0): 2},
            ),
        ],
    )
    def test_with_a_second_sentence_its_combination_survives_in_both(
        self, direction: str, order: str | None, first: object, second: object
    ) -> None:
        found = extracted([AB, CA], direction=direction, type_order=order)
        assert (pairs(found, 0), pairs(found, 1)) == (first, second)


spans = st.tuples(st.integers(0, 6), st.integers(1, 3)).map(lambda pair: (pair[0], min(7, sum(pair))))
entities = st.builds(lambda span, kind: Entity(*span, kind), spans, st.sampled_from("XYZ"))


@st.composite
def sentences(draw: st.DrawFn, document: str) -> AnnotatedSentence:
    found = draw(st.lists(entities, max_size=6))
    place = st.integers(0, max(0, len(found) - 1))
    relations = draw(st.lists(st.tuples(place, st.sampled_from(LABELS[1:]), place), max_size=4)) if found else []
    return sentence(relations, found, document, 7)


@st.composite
def corpora(draw: st.DrawFn) -> dict[str, list[AnnotatedSentence]]:
    """Each split begins with a sentence that has a positive."""
    split = st.lists(st.sampled_from("abcd"), max_size=4)
    return {
        name: [sentence([(0, "r", 1)], document=name), *(draw(sentences(name + document)) for document in draw(split))]
        for name in ("train", "dev")
    }


configs = st.builds(
    ExtractionConfig,
    direction=st.sampled_from(["directed", "undirected"]),
    type_filter=st.sampled_from(["off", "corpus", "train"]),
    type_order=st.sampled_from([None, "ordered", "unordered"]),
)
Key = tuple[int, tuple[int, int, str], tuple[int, int, str]]


def one_by_one(items: Sequence[AnnotatedSentence], settings: ExtractionConfig) -> tuple[list[tuple[Key, str]], Counter]:
    """Every pair with its label, before filter and sampling, and what was dropped."""
    found: list[tuple[Key, str]] = []
    counts: Counter[str] = Counter()
    for number, item in enumerate(items):
        places = sorted(range(len(item.entities)), key=lambda n: (item.entities[n].begin, item.entities[n].end, n))
        span = {place: (item.entities[place].begin, item.entities[place].end) for place in places}
        labels: dict[tuple[int, int], str] = {}
        for head, relation, tail in item.relations:
            swapped = settings.direction == "undirected" and places.index(head) > places.index(tail)
            pair = (tail, head) if swapped else (head, tail)
            if span[head] == span[tail]:
                counts["relations within one span"] += 1
            elif pair in labels:
                counts["relations stated again" if labels[pair] == relation else "relations beside another"] += 1
            else:
                labels[pair] = relation
        overlapping = set()
        for rank, one in enumerate(places):
            for other in places if settings.direction == "directed" else places[rank + 1 :]:
                if one == other:
                    continue
                if set(range(*span[one])) & set(range(*span[other])):
                    overlapping |= {one, other}
                    counts["pairs that overlap"] += span[one] != span[other]
                if span[one] == span[other]:
                    counts["pairs with one span"] += 1
                    continue
                ends = (span[one] + (item.entities[one].type,), span[other] + (item.entities[other].type,))
                found.append(((number, *ends), labels.get((one, other), NO_RELATION)))
        counts["entities overlapping others"] += len(overlapping)
    counts["pairs"] = len(found)
    return found, counts


def combination(key: Key, config: ExtractionConfig) -> tuple[str, ...]:
    types = (key[1][2], key[2][2])
    return types if config.ordered else tuple(sorted(types))


@settings(max_examples=150, deadline=None)
@given(corpora(), configs)
def test_instances_and_counts_are_those_of_pairs_counted_one_by_one(
    splits: dict[str, list[AnnotatedSentence]], config: ExtractionConfig
) -> None:
    found = extract(splits, LABELS, config)
    expected = {name: one_by_one(items, config) for name, items in splits.items()}
    whose = expected if config.type_filter == "corpus" else ["train"]
    likely = {combination(key, config) for name in whose for key, label in expected[name][0] if label != NO_RELATION}
    for name, (every, counts) in expected.items():
        kept = [
            (key, label)
            for key, label in every
            if label != NO_RELATION or config.type_filter == "off" or combination(key, config) in likely
        ]
        columns = found[name]
        rows = [
            (number, tuple(span), LABELS[label])
            for number, span, label in zip(
                columns.sentence.tolist(), columns.spans.tolist(), columns.label.tolist(), strict=True
            )
        ]
        assert sorted(rows) == sorted((key[0], key[1][:2] + key[2][:2], label) for key, label in kept)
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        missed = sum(
            label != NO_RELATION and config.type_filter != "off" and combination(key, config) not in likely
            for key, label in every
        )
        assert int((~columns.judged).sum()) == missed
        positives = sum(label != NO_RELATION for _, label in every)
        known = {label for _, label in expected["train"][0]}
        assert columns.counts == dict.fromkeys(COUNTS, 0) | dict(counts) | {
            "sentences": len(splits[name]),
            "entities": sum(len(item.entities) for item in splits[name]),
            "relations": sum(len(item.relations) for item in splits[name]),
            "positives": positives,
            "positives unknown in train": sum(label not in known | {NO_RELATION} for _, label in every),
            "positives of types unrelated in train": missed,
            "negatives": len(kept) - positives,
            "negatives of unrelated types": len(every) - len(kept),
        }


@settings(max_examples=60, deadline=None)
@given(corpora(), configs, st.sampled_from([0.2, 0.5, 1.0, 3.0]), st.sampled_from(["corpus", "train"]))
def test_a_sample_has_every_positive_and_the_ratio_as_far_as_there_are_negatives(
    splits: dict[str, list[AnnotatedSentence]], config: ExtractionConfig, ratio: float, what: str
) -> None:
    every = extract(splits, LABELS, config)
    sampled = extract(splits, LABELS, config.model_copy(update={"negatives_per_positive": ratio, "sampled": what}))
    scope = list(splits) if what == "corpus" else ["train"]
    positives, negatives = np.sum([sizes(every[name]) for name in scope], axis=0).tolist()
    assert sum(sizes(sampled[name])[1] for name in scope) == min(negatives, round(ratio * positives))
    for name, found in sampled.items():
        assert sizes(found)[0] == sizes(every[name])[0]
        assert found.counts["negatives not sampled"] == sizes(every[name])[1] - sizes(found)[1]
        assert rows(found) <= rows(every[name])
        if name not in scope:
            assert sizes(found) == sizes(every[name])


@settings(max_examples=60, deadline=None)
@given(corpora(), configs, st.integers(1, 8))
def test_a_limit_of_tokens_leaves_out_long_sentences_of_train_and_nothing_else(
    splits: dict[str, list[AnnotatedSentence]], config: ExtractionConfig, limit: int
) -> None:
    every = extract(splits, LABELS, config)
    limited = config.model_copy(update={"max_tokens": limit})
    expected = Counter(
        {row: n for row, n in rows(every["train"]).items() if len(splits["train"][row[0]].tokens) <= limit}
    )
    if not any(label for _, _, label in expected):
        with pytest.raises(RequestError, match="max_tokens"):
            extract(splits, LABELS, limited)
        return
    found = extract(splits, LABELS, limited)
    assert rows(found["train"]) == expected
    counts = found["train"].counts
    assert counts["pairs in long sentences"] == rows(every["train"]).total() - expected.total()
    assert (counts["positives"], counts["negatives"]) == sizes(found["train"])
    assert all(rows(found[name]) == rows(every[name]) for name in splits if name != "train")


def rows(found: Instances) -> Counter:
    return Counter(zip(found.sentence.tolist(), map(tuple, found.spans.tolist()), found.label.tolist(), strict=True))


@pytest.fixture(scope="module")
def planted() -> Corpus[AnnotatedSentence]:
    return read_planted_pairs("planted", {}, PlantedPairsConfig(train=30, dev=10, test=10))


def named(corpus: Corpus[AnnotatedSentence], **changes: Any) -> dict[str, set[object]]:
    """The instances of each split by document, sentence and spans."""
    names = {relation for items in corpus.splits.values() for item in items for _, relation, _ in item.relations}
    found = extract(corpus.splits, (NO_RELATION, *sorted(names)), ExtractionConfig(direction="directed", **changes))
    result = {}
    for name, columns in found.items():
        items = corpus.splits[name]
        result[name] = {
            (items[number].document, items[number].tokens, tuple(span), label)
            for number, span, label in zip(
                columns.sentence.tolist(), columns.spans.tolist(), columns.label.tolist(), strict=True
            )
        }
    return result


class TestSampling:
    def test_samples_of_growing_ratios_contain_each_other(self, planted: Corpus[AnnotatedSentence]) -> None:
        half, one, five = (named(planted, negatives_per_positive=ratio) for ratio in (0.5, 1.0, 5.0))
        for name in planted.splits:
            assert half[name] < one[name] < five[name]

    def test_another_seed_draws_others_and_the_same_seed_the_same(self, planted: Corpus[AnnotatedSentence]) -> None:
        first, again, other = (named(planted, negatives_per_positive=1.0, sampling_seed=seed) for seed in (0, 0, 1))
        assert first == again != other

    def test_a_fold_is_of_the_corpus_sample(self, planted: Corpus[AnnotatedSentence]) -> None:
        """Sampling comes before cross-validation: which documents train together does not matter."""
        whole = set().union(*named(planted, negatives_per_positive=1.0).values())
        for fold in range(3):
            assert set().union(*named(planted.fold(fold, 3), negatives_per_positive=1.0).values()) == whole

    def test_negatives_are_drawn_from_everywhere(self, planted: Corpus[AnnotatedSentence]) -> None:
        """By sentence and by place: a mean far from that of all negatives would be no sample."""
        every, some = (
            extract(planted.splits, sorted_labels(planted), ExtractionConfig(direction="directed", **changes))["train"]
            for changes in ({}, {"negatives_per_positive": 1.0})
        )
        for column in (lambda found: found.sentence, lambda found: found.spans[:, 0], lambda found: found.spans[:, 2]):
            all_values, values = column(every)[every.label == 0], column(some)[some.label == 0]
            error = all_values.std() / len(values) ** 0.5
            assert abs(values.mean() - all_values.mean()) < 4 * error


def sorted_labels(corpus: Corpus[AnnotatedSentence]) -> tuple[str, ...]:
    names = {relation for items in corpus.splits.values() for item in items for _, relation, _ in item.relations}
    return (NO_RELATION, *sorted(names))


class TestFilterOfTrain:
    SPLITS: Mapping[str, Sequence[AnnotatedSentence]] = {"train": [AB], "test": [CA]}

    def test_the_whole_corpus_lets_test_say_what_is_asked(self) -> None:
        found = extract(self.SPLITS, LABELS, ExtractionConfig())
        assert (sizes(found["train"]), sizes(found["test"])) == ((1, 1), (1, 1))
        assert found["test"].judged.all()

    def test_of_train_alone_a_pair_of_types_unrelated_there_is_not_asked_about_and_if_related_missed(self) -> None:
        found = extract(self.SPLITS, LABELS, ExtractionConfig(type_filter="train"))
        assert (sizes(found["train"]), sizes(found["test"])) == ((1, 0), (1, 1))
        test = found["test"]
        assert test.judged.tolist() == (test.label == 0).tolist()
        assert test.counts["positives of types unrelated in train"] == 1

    def test_what_test_holds_changes_nothing_in_train(self) -> None:
        config = ExtractionConfig(type_filter="train", negatives_per_positive=1.0, sampled="train")
        alone, beside = (extract(splits, LABELS, config)["train"] for splits in ({"train": [AB, CA]}, self.SPLITS | {
            "train": [AB, CA]
        }))  # fmt: skip
        assert rows(alone) == rows(beside)


class TestBadInput:
    @pytest.mark.parametrize("span", [(-1, 1), (2, 2), (3, 2), (7, 9)])
    def test_an_entity_beyond_its_sentence_is_an_error_with_the_place(self, span: tuple[int, int]) -> None:
        broken = sentence([], [Entity(*span, "PER")], "doc 7")
        with pytest.raises(DataError, match=r"train, sentence 2, document doc 7: entity \[.*\) of 8 tokens"):
            extracted([AB, broken])

    @pytest.mark.parametrize("relation", [(0, "r", 4), (-1, "r", 0)])
    def test_a_relation_of_no_entity_is_an_error(self, relation: tuple[int, str, int]) -> None:
        with pytest.raises(DataError, match=r"relation r between entities .* of 4"):
            extracted([sentence([relation])])

    def test_an_unknown_label_is_an_error(self) -> None:
        with pytest.raises(DataError, match="unheard is none of NA, r, s"):
            extracted([sentence([(0, "unheard", 1)])])

    def test_a_split_without_a_positive_is_an_error_and_an_empty_one_is_not(self) -> None:
        with pytest.raises(RequestError, match="the split dev has 1 sentences and no related pair"):
            extract({"train": [AB], "dev": [sentence([])]}, LABELS, ExtractionConfig())
        found = extract({"train": [AB], "test": []}, LABELS, ExtractionConfig(negatives_per_positive=1.0))
        assert len(found["test"].label) == 0 and found["test"].counts == dict.fromkeys(COUNTS, 0)

    def test_a_relation_named_na_is_none(self) -> None:
        assert sizes(extracted([sentence([(0, "r", 1), (2, NO_RELATION, 3)])], type_filter="off")) == (1, 5)

    def test_a_label_that_train_lacks_is_kept_and_counted(self) -> None:
        found = extract({"train": [AB], "test": [CA]}, LABELS, ExtractionConfig())
        assert found["test"].counts["positives unknown in train"] == 1 and sizes(found["test"])[0] == 1

    def test_entities_of_one_span_are_no_pair_and_their_relation_is_counted_as_lost(self) -> None:
        twins = [*FOUR[:2], Entity(0, 1, "ORG")]
        found = extracted([sentence([(0, "r", 2), (0, "s", 0), (0, "r", 1)], twins)], type_filter="off")
        assert sizes(found) == (1, 1)
        assert found.counts["relations within one span"] == 2 and found.counts["pairs with one span"] == 1

    def test_of_two_relations_of_a_pair_the_first_counts(self) -> None:
        stated = [(0, "s", 1), (0, "r", 1), (0, "s", 1), (1, "r", 0)]
        undirected = extracted([sentence(stated)])
        assert pairs(undirected) == {(0, 2): 2}
        assert undirected.counts["relations beside another"] == 2 and undirected.counts["relations stated again"] == 1
        directed = extracted([sentence(stated)], direction="directed")
        assert pairs(directed) == {(0, 2): 2, (2, 0): 1}
        assert directed.counts["relations beside another"] == 1

    def test_nested_entities_make_pairs_of_their_own(self) -> None:
        nested = [Entity(0, 3, "ORG"), Entity(1, 2, "GPE"), FOUR[2]]
        found = extracted([sentence([(1, "r", 0)], nested)], direction="directed", type_filter="off")
        assert pairs(found)[1, 0] == 1 and len(pairs(found)) == 6
        assert found.counts["entities overlapping others"] == 2 and found.counts["pairs that overlap"] == 2


def test_the_head_of_an_undirected_pair_begins_first_whatever_the_order_of_the_entities() -> None:
    found = extracted([sentence([(0, "r", 1)], FOUR[::-1])], type_filter="off")
    assert (found.spans[:, 0] < found.spans[:, 2]).all()
    assert pairs(found)[4, 6] == 1
