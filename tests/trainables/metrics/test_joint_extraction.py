"""Strict, boundaries and relaxed scores: the answers that the released evaluator gives, and what always holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.metrics.joint_extraction import Arc, Counts, JointScores, Sentence, Span, boundaries, relaxed, strict

GOLD = ("B-PER", "I-PER", "O", "B-ORG")
WORKS: tuple[Arc, ...] = ((1, "works_for", 3),)
RELATIONS = ("N", "works_for")


def sentence(
    predicted: tuple[str, ...], arcs: set[Arc], *, gold: tuple[str, ...] = GOLD, gold_arcs: tuple[Arc, ...] = WORKS
) -> Sentence:
    return Sentence(gold, predicted, frozenset(gold_arcs), frozenset(arcs))


def summed(counts: dict[str, Counts]) -> Counts:
    return sum(counts.values(), Counts())


class TestStrict:
    def test_an_entity_cut_short_takes_its_relation_with_it(self) -> None:
        scores = strict([sentence(("B-PER", "O", "O", "B-ORG"), {(0, "works_for", 3)})])
        assert (scores.entity.precision, scores.entity.recall, scores.entity.f1) == (0.5, 0.5, 0.5)
        assert scores.relation.f1 == 0
        assert scores.relation_types == {"works_for": Counts(0, 1, 1)}

    def test_relations_from_any_token_of_an_entity_are_one_relation(self) -> None:
        scores = strict([sentence(GOLD, {(0, "works_for", 3), (1, "works_for", 3)})])
        assert scores.entity.f1 == 1
        assert scores.relation_types == {"works_for": Counts(1, 0, 0)}
        assert scores.relation.f1 == 1
        assert scores.overall_f1 == 1

    def test_a_relation_to_a_token_outside_every_entity_is_ignored(self) -> None:
        scores = strict([sentence(GOLD, {(1, "works_for", 2)})])
        assert scores.relation_types == {"works_for": Counts(0, 0, 1)}

    def test_a_relation_needs_the_types_of_its_entities_its_name_and_its_direction(self) -> None:
        other_type = strict([sentence(("B-ORG", "I-ORG", "O", "B-ORG"), {(1, "works_for", 3)})])
        assert other_type.relation_types == {"works_for": Counts(0, 1, 1)}
        assert other_type.entity_types == {"ORG": Counts(1, 1, 0), "PER": Counts(0, 0, 1)}
        other_name = strict([sentence(GOLD, {(1, "owns", 3)})])
        assert other_name.relation_types == {"owns": Counts(0, 1, 0), "works_for": Counts(0, 0, 1)}
        backwards = strict([sentence(GOLD, {(3, "works_for", 1)})])
        assert backwards.relation_types == {"works_for": Counts(0, 1, 1)}

    def test_averages_are_micro_over_sentences_and_types(self) -> None:
        right = sentence(("O", "O", "B-A"), set(), gold=("O", "O", "B-A"), gold_arcs=())
        wrong = sentence(("B-B", "B-B", "B-B"), set(), gold=("B-B", "O", "O"), gold_arcs=())
        scores = strict([right, wrong])
        assert scores.entity_types == {"A": Counts(1, 0, 0), "B": Counts(1, 2, 0)}
        assert (scores.entity.precision, scores.entity.recall) == (0.5, 1)
        assert scores.entity.f1 == pytest.approx(2 / 3)

    def test_an_inside_tag_without_its_beginning_opens_an_entity_and_another_type_another_one(self) -> None:
        scores = strict([sentence(("I-PER", "I-PER", "O", "B-ORG"), {(1, "works_for", 3)})])
        assert scores.overall_f1 == 1
        changed = strict([sentence(("B-PER", "I-ORG", "O", "B-ORG"), set())])
        assert changed.entity_types == {"ORG": Counts(1, 1, 0), "PER": Counts(0, 1, 1)}

    def test_a_type_with_a_hyphen_is_not_its_last_part(self) -> None:
        gold = ("B-Adverse-Effect", "I-Adverse-Effect", "O", "B-Drug")
        arcs: tuple[Arc, ...] = ((3, "Adverse-Effect", 1),)
        assert strict([sentence(gold, set(arcs), gold=gold, gold_arcs=arcs)]).overall_f1 == 1
        other = strict([sentence(("B-Effect", "I-Effect", "O", "B-Drug"), set(arcs), gold=gold, gold_arcs=arcs)])
        right, wrong, missed = Counts(1, 0, 0), Counts(0, 1, 0), Counts(0, 0, 1)
        assert other.entity_types == {"Adverse-Effect": missed, "Drug": right, "Effect": wrong}
        assert other.relation_types == {"Adverse-Effect": Counts(0, 1, 1)}

    def test_nothing_predicted_and_nothing_gold_score_zero_without_an_error(self) -> None:
        empty = strict([sentence(("O", "O"), set(), gold=("O", "O"), gold_arcs=())])
        assert (empty.entity.f1, empty.relation.f1, empty.overall_f1) == (0, 0, 0)
        assert strict([]).overall_f1 == 0
        silent = strict([sentence(("O", "O", "O", "O"), set())])
        assert (silent.entity.precision, silent.entity.recall, silent.entity.f1) == (0, 0, 0)

    def test_overall_is_the_mean_of_both_f1(self) -> None:
        scores = strict([sentence(GOLD, set())])
        assert (scores.entity.f1, scores.relation.f1, scores.overall_f1) == (1, 0, 0.5)

    def test_a_relation_to_the_root_counts(self) -> None:
        gold, arcs = ("O", "B-Room", "I-Room"), frozenset({(2, "part_of", 0)})
        assert strict([Sentence(gold, gold, arcs, arcs, root=True)]).relation_types == {"part_of": Counts(1, 0, 0)}


class TestBoundaries:
    def test_types_do_not_matter_and_boundaries_do(self) -> None:
        other_type = boundaries([sentence(("B-X", "I-X", "O", "B-PER"), {(0, "works_for", 3)})])
        assert other_type.overall_f1 == 1
        cut_short = boundaries([sentence(("B-PER", "O", "O", "B-ORG"), {(0, "works_for", 3)})])
        assert (cut_short.entity.f1, cut_short.relation.f1) == (0.5, 0)

    def test_the_names_of_relations_still_do(self) -> None:
        assert boundaries([sentence(GOLD, {(1, "owns", 3)})]).relation.f1 == 0

    def test_a_relation_to_the_root_counts_only_where_there_is_one(self) -> None:
        gold, arcs = ("O", "B-Room", "I-Room"), ((2, "part_of", 0),)
        with_root = Sentence(gold, gold, frozenset(arcs), frozenset(arcs), root=True)
        assert boundaries([with_root]).relation_types == {"part_of": Counts(1, 0, 0)}
        without = sentence(gold, set(arcs), gold=gold, gold_arcs=arcs)
        assert boundaries([without]).relation_types == {}
        missed = Sentence(gold, gold, frozenset(arcs), frozenset(), root=True)
        assert boundaries([missed]).relation_types == {"part_of": Counts(0, 0, 1)}

    def test_the_root_is_no_entity_that_was_found(self) -> None:
        gold, predicted = ("O", "B-Room", "O"), ("O", "O", "B-Room")
        scores = boundaries([Sentence(gold, predicted, frozenset(), frozenset(), root=True)])
        assert summed(scores.entity_types) == Counts(0, 1, 1)


def of_span(*predicted: str, kind: str = "PER", at: int = 0, arcs: frozenset[Arc] = frozenset()) -> Sentence:
    """A sentence that is one gold span of ``kind`` from token ``at`` on."""
    labels = ("O",) * at + (kind,) * (len(predicted) - at)
    return Sentence(labels, predicted, frozenset(), arcs, spans=[(kind, at, len(predicted) - 1)])


class TestRelaxed:
    TYPES = ("LOC", "O", "ORG", "PER")

    def scores(self, *sentences: Sentence, types: tuple[str, ...] = TYPES) -> JointScores:
        return relaxed(sentences, types, RELATIONS)

    def test_one_token_of_the_right_class_is_enough(self) -> None:
        assert self.scores(of_span("ORG", "PER", "O")).entity_types == {"PER": Counts(1, 0, 0)}

    def test_without_one_the_most_frequent_class_is_predicted(self) -> None:
        found = self.scores(of_span("ORG", "LOC", "LOC")).entity_types
        assert found == {"LOC": Counts(0, 1, 0), "PER": Counts(0, 0, 1)}

    def test_a_span_predicted_as_outside_is_missed_and_no_false_positive(self) -> None:
        assert self.scores(of_span("O", "O", "ORG")).entity_types == {"PER": Counts(0, 0, 1)}

    @pytest.mark.parametrize(
        ("types", "f1"), [(("LOC", "O", "Other", "PER"), 0.75), (("LOC", "O", "ORG", "Other", "PER"), 0.5)]
    )
    def test_macro_averages_over_the_types_of_the_corpus_those_that_never_occur_included(
        self, types: tuple[str, ...], f1: float
    ) -> None:
        """PER has (2, 0, 0): F1 = 1. LOC has one each of TP, FP, FN: F1 = ½. An ORG that never occurs: F1 = 0."""
        places = (of_span("LOC", kind="LOC"), of_span("O", kind="LOC"), of_span("LOC", kind="Other"))
        scores = self.scores(of_span("PER"), of_span("PER"), *places, types=types)
        assert (scores.entity_types["PER"], scores.entity_types["LOC"]) == (Counts(2, 0, 0), Counts(1, 1, 1))
        assert scores.entity.f1 == pytest.approx(f1)

    def test_the_type_other_is_left_out_unless_asked_for_however_it_is_written(self) -> None:
        for other in ("Other", "other"):
            sentences = [of_span("PER"), of_span("O", kind=other)]
            types = ("LOC", "O", other, "PER")
            assert relaxed(sentences, types, RELATIONS).entity.f1 == pytest.approx(1 / 2)
            assert relaxed(sentences, types, RELATIONS, count_other=True).entity.f1 == pytest.approx(1 / 3)

    def test_relations_are_averaged_over_all_but_n(self) -> None:
        names = ("N", "owns", "works_for")
        arcs = frozenset({(0, "works_for", 1)})
        both = Sentence(("PER", "ORG"), ("PER", "ORG"), arcs, arcs, spans=[("PER", 0, 0), ("ORG", 1, 1)])
        scores = relaxed([both], self.TYPES, names)
        assert (scores.relation.precision, scores.relation.recall, scores.relation.f1) == (0.5, 0.5, 0.5)

    def test_a_relation_of_a_span_predicted_as_outside_is_wrong_all_the_same(self) -> None:
        spans: list[Span] = [("PER", 0, 0), ("ORG", 1, 1)]
        arcs = frozenset({(0, "works_for", 1)})
        scores = self.scores(Sentence(("PER", "ORG"), ("O", "ORG"), arcs, arcs, spans=spans))
        assert scores.relation_types == {"works_for": Counts(0, 1, 1)}

    def test_a_relation_outside_the_given_spans_is_ignored(self) -> None:
        assert self.scores(of_span("O", "PER", at=1, arcs=frozenset({(1, "works_for", 0)}))).relation_types == {}


TAGS = st.sampled_from(["O", "B-A", "I-A", "B-Adverse-Effect", "I-Adverse-Effect"])
EXAMPLES = settings(max_examples=100, deadline=None)


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    length = draw(st.integers(1, 6))
    tags = st.lists(TAGS, min_size=length, max_size=length)
    place = st.integers(0, length - 1)
    arcs = st.frozensets(st.tuples(place, st.sampled_from(["r", "s"]), place), max_size=4)
    return Sentence(draw(tags), draw(tags), draw(arcs), draw(arcs))


@EXAMPLES
@given(st.lists(sentences(), max_size=5))
def test_swapping_gold_and_prediction_swaps_precision_and_recall(drawn: list[Sentence]) -> None:
    swapped = [Sentence(s.predicted_labels, s.gold_labels, s.predicted_arcs, s.gold_arcs) for s in drawn]
    for measure in (strict, boundaries):
        one, other = measure(drawn), measure(swapped)
        for figures, mirrored in ((one.entity, other.entity), (one.relation, other.relation)):
            assert (figures.precision, figures.recall) == (mirrored.recall, mirrored.precision)
            assert figures.f1 == mirrored.f1


@EXAMPLES
@given(st.lists(sentences(), min_size=1, max_size=5))
def test_counts_of_sentences_and_of_types_add_up_to_the_same_and_order_does_not_matter(drawn: list[Sentence]) -> None:
    for measure in (strict, boundaries):
        scores, reversed_scores = measure(drawn), measure(drawn[::-1])
        assert len(scores.entity_sentences) == len(scores.relation_sentences) == len(drawn)
        assert sum(scores.entity_sentences, Counts()) == summed(scores.entity_types)
        assert sum(scores.relation_sentences, Counts()) == summed(scores.relation_types)
        assert reversed_scores.entity_sentences == scores.entity_sentences[::-1]
        assert (reversed_scores.entity, reversed_scores.relation) == (scores.entity, scores.relation)


@EXAMPLES
@given(st.lists(sentences(), min_size=1, max_size=5))
def test_a_perfect_prediction_has_no_errors_and_loose_matching_finds_no_less_than_strict(drawn: list[Sentence]) -> None:
    perfect = [Sentence(s.gold_labels, s.gold_labels, s.gold_arcs, s.gold_arcs) for s in drawn]
    for measure in (strict, boundaries):
        scores = measure(perfect)
        for counts in (summed(scores.entity_types), summed(scores.relation_types)):
            assert counts.fp == counts.fn == 0
    assert summed(boundaries(drawn).entity_types).tp >= summed(strict(drawn).entity_types).tp
    assert summed(boundaries(drawn).relation_types).tp >= summed(strict(drawn).relation_types).tp


def test_f1_is_the_harmonic_mean() -> None:
    counts = Counts(3, 1, 5)
    assert (counts.precision, counts.recall) == (0.75, 0.375)
    assert counts.f1 == pytest.approx(2 * 0.75 * 0.375 / (0.75 + 0.375))
    assert counts + Counts(1, 2, 3) == Counts(4, 3, 8)
