"""The generated pairs hold what their module says is planted, and are always the same."""

from collections import Counter
from itertools import permutations

import pytest
from pydantic import ValidationError
from relab.corpora import read_corpus
from relab.corpus import digest

from trainables.corpora.annotated_lines import render
from trainables.corpora.planted_pairs import (
    LANGUAGES,
    RELATIONS,
    TYPES,
    PlantedPairsConfig,
    generate,
    read_planted_pairs,
)
from trainables.corpora.sentences import AnnotatedSentence

KINDS = ("words", "characters")


def every(splits: dict[str, tuple[AnnotatedSentence, ...]]) -> list[AnnotatedSentence]:
    return [sentence for items in splits.values() for sentence in items]


def as_planted(sentence: AnnotatedSentence, kind: str) -> set[tuple[int, str, int]]:
    """The relations that the patterns give: two entities, between them one trigger and else at most two fillers."""
    language = LANGUAGES[kind]
    joined = "" if language.spelt else " "
    triggers = {
        word: (group, head_left)
        for group, sides in language.triggers.items()
        for head_left, words in zip((True, False), sides, strict=True)
        for word in words
    }
    found = set()
    for left, right in permutations(range(len(sentence.entities)), 2):
        a, b = sentence.entities[left], sentence.entities[right]
        if a.end > b.begin or any(a.end <= c.begin and c.end <= b.begin for c in sentence.entities):
            continue
        between = joined.join(sentence.tokens[a.end : b.begin])
        for word, (group, head_left) in triggers.items():
            if word in (between if language.spelt else between.split()):
                head, tail = (left, right) if head_left else (right, left)
                pattern = (sentence.entities[head].type, group, sentence.entities[tail].type)
                if pattern in RELATIONS:
                    found.add((head, RELATIONS[pattern], tail))
    return found


def test_sizes_are_as_asked_and_documents_follow_one_another() -> None:
    splits = generate(PlantedPairsConfig(train=3, dev=1, test=2, sentences=5))
    assert {split: len(items) for split, items in splits.items()} == {"train": 15, "dev": 5, "test": 10}
    assert [s.document for s in splits["train"]] == [f"train-{i}" for i in range(3) for _ in range(5)]


def test_one_config_gives_one_corpus_and_the_seed_another() -> None:
    first = read_planted_pairs("p", {}, PlantedPairsConfig())
    assert first == read_planted_pairs("p", {}, PlantedPairsConfig())
    other = read_planted_pairs("p", {}, PlantedPairsConfig(seed=1))
    assert other.fingerprint != first.fingerprint
    assert other.splits != first.splits
    assert len({items[0].tokens for items in first.splits.values()}) == 3


@pytest.mark.parametrize(
    ("kind", "golden"),
    [("words", "b722e05a8a688abd992ad734370bf581"), ("characters", "5372d612628542f8b3d2411f888d9645")],
)
def test_the_default_corpus_never_changes(kind: str, golden: str) -> None:
    """Trials are kept under the corpus' fingerprint: a change to the generator has to raise its version."""
    corpus = read_corpus("planted_pairs", {"tokens": kind})
    assert dict(corpus.counts) == {"entities": 1_310, "relations": 392}
    assert digest(*map(render, corpus.splits.values())) == golden


@pytest.mark.parametrize("kind", KINDS)
def test_types_trigger_and_neighbourhood_decide_every_relation(kind: str) -> None:
    sentences = every(generate(PlantedPairsConfig.model_validate({"tokens": kind})))
    for sentence in sentences:
        assert set(sentence.relations) == as_planted(sentence, kind), sentence
    if kind == "characters":
        assert all(len(token) == 1 for sentence in sentences for token in sentence.tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_the_words_of_an_entity_do_not_tell_its_type(kind: str) -> None:
    named = Counter(
        (sentence.tokens[entity.begin], entity.type)
        for sentence in generate(PlantedPairsConfig.model_validate({"tokens": kind, "train": 200}))["train"]
        for entity in sentence.entities
    )
    assert {name for name, _ in named} == {name[0] if kind == "characters" else name for name in LANGUAGES[kind].names}
    assert {kind for _, kind in named} == set(TYPES)
    assert len(named) == len({name for name, _ in named}) * len(TYPES)


def test_related_pairs_are_few_and_relations_have_a_long_tail() -> None:
    sentences = generate(PlantedPairsConfig(train=250))["train"]
    pairs = sum(len(s.entities) * (len(s.entities) - 1) for s in sentences)
    counts = Counter(relation for s in sentences for _, relation, _ in s.relations)
    assert 3.8 < sum(len(s.entities) for s in sentences) / len(sentences) < 4.3
    assert 8 < pairs / counts.total() < 14
    assert [relation for relation, _ in counts.most_common(2)] == ["EMPLOYED", "OWNS"]
    assert set(counts) == set(RELATIONS.values())
    assert counts["EMPLOYED"] > 3 * counts["BASED"]
    assert any(head > tail for s in sentences for head, _, tail in s.relations)


def test_some_entities_are_nested_and_none_of_those_is_related() -> None:
    nested = 0
    for sentence in generate(PlantedPairsConfig())["train"]:
        for one, other in permutations(range(len(sentence.entities)), 2):
            a, b = sentence.entities[one], sentence.entities[other]
            if a.begin < b.end and b.begin < a.end:
                nested += 1
                assert a.begin == b.begin
                assert not any(one in (head, tail) for head, _, tail in sentence.relations)
    assert nested >= 4


def test_noise_is_in_the_training_split_only_and_as_frequent_as_asked() -> None:
    noisy = generate(PlantedPairsConfig(train=200, noise=0.3))
    for split in ("dev", "test"):
        assert all(set(s.relations) == as_planted(s, "words") for s in noisy[split])
    wrong = sum(len(as_planted(s, "words") - set(s.relations)) for s in noisy["train"])
    assert 0.24 < wrong / sum(len(as_planted(s, "words")) for s in noisy["train"]) < 0.36


@pytest.mark.parametrize("values", [{"train": 0}, {"sentences": 0}, {"noise": 1.5}, {"tokens": "bytes"}, {"seed": -1}])
def test_a_config_that_cannot_be_met_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PlantedPairsConfig.model_validate(values)
