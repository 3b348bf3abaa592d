"""The generated sentences hold what is planted in them, and their files give them back."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from relab.corpora import read_corpus
from relab.corpus import digest

from trainables.corpora.planted_sentences import (
    PlantedSentencesConfig,
    generate,
    planted_relations,
    read_planted_sentences,
    write_planted_sentences,
)
from trainables.corpora.sentences import LabelledSentence

GOLDEN = ("9c834a7d723d17bf408d20573ca84a22", "1bca9855a850dd103c411704ba307809")
SMALL = PlantedSentencesConfig(train=200, dev=60, test=60)


def truth(item: LabelledSentence) -> str:
    return item.relation if item.clean is None else item.clean


def between(item: LabelledSentence) -> tuple[str, ...]:
    first, second = sorted((item.head, item.tail))
    return item.tokens[first[1] : second[0]]


def test_one_config_gives_one_corpus_and_the_seed_another() -> None:
    assert generate(SMALL) == generate(SMALL)
    other = SMALL.model_copy(update={"seed": 1})
    assert generate(SMALL)["dev"] != generate(other)["dev"]
    fingerprints = {read_planted_sentences("p", {}, config).fingerprint for config in (SMALL, other)}
    assert len(fingerprints) == 2


def test_the_default_corpus_never_changes() -> None:
    """Golden values: results on the generated corpora are comparable between versions and platforms."""
    corpus = read_corpus("planted_sentences")
    made = [repr(item) for items in corpus.splits.values() for item in items]
    assert (corpus.fingerprint, digest(*made)) == GOLDEN


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 40)] * 3),
    relations=st.integers(1, 14),
    share=st.floats(0, 0.95),
    lengths=st.tuples(st.integers(10, 13), st.integers(0, 5)),
)
def test_sizes_shares_and_lengths_are_as_asked(
    sizes: tuple[int, int, int], relations: int, share: float, lengths: tuple[int, int]
) -> None:
    config = PlantedSentencesConfig.model_validate(
        {
            **dict(zip(("train", "dev", "test"), sizes, strict=True)),
            **{"relations": relations, "na_share": share, "noise": 0},
            **{"shortest": lengths[0], "longest": sum(lengths)},
        }
    )
    known = {relation.name for relation in planted_relations(config)}
    assert len(known) == relations
    for count, items in zip(sizes, generate(config).values(), strict=True):
        assert len(items) == count
        assert sum(item.relation == "NA" for item in items) == round(share * count)
        for item in items:
            assert lengths[0] <= len(item.tokens) == len(item.tags) <= sum(lengths)
            assert item.relation in known | {"NA"}


def test_relations_have_a_long_tail_and_most_sentences_have_none() -> None:
    counts = Counter(map(truth, generate(PlantedSentencesConfig(train=2_000))["train"]))
    assert counts["NA"] == 1_400
    sizes = [counts[relation.name] for relation in planted_relations(PlantedSentencesConfig())]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 7 * sizes[-1] > 0


@pytest.mark.parametrize("source", ["all", "NA"])
def test_noise_is_in_train_alone_and_most_of_it_is_na_turned_into_a_relation(source: str) -> None:
    config = PlantedSentencesConfig.model_validate({"train": 4_000, "noise_from": source})
    made = generate(config)
    assert {item.clean for split in ("dev", "test") for item in made[split]} == {None}
    wrong = [item for item in made["train"] if item.relation != item.clean]
    candidates = [item for item in made["train"] if source == "all" or item.clean == "NA"]
    assert len(wrong) / len(candidates) == pytest.approx(0.3, abs=0.03)
    false_positives = sum(item.clean == "NA" for item in wrong)
    assert false_positives / len(wrong) == pytest.approx(0.7 if source == "all" else 1, abs=0.04)
    counts = read_planted_sentences("p", {}, config).counts
    assert list(counts.values())[:2] == [len(wrong), false_positives]


def test_the_truth_does_not_depend_on_the_noise() -> None:
    clean, noisy = (generate(SMALL.model_copy(update={"noise": noise})) for noise in (0.0, 0.5))
    for split in ("train", "dev", "test"):
        for one, other in zip(clean[split], noisy[split], strict=True):
            assert (one.tokens, truth(one)) == (other.tokens, truth(other))
    assert all(item.relation == item.clean for item in clean["train"])


def test_a_trigger_between_fitting_types_tells_the_relation_and_nothing_else_does() -> None:
    config = PlantedSentencesConfig()
    relations = planted_relations(config)
    told = {(trigger, r.types): r.name for r in relations for trigger in r.triggers}
    triggers = {trigger for r in relations for trigger in r.triggers}
    kinds: Counter[str] = Counter()
    for items in generate(config).values():
        for item in items:
            types = item.tags[item.head[0]], item.tags[item.tail[0]]
            found = [token for token in between(item) if token in triggers]
            before = item.tokens[: min(item.head, item.tail)[0]]
            kinds["distractor"] += any(token in triggers for token in before)
            kinds["misfit"] += bool(found) and truth(item) == "NA"
            assert len(found) <= 1
            assert not triggers & set(item.tokens[max(item.head, item.tail)[1] :])
            assert truth(item) == (told.get((found[0], types), "NA") if found else "NA")
    assert min(kinds["distractor"], kinds["misfit"]) > 200
    assert len(triggers) < 2 * len(relations), "some relations differ in their types alone"


def test_names_are_tagged_have_no_vector_and_belong_to_one_pair() -> None:
    corpus = read_planted_sentences("p", {}, SMALL)
    assert corpus.vectors is not None
    pairs: dict[str, set[str]] = defaultdict(set)
    sizes: Counter[str] = Counter()
    for items in corpus.splits.values():
        for item in items:
            sizes[item.document] += 1
            names = [" ".join(item.tokens[begin:end]) for begin, end in (item.head, item.tail)]
            assert "\t".join(names) == item.document
            for word, tag in zip(item.tokens, item.tags, strict=True):
                assert (tag == "O") == (word in corpus.vectors.words)
            for word in " ".join(names).split():
                pairs[word].add(item.document)
    assert {len(found) for found in pairs.values()} == {1}
    assert set(sizes.values()) <= {1, 2}


def test_the_first_sentences_are_of_many_relations() -> None:
    """What a smoke run trains on."""
    for items in read_corpus("planted_sentences").splits.values():
        assert len({item.relation for item in items[:64]}) > 3


def test_both_written_forms_read_back_as_the_same_corpus(tmp_path: Path) -> None:
    write_planted_sentences(SMALL, tmp_path)
    for name in ("sent_nyt", "labelled_lines"):
        assert read_corpus(name, {}, {name: tmp_path}).splits == generate(SMALL)


def test_no_dimension_means_no_vectors() -> None:
    assert read_planted_sentences("p", {}, SMALL.model_copy(update={"dimension": 0})).vectors is None


@pytest.mark.parametrize(
    "values", [{"shortest": 9}, {"shortest": 12, "longest": 11}, {"noise": 1.5}, {"na_share": 1}, {"relations": 0}]
)
def test_a_config_that_cannot_be_met_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PlantedSentencesConfig.model_validate(values)
