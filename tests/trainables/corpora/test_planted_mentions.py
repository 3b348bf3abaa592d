"""The generated bags hold what is planted in them: labels, noise, position, tail, and two languages that differ."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from relab.corpus import digest

from trainables.corpora.mentions import Mention, Mentions
from trainables.corpora.mnre import MnreOptions, read_mnre
from trainables.corpora.nyt import MentionLineOptions, read_mention_lines
from trainables.corpora.planted_mentions import (
    LANGUAGES,
    PlantedBilingualConfig,
    PlantedMentionsConfig,
    PlantedRelation,
    planted_relations,
    read_planted_mentions,
    write_planted_mentions,
)
from trainables.corpora.vectors import read_word_vectors

GOLDEN = ("2bd7a041d8df3c558e2334050dfabf89", "bfb2df8c2a39b10b7633da76d9e5eead")
GOLDEN_BILINGUAL = ("9e4ceacd42a724abfc497ae83b6bda2a", "06b3e455397cf3c5871dec6abab12b25")
SMALL = PlantedBilingualConfig(train=300, dev=60, test=60)


def made(config: PlantedMentionsConfig) -> dict[str, list[Mention]]:
    return {split: list(mentions) for split, mentions in read_planted_mentions("p", {}, config).splits.items()}


def columns(config: PlantedMentionsConfig, split: str = "train") -> Mentions:
    mentions = read_planted_mentions("p", {}, config).splits[split]
    assert isinstance(mentions, Mentions)
    return mentions


def triggers(mention: Mention, known: dict[str, int]) -> list[tuple[int, str]]:
    """The triggers of a sentence with the piece that each stands in."""
    first, second = sorted((mention.head_span[0], mention.tail_span[0]))
    return [
        (known[token], "before" if place < first else "between" if place < second else "after")
        for place, token in enumerate(mention.tokens)
        if token in known
    ]


def trigger_words(config: PlantedMentionsConfig, language: str) -> dict[str, int]:
    """Trigger word -> its number: the words with a vector that are no fillers, two for each number."""
    vectors = read_planted_mentions("p", {}, config).vectors
    assert vectors is not None
    words = [word for word in vectors.words if word.isascii() == (language == "en")]
    return {word: place // 2 for place, word in enumerate(words[config.words :])}


def bag_sizes(mentions: Mentions, language: int) -> npt.NDArray[np.int64]:
    return np.unique(mentions.pairs[mentions.language == language], return_counts=True)[1]


def test_one_config_gives_one_corpus_and_the_seed_another() -> None:
    assert made(SMALL) == made(SMALL)
    first = read_planted_mentions("p", {}, SMALL)
    other = read_planted_mentions("p", {}, SMALL.model_copy(update={"seed": 1}))
    assert first.fingerprint != other.fingerprint
    assert list(first.splits["train"]) != list(other.splits["train"])


def test_the_default_corpora_never_change() -> None:
    """Golden values: results on the generated corpora are comparable between versions and platforms."""
    for config, golden in ((PlantedMentionsConfig(), GOLDEN), (PlantedBilingualConfig(), GOLDEN_BILINGUAL)):
        made_now = [repr(mention) for mentions in made(config).values() for mention in mentions]
        assert (read_planted_mentions("p", {}, config).fingerprint, digest(*made_now)) == golden


@settings(max_examples=25, deadline=None)
@given(
    languages=st.sampled_from([1, 2]),
    sizes=st.tuples(*[st.integers(1, 40)] * 3),
    relations=st.integers(1, 9),
    unrelated=st.floats(0, 0.95),
    mean=st.floats(1, 4),
    largest=st.integers(8, 20),
    lengths=st.tuples(st.integers(8, 12), st.integers(0, 5)),
)
def test_sizes_shares_and_lengths_are_as_asked(
    languages: int,
    sizes: tuple[int, int, int],
    relations: int,
    unrelated: float,
    mean: float,
    largest: int,
    lengths: tuple[int, int],
) -> None:
    config = PlantedMentionsConfig.model_validate(
        {
            **dict(zip(("train", "dev", "test"), sizes, strict=True)),
            **{"languages": languages, "relations": relations, "unrelated": unrelated, "mean_size": mean},
            **{"largest": largest, "shortest": lengths[0], "longest": sum(lengths), "words": 20, "dimension": 2},
        }
    )
    seen: set[int] = set()
    for split, count in zip(("train", "dev", "test"), sizes, strict=True):
        mentions = columns(config, split)
        pairs, first = np.unique(mentions.pairs, return_index=True)
        assert len(pairs) == count
        assert not seen & set(pairs.tolist()), "no pair is in two splits"
        seen |= set(pairs.tolist())
        assert int((mentions.relation[first] == 0).sum()) == round(unrelated * count)
        for language in range(languages):
            bags = bag_sizes(mentions, language)
            assert bags.sum() == round(mean * len(bags))
            assert len(bags) == 0 or bags.max() <= largest
        assert mentions.lengths.min() >= lengths[0]
        assert mentions.lengths.max() <= sum(lengths)
        assert mentions.relation.max() <= relations


def test_bags_and_relations_have_a_long_tail() -> None:
    mentions = columns(PlantedMentionsConfig(train=3_000, largest=60))
    sizes = bag_sizes(mentions, 0)
    assert np.mean(sizes == 1) > 0.5
    assert sizes.max() > 40
    first = np.unique(mentions.pairs, return_index=True)[1]
    counts = Counter(mentions.relation[first].tolist())
    assert [counts[number] for number in range(1, 9)] == sorted((counts[n] for n in range(1, 9)), reverse=True)
    assert counts[1] > 6 * counts[8] > 0


def test_the_first_mentions_are_of_many_pairs_and_of_both_languages() -> None:
    """What a smoke run trains on."""
    for mentions in read_planted_mentions("p", {}, PlantedBilingualConfig()).splits.values():
        first = mentions[:64]
        assert len({m.document for m in first}) > 30
        assert {m.language for m in first} == {"en", "zh"}
        assert len({m.relation for m in first}) > 2


def test_the_names_of_the_pair_stand_where_the_spans_say_and_have_no_vector() -> None:
    for split, mentions in made(SMALL).items():
        vectors = read_planted_mentions("p", {}, SMALL).vectors
        assert vectors is not None, split
        names: dict[tuple[str, str], set[str]] = defaultdict(set)
        for m in mentions:
            for entity, (begin, end) in ((m.head, m.head_span), (m.tail, m.tail_span)):
                assert end == begin + 1
                names[m.language, entity].add(m.tokens[begin])
                assert m.tokens[begin] not in vectors.words
            assert sum(token not in vectors.words for token in m.tokens) == 2
        assert {len(found) for found in names.values()} == {1}
        assert len(set().union(*names.values())) == len(names), "no two entities share a name"


def by_name(config: PlantedMentionsConfig) -> dict[str, PlantedRelation]:
    return {relation.name: relation for relation in planted_relations(config)}


@pytest.mark.parametrize("languages", [1, 2])
def test_without_noise_a_trigger_in_its_piece_tells_the_relation(languages: int) -> None:
    config = PlantedMentionsConfig.model_validate({"languages": languages, "noise": 0, "dev": 1, "test": 1})
    relations = by_name(config)
    before = 0
    for number, language in enumerate(LANGUAGES[:languages]):
        known = trigger_words(config, language)
        for m in made(config)["train"]:
            if m.language != language:
                continue
            found = triggers(m, known)
            before += found.count("before") + sum(piece == "before" for _, piece in found)
            told = [(trigger, piece) for trigger, piece in found if piece != "before"]
            if m.relation == "NA":
                assert not told
            else:
                relation = relations[m.relation]
                assert told == [(relation.triggers[number], "after" if relation.after else "between")]
    assert before > 100, "distractors"


def test_noise_is_in_every_split_and_its_share_is_as_asked() -> None:
    config = PlantedMentionsConfig(train=2_000, dev=2_000, test=2_000, noise=0.4)
    relations, known = by_name(config), trigger_words(config, "en")
    for mentions in made(config).values():
        said: Counter[str] = Counter()
        for m in mentions:
            told = [(trigger, piece) for trigger, piece in triggers(m, known) if piece != "before"]
            if m.relation == "NA":
                assert not told
                continue
            relation = relations[m.relation]
            true = (relation.triggers[0], "after" if relation.after else "between")
            said["none" if not told else "true" if told == [true] else "another"] += 1
        shares = {what: count / said.total() for what, count in said.items()}
        assert shares == pytest.approx({"true": 0.6, "none": 0.2, "another": 0.2}, abs=0.06)


def test_some_relations_differ_in_position_alone() -> None:
    relations = planted_relations(PlantedMentionsConfig())
    sharing: dict[tuple[int, ...], list[bool]] = defaultdict(list)
    for relation in relations:
        sharing[relation.triggers].append(relation.after)
    assert sorted(map(sorted, sharing.values())) == [[False]] * 4 + [[False, True]] * 2
    assert not any(r.after for r in planted_relations(PlantedMentionsConfig(positional=0)))


def test_two_languages_tell_more_than_one() -> None:
    """Each language alone mistakes two relations for one another, both together none."""
    relations = planted_relations(PlantedBilingualConfig())

    def told(relation: PlantedRelation, languages: tuple[int, ...]) -> tuple[object, ...]:
        return (*(relation.triggers[n] for n in languages), relation.after)

    kinds = {languages: len({told(r, languages) for r in relations}) for languages in ((0,), (1,), (0, 1))}
    assert kinds == {(0,): 7, (1,): 7, (0, 1): 8}
    agreeing = planted_relations(PlantedBilingualConfig(agreeing=1))
    assert len({told(r, (0,)) for r in agreeing}) == len({told(r, (1,)) for r in agreeing}) == 8
    assert Counter(relation.name.split("/")[-1].rsplit("_", 1)[0] for relation in relations) == {
        "only_en": 2,
        "only_zh": 2,
        "plain": 2,
        "between": 1,
        "after": 1,
    }


def test_a_share_of_the_bags_has_one_language() -> None:
    mentions = columns(PlantedBilingualConfig(train=2_000))
    languages: dict[int, set[int]] = defaultdict(set)
    for pair, language in zip(mentions.pairs.tolist(), mentions.language.tolist(), strict=True):
        languages[pair].add(language)
    counts = Counter(map(frozenset, languages.values()))
    assert counts[frozenset({0})] / 2_000 == pytest.approx(0.15, abs=0.03)
    assert counts[frozenset({1})] / 2_000 == pytest.approx(0.15, abs=0.03)


def test_written_lines_read_back_as_the_same_corpus(tmp_path: Path) -> None:
    config = PlantedMentionsConfig(train=300, dev=60, test=60)
    write_planted_mentions(config, tmp_path)
    files = {split: tmp_path / f"{split}.txt" for split in ("train", "dev", "test")}
    read = read_mention_lines("p", files | {"relations": tmp_path / "relation2id.txt"}, MentionLineOptions())
    assert {split: list(items) for split, items in read.splits.items()} == made(config)


def test_the_written_layout_of_two_languages_reads_back_as_the_same_corpus(tmp_path: Path) -> None:
    write_planted_mentions(SMALL, tmp_path)
    files = {path.stem: path for path in tmp_path.glob("*_*.txt")} | {"relations": tmp_path / "relation2id.txt"}
    assert sorted(files) == ["relations", "test_en", "test_zh", "train_en", "train_zh", "valid_en", "valid_zh"]
    read = read_mnre("p", files, MnreOptions())
    assert {split: list(items) for split, items in read.splits.items()} == made(SMALL)
    made_vectors, read_vectors = read_planted_mentions("p", {}, SMALL).vectors, tmp_path / "vectors.txt"
    assert made_vectors is not None
    vectors = read_word_vectors("v", read_vectors)
    assert vectors.words == made_vectors.words
    assert np.array_equal(vectors.matrix, made_vectors.matrix)


def test_a_corpus_of_many_blocks_is_written_as_it_is_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.corpora.planted_mentions.BLOCK", 50)
    config = PlantedMentionsConfig(train=300, dev=60, test=60)
    write_planted_mentions(config, tmp_path)
    files = {split: tmp_path / f"{split}.txt" for split in ("train", "dev", "test")}
    read = read_mention_lines("p", files | {"relations": tmp_path / "relation2id.txt"}, MentionLineOptions())
    assert {split: list(items) for split, items in read.splits.items()} == made(config)
    assert len(read.splits["train"]) == 900
    assert len(set(read.splits["train"])) == 900, "every block draws anew"


@pytest.mark.parametrize(
    "values",
    [
        {"shortest": 7},
        {"shortest": 12, "longest": 9},
        {"mean_size": 4, "largest": 5},
        {"noise": 1.5},
        {"unrelated": 1},
        {"languages": 3},
        {"train": 0},
    ],
)
def test_a_config_that_cannot_be_met_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PlantedMentionsConfig.model_validate(values)


def test_no_dimension_means_no_vectors(tmp_path: Path) -> None:
    config = PlantedMentionsConfig(train=5, dev=5, test=5, dimension=0)
    assert read_planted_mentions("p", {}, config).vectors is None
    write_planted_mentions(config, tmp_path)
    assert not (tmp_path / "vectors.txt").exists()
