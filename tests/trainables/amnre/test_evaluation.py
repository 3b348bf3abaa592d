"""Scores of a split against bag-by-bag computation; known answers for languages told apart and for cosines."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from relab.prepared import Prepared, Split
from relab.trial import Trial

from trainables.amnre.config import AmnreConfig
from trainables.amnre.evaluation import Sample, evaluate, score
from trainables.amnre.loop import build
from trainables.bags import evaluation
from trainables.bags.data import batch_of
from trainables.bags.evaluation import gold_of
from trainables.metrics.held_out import held_out

CPU = torch.device("cpu")
Small = Callable[..., AmnreConfig]
MakeTrial = Callable[..., Trial]
MONO = {"consistent.enabled": False, "adversarial.enabled": False, "orthogonality.enabled": False}


@pytest.fixture
def dev(prepared: Prepared) -> Split:
    return prepared.split("dev")


def by_bag(config: AmnreConfig, split: Split, trial: Trial, language: int | None = None) -> np.ndarray[Any, Any]:
    """[B, R]: the network's scores, one bag at a time."""
    network, rows = build(config, split, trial), []
    for bag in range(len(split.tensors["bag_offsets"]) - 1):
        batch = network.restricted(batch_of(split, [bag], CPU))
        if language is not None:
            batch = batch.where(batch.languages == language)
        if not len(batch.lengths):
            rows.append(np.full(len(split.vocabulary["relations"]), -np.inf))
            continue
        vectors = {space: network.vectors(batch, space, {}) for space in network.spaces}
        wanted = None if language is None else (language,)
        rows.append(network.scores(batch, vectors, wanted)[0].detach().numpy())
    return np.stack(rows)


