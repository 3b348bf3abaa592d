"""The generated corpus holds what it says is planted in it, and always the same."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from pydantic import ValidationError
from relab.errors import RequestError

from trainables.corpora.five_column import entities
from trainables.corpora.planted import (
    ENDINGS,
    RELATIONS,
    SUFFIXES,
    TRIGGERS,
    PlantedConfig,
    generate,
    read_planted,
    write_planted,
)
from trainables.corpora.tagged import TaggedSentence

CLEAN = PlantedConfig(noise=0)
GROUP = {word: group for group, words in TRIGGERS.items() for word in words}


@pytest.fixture(scope="module")
def clean() -> dict[str, list[TaggedSentence]]:
    return generate(CLEAN)


def suffix_type(token: str) -> str:
    return next(kind for kind, endings in SUFFIXES.items() if token.endswith(endings))


def every(splits: dict[str, list[TaggedSentence]]) -> list[TaggedSentence]:
    return [sentence for items in splits.values() for sentence in items]


def test_sizes_and_lengths_are_as_asked() -> None:
    splits = generate(PlantedConfig(train=30, dev=4, test=5, shortest=9, longest=11))
    assert {split: len(items) for split, items in splits.items()} == {"train": 30, "dev": 4, "test": 5}
    assert {len(sentence.tokens) for sentence in every(splits)} == {9, 10, 11}
    assert len({sentence.document for sentence in every(splits)}) == 39


def test_one_config_gives_one_corpus_and_the_seed_another() -> None:
    first = read_planted("p", {}, PlantedConfig())
    assert first == read_planted("p", {}, PlantedConfig())
    other = read_planted("p", {}, PlantedConfig(seed=1))
    assert other.fingerprint != first.fingerprint
    assert other.splits != first.splits


def test_the_default_corpus_never_changes() -> None:
    """A golden value: results on the generated corpus are comparable between versions and platforms."""
    assert read_planted("planted_joint", {}, PlantedConfig()).fingerprint == "5c0cb856deab600cb5abcc00d9a24452"


def test_written_files_read_back_as_the_same_corpus(tmp_path: Path) -> None:
    write_planted(PlantedConfig(), tmp_path)
    files = {split: tmp_path / f"{split}.txt" for split in ("train", "dev", "test")}
    written = read_planted("p", files | {"vectors": tmp_path / "vectors.txt"}, PlantedConfig())
    made = read_planted("p", {}, PlantedConfig())
    assert written.fingerprint == made.fingerprint
    assert written.splits == made.splits
    assert read_planted("p", files, PlantedConfig()).vectors is None
    with pytest.raises(RequestError, match="files are given"):
        read_planted("p", files, PlantedConfig(seed=3))


def test_names_are_new_in_every_split_and_have_no_vector(clean: dict[str, list[TaggedSentence]]) -> None:
    names = Counter(token for s in every(clean) for token, tag in zip(s.tokens, s.tags, strict=True) if tag != "O")
    assert max(names.values()) == 1
    vectors = read_planted("p", {}, CLEAN).vectors
    assert vectors is not None
    assert not set(names) & set(vectors.words)
    outside = [t for s in every(clean) for t, tag in zip(s.tokens, s.tags, strict=True) if tag == "O"]
    unknown = [token for token in outside if token not in vectors.words]
    assert all(token.endswith(ENDINGS) for token in unknown)
    assert 0.5 < len(unknown) / sum(names.values()) < 2, "fillers without a vector must be as frequent as names"


def test_the_first_suffix_decides_the_type_and_later_ones_say_nothing(clean: dict[str, list[TaggedSentence]]) -> None:
    later: Counter[bool] = Counter()
    for sentence in every(clean):
        for kind, start, end in entities(sentence.tags):
            assert suffix_type(sentence.tokens[start]) == kind
            later.update(suffix_type(sentence.tokens[i]) == kind for i in range(start + 1, end + 1))
    assert 0.25 < later[True] / later.total() < 0.42
    assert later.total() > 200


def test_types_and_trigger_decide_the_relation_and_the_trigger_alone_does_not(
    clean: dict[str, list[TaggedSentence]],
) -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for sentence in every(clean):
        found = entities(sentence.tags)
        group = next(GROUP[token] for token in sentence.tokens if token in GROUP)
        expected = set()
        for kind, start, end in found[1:]:
            if start == found[1][1] or sentence.tokens[start - 1] == "and":
                relation = RELATIONS.get((found[0][0], group, kind))
                expected |= {(found[0][2], relation, end)} if relation else set()
                seen[group].add(relation or "")
        assert set(sentence.relations) == expected
    assert seen == {
        "join": {"Works_For", "Lives_In", "Based_In", ""},
        "lead": {"Leads", ""},
        "meet": {""},
    }


def test_every_relation_is_frequent_enough_to_learn(clean: dict[str, list[TaggedSentence]]) -> None:
    for items in clean.values():
        counts = Counter(relation for sentence in items for _, relation, _ in sentence.relations)
        assert set(counts) == set(RELATIONS.values())
        assert min(counts.values()) >= 4


def test_some_tokens_have_several_heads(clean: dict[str, list[TaggedSentence]]) -> None:
    several = [s for s in every(clean) if len({token for token, _, _ in s.relations}) < len(s.relations)]
    assert len(several) >= 5


def test_noise_is_in_the_training_split_only() -> None:
    noisy = generate(PlantedConfig(train=400, noise=0.2))

    def wrong(items: list[TaggedSentence]) -> float:
        found = [(s.tokens[start], kind) for s in items for kind, start, _ in entities(s.tags)]
        return sum(suffix_type(token) != kind for token, kind in found) / len(found)

    assert 0.08 < wrong(noisy["train"]) < 0.19
    assert wrong(noisy["dev"]) == wrong(noisy["test"]) == 0


@pytest.mark.parametrize("values", [{"shortest": 5}, {"shortest": 12, "longest": 9}, {"noise": 2}, {"train": 0}])
def test_a_config_that_cannot_be_met_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PlantedConfig.model_validate(values)


def test_no_dimension_means_no_vectors() -> None:
    assert read_planted("p", {}, PlantedConfig(dimension=0)).vectors is None
