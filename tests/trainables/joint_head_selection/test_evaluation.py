"""From a network's output to scores and tables: order, padding, the N loops, and what is counted."""

from collections.abc import Callable

import polars as pl
import pytest
import torch
from relab.corpus import Corpus
from relab.prepared import Prepared, Split
from relab.trial import Trial

from trainables.corpora.five_column import entities
from trainables.corpora.tagged import TaggedSentence
from trainables.joint_head_selection.config import METRICS, DataConfig, JointConfig
from trainables.joint_head_selection.data import prepare
from trainables.joint_head_selection.evaluation import evaluate, predictions
from trainables.joint_head_selection.loop import build
from trainables.joint_head_selection.model import JointNetwork
from trainables.metrics.joint_extraction import Sentence, boundaries, relaxed, strict

Small = Callable[..., JointConfig]
MakeTrial = Callable[..., Trial]
CLASSES = {"entities": {"scheme": "classes", "crf": False}, "evaluation": {"matching": "relaxed"}}


@pytest.fixture
def dev(prepared: Prepared) -> Split:
    return prepared.split("dev")


def lively(config: JointConfig, split: Split, trial: Trial) -> JointNetwork:
    """An untrained network whose weights are large enough to predict entities and relations of all kinds."""
    network = build(config, split, trial)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("words"):
                parameter.mul_(4)
    return network


def deciding(network: JointNetwork, logit: float) -> JointNetwork:
    """The same with one logit for every relation of every pair."""
    with torch.no_grad():
        network.relation_token.weight.zero_()
        network.relation_head.weight.zero_()
        network.relation_token.bias.fill_(20)
        network.relation_scores.weight.fill_(logit / network.relation_token.bias.numel())
    return network


def test_gold_labels_and_arcs_come_in_the_corpus_order(
    corpus: Corpus[TaggedSentence], small: Small, dev: Split, make_trial: MakeTrial
) -> None:
    for changes in ({}, CLASSES):
        config = small(changes)
        found = list(predictions(build(config, dev, make_trial()), config, dev, dev.shared))
        assert len(found) == len(corpus.splits["dev"])
        for sentence, given in zip(found, corpus.splits["dev"], strict=True):
            tags = [tag if not changes or tag == "O" else tag[2:] for tag in given.tags]
            assert list(sentence.gold_labels) == tags
            assert sentence.gold_arcs == set(given.relations), "N loops are no gold relations"
            assert list(sentence.spans) == entities(given.tags)
            assert len(sentence.predicted_labels) == len(given.tokens)


@pytest.mark.parametrize(("logit", "everything"), [(1.0, True), (0.0, False), (-1.0, False)])
def test_predicted_arcs_are_inside_the_sentence_and_never_n(
    logit: float, everything: bool, small: Small, dev: Split, make_trial: MakeTrial
) -> None:
    """Sentences are padded to the longest of their batch; at a probability of exactly ½ nothing is predicted."""
    network = deciding(build(small(), dev, make_trial()), logit)
    names = [name for name in dev.vocabulary["relations"] if name != "N"]
    found = list(predictions(network, small(), dev, dev.shared))
    assert len({len(sentence.gold_labels) for sentence in found}) > 1
    for sentence in found:
        places = range(len(sentence.gold_labels))
        expected = {(i, name, j) for i in places for j in places for name in names} if everything else set()
        assert sentence.predicted_arcs == expected


def test_a_sentence_is_predicted_alike_alone_and_among_others(
    corpus: Corpus[TaggedSentence], small: Small, make_trial: MakeTrial
) -> None:
    """More sentences than one batch of the evaluation holds."""
    many = Corpus("x", {"train": tuple(corpus.splits["train"]) * 3}, "fp", vectors=corpus.vectors)
    data = prepare(many, DataConfig()).split("train")
    network = lively(small({"label_embedding.enabled": True}), data, make_trial())
    found = list(predictions(network, network.config, data, data.shared))
    assert len(found) == 36
    assert found[:12] == found[12:24] == found[24:]
    assert len({tag for sentence in found for tag in sentence.predicted_labels}) > 2, "else this test shows nothing"
    assert any(sentence.predicted_arcs for sentence in found)