@pytest.mark.parametrize("changes", [{}, MONO, {**MONO, "languages": ["en"]}, {"missing_language": "skip_factor"}])
@pytest.mark.parametrize("tokens", [1, 40, 20_000])
def test_a_split_is_scored_bag_by_bag_whatever_the_batches(
    tokens: int,
    changes: Mapping[str, Any],
    small: Small,
    dev: Split,
    make_trial: MakeTrial,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluation, "TOKENS", tokens)
    config = small(changes)
    network = build(config, dev, make_trial())
    (everything, english), _ = score(network, dev, CPU, [None, 0])
    np.testing.assert_allclose(everything, by_bag(config, dev, make_trial()), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(english, by_bag(config, dev, make_trial(), 0), rtol=1e-4, atol=1e-5)


def test_gold_is_the_label_set_of_each_pair_and_na_is_not_ranked(
    small: Small, dev: Split, make_trial: MakeTrial
) -> None:
    gold = gold_of(dev)
    names = dev.vocabulary["relations"]
    assert names[0] == "NA"
    found = [{names[n] for n in np.flatnonzero(row)} for row in gold]
    assert found == [{"born"}, {"born", "lives"}, {"NA"}, {"lives"}, {"NA"}]
    config = small()
    metrics = evaluate(build(config, dev, make_trial()), dev, CPU).metrics
    expected = held_out(by_bag(config, dev, make_trial())[:, 1:], gold[:, 1:]).average_precision
    assert metrics["average_precision"] == pytest.approx(expected)


def test_each_language_alone_is_scored_over_all_bags_those_without_it_last(
    small: Small, dev: Split, make_trial: MakeTrial
) -> None:
    config, gold = small(), gold_of(dev)[:, 1:]
    metrics = evaluate(build(config, dev, make_trial()), dev, CPU).metrics
    for number, name in enumerate(("en", "zh")):
        alone = by_bag(config, dev, make_trial(), number)[:, 1:]
        assert metrics[f"average_precision_{name}"] == pytest.approx(held_out(alone, gold).average_precision)
        assert (alone == -np.inf).all(1).tolist() == [
            number not in set(batch_of(dev, [bag], CPU).languages.tolist()) for bag in range(5)
        ]


def test_a_model_of_one_language_scores_the_same_alone(small: Small, dev: Split, make_trial: MakeTrial) -> None:
    metrics = evaluate(build(small({**MONO, "languages": ["zh"]}), dev, make_trial()), dev, CPU).metrics
    assert metrics["average_precision"] == metrics["average_precision_zh"]
    assert metrics["language_accuracy"] == 1.0 and "average_precision_en" not in metrics


def test_a_joint_model_alone_is_a_model_of_one_language(small: Small, dev: Split, make_trial: MakeTrial) -> None:
    """What Table 4 calls mono: nothing is shared, so that both parts are what each would be by itself."""
    joint = evaluate(build(small(MONO), dev, make_trial()), dev, CPU).metrics
    for name in ("en", "zh"):
        alone = evaluate(build(small({**MONO, "languages": [name]}), dev, make_trial()), dev, CPU).metrics
        assert joint[f"average_precision_{name}"] == pytest.approx(alone["average_precision"])


def test_what_a_loop_reports_is_part_of_the_whole(small: Small, dev: Split, make_trial: MakeTrial) -> None:
    network = build(small(), dev, make_trial())
    part, whole = evaluate(network, dev, CPU, whole=False), evaluate(network, dev, CPU)
    assert part.metrics == {name: whole.metrics[name] for name in ("average_precision", "language_accuracy")}
    assert not part.tables


def test_the_tables(small: Small, dev: Split, make_trial: MakeTrial) -> None:
    scores = evaluate(build(small(), dev, make_trial()), dev, CPU)
    assert scores.tables.keys() == {"curve", "en_curve", "zh_curve", "relations", "vectors"}
    for language in ("en", "zh"):
        alone = scores.metrics[f"average_precision_{language}"]
        assert scores.tables[f"{language}_curve"]["precision"].mean() == pytest.approx(alone)
    assert scores.tables["curve"]["precision"].mean() == pytest.approx(scores.metrics["average_precision"])
    assert scores.tables["relations"]["relation"].to_list() == ["born", "lives"]
    assert scores.tables["relations"]["positives"].to_list() == [2, 2]
    vectors = scores.tables["vectors"]
    english = vectors.filter(space="consistent", language="en")
    assert sorted(english["bag"]) == [0, 1, 3, 4], "a bag's first sentence of each language"
    assert sorted(vectors.filter(space="individual", language="zh")["bag"]) == [0, 2, 3]
    network = build(small(), dev, make_trial())
    first = network.vectors(batch_of(dev, [1], CPU), "consistent", {})[0]
    np.testing.assert_allclose(english.filter(bag=1)["vector"][0].to_list(), first.detach().numpy(), rtol=1e-5)


def sample(vectors: np.ndarray[Any, Any], languages: list[int], bags: list[int], names: tuple[str, ...]) -> Sample:
    kept = {"consistent": [torch.tensor(row) for row in vectors]}
    return Sample(names, bags, languages, [True] * len(bags), kept)  # type: ignore[arg-type]


class TestLanguageAccuracy:
    BAGS, LANGUAGES = [n // 2 for n in range(400)], [0, 1] * 200

    def accuracy(self, vectors: np.ndarray[Any, Any]) -> float:
        return sample(vectors, self.LANGUAGES, self.BAGS, ("en", "zh")).language_accuracy()

    def test_one_where_a_plane_separates_them_and_a_half_where_nothing_does(self) -> None:
        vectors = np.random.default_rng(0).standard_normal((400, 20))
        assert 0.4 < self.accuracy(vectors) < 0.6
        vectors[1::2, 3] += 8
        assert self.accuracy(vectors) > 0.99
        assert self.accuracy(vectors * np.geomspace(1e-3, 1e3, 20)) > 0.99, "whatever the features' scales"

    def test_it_is_measured_on_bags_that_the_classifier_has_not_seen(self) -> None:
        """More dimensions than sentences separate anything that was seen."""
        vectors = np.random.default_rng(0).standard_normal((400, 600))
        assert 0.4 < self.accuracy(vectors) < 0.6

    def test_a_translation_that_is_all_but_equal_gives_nothing_away(self) -> None:
        """Were the halves cut between sentences, the neighbour would."""
        rows = np.random.default_rng(0).standard_normal((200, 5)).repeat(2, 0)
        assert 0.35 < self.accuracy(rows + 1e-9 * np.random.default_rng(1).standard_normal(rows.shape)) < 0.65

    def test_languages_count_the_same_however_many_sentences_they_have(self) -> None:
        """A twentieth of them, two and a half deviations off: unweighted, hardly any would be found."""
        vectors, rare = np.random.default_rng(0).standard_normal((4000, 2)), np.arange(4000) % 20 == 0
        vectors[rare, 0] += 2.5
        bags = np.arange(4000) // 20 * 2 + np.arange(4000) // 2 % 2
        found = sample(vectors, rare.astype(int).tolist(), bags.tolist(), ("en", "zh"))
        found.bag[::40] = [n + 1 for n in found.bag[::40]]
        assert found.language_accuracy() > 0.8

    def test_both_halves_are_learnt_from(self) -> None:
        """To exchange them changes nothing."""
        vectors = np.random.default_rng(0).standard_normal((400, 5))
        vectors[1::2] += np.linspace(0, 1, 5)
        exchanged = sample(vectors, self.LANGUAGES, [199 - bag for bag in self.BAGS], ("en", "zh"))
        assert self.accuracy(vectors) == pytest.approx(exchanged.language_accuracy())

    def test_three_languages(self) -> None:
        vectors = np.random.default_rng(0).standard_normal((600, 4))
        languages, bags = [0, 1, 2] * 200, [n // 3 for n in range(600)]
        assert 0.2 < sample(vectors, languages, bags, ("a", "b", "c")).language_accuracy() < 0.45
        vectors[np.arange(600), languages] += 9
        assert sample(vectors, languages, bags, ("a", "b", "c")).language_accuracy() > 0.99

    def test_chance_where_there_is_nothing_to_tell(self) -> None:
        assert sample(np.ones((4, 2)), [0, 0, 0, 1], [0, 1, 2, 3], ("en", "zh")).language_accuracy() == 0.5
        assert sample(np.ones((2, 2)), [0, 0], [0, 1], ("en",)).language_accuracy() == 1.0
        assert Sample(("en", "zh")).language_accuracy() == 0.5

    def test_constant_vectors_give_no_error(self) -> None:
        assert self.accuracy(np.ones((400, 3))) == 0.5


class TestCosines:
    VECTORS = np.array([[1.0, 0.0], [3.0, 4.0], [0.0, 2.0], [0.0, 5.0], [1.0, 1.0]])
    """English and Chinese of bag 0, English and Chinese of bag 1, English of bag 2."""

    def test_of_translations_and_of_other_sentences(self) -> None:
        found = sample(self.VECTORS, [0, 1, 0, 1, 0], [0, 0, 1, 1, 2], ("en", "zh")).cosines()
        assert found["cosine_translation"] == pytest.approx((0.6 + 1.0) / 2)
        assert found["cosine_others"] == pytest.approx(0.0, abs=1e-12)

    def test_the_order_of_the_languages_in_a_bag_does_not_matter(self) -> None:
        order = [1, 0, 3, 2, 4]
        found = sample(self.VECTORS[order], [1, 0, 1, 0, 0], [0, 0, 1, 1, 2], ("en", "zh")).cosines()
        assert found["cosine_others"] == pytest.approx(0.0, abs=1e-12)

    def test_bags_with_two_sentences_in_a_language_are_no_translations(self) -> None:
        made = sample(self.VECTORS, [0, 1, 0, 1, 0], [0, 0, 1, 1, 2], ("en", "zh"))
        made.single[0] = False
        assert made.cosines() == {}

    def test_not_without_a_consistent_space(self) -> None:
        made = sample(self.VECTORS, [0, 1, 0, 1, 0], [0, 0, 1, 1, 2], ("en", "zh"))
        made.vectors = {"individual": made.vectors["consistent"]}
        assert made.cosines() == {}