@pytest.mark.parametrize("matching", ["strict", "boundaries", "relaxed"])
def test_the_chosen_matching_scores_the_predictions(
    matching: str, small: Small, dev: Split, make_trial: MakeTrial
) -> None:
    config = small(CLASSES if matching == "relaxed" else {"evaluation.matching": matching})
    network = lively(config, dev, make_trial())
    sentences = list(predictions(network, config, dev, dev.shared))
    expected = {
        "strict": strict(sentences),
        "boundaries": boundaries(sentences),
        "relaxed": relaxed(sentences, dev.vocabulary["classes"], dev.vocabulary["relations"]),
    }[matching]
    scores = evaluate(network, config, dev, dev.shared)
    assert tuple(scores.metrics) == METRICS
    assert scores.metrics["overall_f1"] == expected.overall_f1
    for kind in ("entity", "relation"):
        for what in ("f1", "precision", "recall"):
            assert scores.metrics[f"{kind}_{what}"] == getattr(getattr(expected, kind), what)
    assert scores.metrics["entity_f1"] > 0, "else this test shows nothing"


def test_evaluation_drops_and_perturbs_nothing(small: Small, dev: Split, make_trial: MakeTrial) -> None:
    places = ("embedding", "between_layers", "output")
    loud = small({"dropout": dict.fromkeys(places, 0.9), "adversarial.enabled": True})
    quiet = small({"dropout": dict.fromkeys(places, 0.0)})
    network = lively(loud, dev, make_trial())
    found = [list(predictions(network, network.config, dev, dev.shared)) for _ in range(2)]
    assert found[0] == found[1]
    network.config = quiet
    assert list(predictions(network, quiet, dev, dev.shared)) == found[0]


class TestTables:
    @pytest.fixture
    def tables(self, small: Small, dev: Split, make_trial: MakeTrial) -> dict[str, pl.DataFrame]:
        return dict(evaluate(lively(small(), dev, make_trial()), small(), dev, dev.shared).tables)

    @pytest.fixture
    def sentences(self, small: Small, dev: Split, make_trial: MakeTrial) -> list[Sentence]:
        return list(predictions(lively(small(), dev, make_trial()), small(), dev, dev.shared))

    def test_types_and_sentences_hold_the_same_counts(self, tables: dict[str, pl.DataFrame]) -> None:
        types, each = tables["types"], tables["sentences"]
        assert each["sentence"].to_list() == list(range(12))
        for kind in ("entity", "relation"):
            for what in ("tp", "fp", "fn"):
                assert types.filter(pl.col("kind") == kind)[what].sum() == each[f"{kind}_{what}"].sum()
                assert each[f"{kind}_{what}"].dtype.is_integer()
        assert (each["relation_tp"] + each["relation_fn"]).sum() > 0

    def test_one_row_for_each_type_that_occurs(
        self, tables: dict[str, pl.DataFrame], sentences: list[Sentence]
    ) -> None:
        types = tables["types"]
        labels = [*(s.gold_labels for s in sentences), *(s.predicted_labels for s in sentences)]
        found = {kind for tags in labels for kind, _, _ in entities(tags)}
        assert types.filter(pl.col("kind") == "entity")["type"].to_list() == sorted(found)
        for row in types.iter_rows(named=True):
            assert row["f1"] == (2 * row["tp"] / (2 * row["tp"] + row["fp"] + row["fn"]) if row["tp"] else 0)

    def test_predictions_are_kept_as_text(
        self, tables: dict[str, pl.DataFrame], sentences: list[Sentence], corpus: Corpus[TaggedSentence]
    ) -> None:
        kept = tables["predictions"]
        assert kept["gold_labels"].to_list() == [" ".join(given.tags) for given in corpus.splits["dev"]]
        assert kept["predicted_labels"].to_list() == [" ".join(s.predicted_labels) for s in sentences]
        first = next(n for n, given in enumerate(corpus.splits["dev"]) if given.relations)
        written = {f"{i}:{name}:{j}" for i, name, j in corpus.splits["dev"][first].relations}
        assert set(kept["gold_relations"][first].split()) == written


def test_scores_of_a_network_that_finds_nothing(small: Small, dev: Split, make_trial: MakeTrial) -> None:
    """No relation at all is a score of zero, and a table without rows for what never occurs."""
    network = deciding(build(small({"entities.crf": False}), dev, make_trial()), -1)
    with torch.no_grad():
        network.entity_scores.weight.zero_()
        network.entity_scores.bias.zero_()
        network.entity_scores.bias[dev.vocabulary["tags"].index("O")] = 1
    scores = evaluate(network, small({"entities.crf": False}), dev, dev.shared)
    assert set(scores.metrics.values()) == {0.0}
    assert scores.tables["types"]["tp"].sum() == scores.tables["types"]["fp"].sum() == 0
