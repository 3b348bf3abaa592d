"""Sentence vectors that depend on their sentence alone, and scores as the product of their factors."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from relab.corpus import Corpus
from relab.errors import RequestError
from relab.prepared import Prepared, Split
from relab.trial import Trial
from torch import Tensor
from torch.nn import functional as F

from trainables.amnre.config import AmnreConfig, DataConfig
from trainables.amnre.heads import Head
from trainables.amnre.loop import build
from trainables.amnre.model import AmnreNetwork
from trainables.bags.data import END, START, Batch, batch_of, prepare_bags
from trainables.bags.encoders import relative_positions
from trainables.corpora.mentions import Mention

CPU = torch.device("cpu")
Small = Callable[..., AmnreConfig]
MakeTrial = Callable[..., Trial]
MONO = {"consistent.enabled": False, "adversarial.enabled": False, "orthogonality.enabled": False}
SYSTEMS: Mapping[str, Mapping[str, Any]] = {
    "EN": {**MONO, "languages": ["en"]},
    "Joint": MONO,
    "Share": {**MONO, "individual.heads": "shared"},
    "MNRE": {**MONO, "individual": {"heads": "every", "tied": True}},
    "AMNRE": {},
}
ENCODERS: Mapping[str, Mapping[str, Any]] = {
    "cnn": {},
    "rnn": {"encoder": {"kind": "rnn", "hidden": 3}},
    "projected": {"encoder": {"kind": "rnn", "hidden": 3, "projection": 4}},
}


@pytest.fixture
def train(prepared: Prepared) -> Split:
    return prepared.split("train")


def everything(split: Split) -> Batch:
    return batch_of(split, range(len(split.tensors["bag_offsets"]) - 1), CPU)


class TestVectors:
    @pytest.mark.parametrize("space", ["individual", "consistent"])
    @pytest.mark.parametrize("encoder", ENCODERS)
    def test_a_vector_does_not_depend_on_padding_or_on_what_else_is_in_the_batch(
        self, encoder: str, space: Any, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        network = build(small(ENCODERS[encoder]), train, make_trial())
        batch = everything(train)
        together = network.vectors(batch, space, {})
        for bag in range(len(batch.bags)):
            alone = batch_of(train, [bag], CPU)
            torch.testing.assert_close(network.vectors(alone, space, {}), together[batch.bag == bag])
        wider = replace(batch, words=F.pad(batch.words, (0, 4), value=END))
        torch.testing.assert_close(network.vectors(wider, space, {}), together)

    @pytest.mark.parametrize("encoder", ENCODERS)
    def test_every_sentence_is_read_by_the_encoder_of_its_language_behind_a_start(
        self, encoder: str, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        network = build(small(ENCODERS[encoder]), train, make_trial())
        batch = everything(train)
        before = network.vectors(batch, "consistent", {})
        start = network.get_parameter("consistent.zh.words.own").detach().clone()
        moved = torch.zeros(len(batch.bag), dtype=torch.bool)
        for change in (50.0, -50.0):  # a maximum moves in one of two directions at least
            with torch.no_grad():
                network.get_parameter("consistent.zh.words.own").copy_(start)[START] += change
            moved |= (network.vectors(batch, "consistent", {}) != before).any(1)
        assert moved.tolist() == (batch.languages == 1).tolist()
        with torch.no_grad():
            network.get_parameter("consistent.zh.words.own").copy_(start)
            for language in ("en", "zh"):
                network.get_parameter(f"consistent.{language}.words.own")[END] += 9
        torch.testing.assert_close(network.vectors(batch, "consistent", {}), before, msg="padding is read")

    def test_a_vector_of_the_cnn_by_hand(self, small: Small, train: Split, make_trial: MakeTrial) -> None:
        """Windows of three tokens from the start's on, with each token's distance from both entities; maximum; tanh."""
        network = build(small({"encoder.max_distance": 3}), train, make_trial())
        batch = everything(train)
        found = network.vectors(batch, "individual", {})
        for row in range(len(batch.words)):
            language = ("en", "zh")[int(batch.languages[row])]
            own = {name.removeprefix(f"individual.{language}."): value for name, value in network.named_parameters()}
            table = torch.cat([own["words.own"], own["words.known"]])
            tokens = []
            for place in range(-1, int(batch.lengths[row])):
                word = table[START if place < 0 else batch.words[row, place]]
                sides = []
                for side in range(2):
                    distance = place - int(batch.spans[row, 2 * side])
                    sides.append(own[f"positions.tables.{side}"][max(-3, min(3, distance)) + 3])
                tokens.append(torch.cat([word, *sides]))
            windows = [torch.stack(tokens[at : at + 3]) for at in range(len(tokens) - 2)]
            kernel, bias = own["convolution.kernel"], own["convolution.bias"]
            values = torch.stack([(kernel * window.T).sum((1, 2)) + bias for window in windows])
            torch.testing.assert_close(found[row], values.max(0).values.tanh())

    def test_the_two_spaces_and_the_two_languages_share_no_parameter(
        self, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        network = build(small(), train, make_trial())
        own = {
            name: [*network.get_submodule(name).parameters()]
            for name in ("individual.en", "individual.zh", "consistent.en", "consistent.zh")
        }
        assert len({id(parameter) for part in own.values() for parameter in part}) == sum(map(len, own.values()))
        assert all(len(part) == 6 for part in own.values()), "own and known words, two position tables, convolution"

    def test_dropout_is_where_the_paper_has_it(self, small: Small, train: Split, make_trial: MakeTrial) -> None:
        """CNN: entries of the vector; RNN: of its input, so that no entry of the vector is zero."""
        batch = everything(train)
        for kind, zeros in (("cnn", True), ("rnn", False)):
            settings = {"encoder.kind": kind, "dropout": {"output": 0.5, "embedding": 0.5}}
            network = build(small(settings), train, make_trial(kind))
            noise = {f"individual.{name}": make_trial(kind).rng("dropout", name) for name in ("en", "zh")}
            dropped = network.vectors(batch, "individual", noise)
            assert bool((dropped == 0).any()) == zeros
            assert not torch.equal(dropped, network.vectors(batch, "individual", {}))
            settings["dropout"] = {"output": 0.5 * (kind == "rnn"), "embedding": 0.5 * (kind == "cnn")}
            network = build(small(settings), train, make_trial(kind))
            torch.testing.assert_close(
                network.vectors(batch, "individual", noise), network.vectors(batch, "individual", {})
            )

    def test_positions_stay_in_the_table(self) -> None:
        """Trap 11: an entity at 0 and a token at 69."""
        index = relative_positions(torch.tensor([[0, 1]]), 70, 30)[0]
        assert (index[0].item(), index[30].item(), index[69].item()) == (30, 60, 60)
        assert relative_positions(torch.tensor([[69, 70]]), 70, 30)[0, 0].item() == 0


def factors(network: AmnreNetwork, batch: Batch, split: Split) -> list[Tensor]:
    """Each factor's [B, R], written out system by system."""
    config, bags = network.config, len(batch.bags)

    def judged(head: str, space: Any, language: str | None) -> Tensor:
        place = torch.ones_like(batch.bag, dtype=torch.bool)
        if language is not None:
            place = batch.languages == split.vocabulary["languages"].index(language)
        made = network.get_submodule(head)
        assert isinstance(made, Head)
        return made.scores(network.vectors(batch, space, {})[place], batch.bag[place], bags)

    languages = config.languages or ("en", "zh")
    match config.individual.heads:
        case "own":
            found = [judged(f"heads.{name}", "individual", name) for name in languages]
        case "shared":
            found = [judged("heads.shared", "individual", name) for name in languages]
        case "every":
            found = [judged(f"heads.{judge}", "individual", name) for name in languages for judge in languages]
    return found + ([judged("consistent_head", "consistent", None)] if config.consistent.enabled else [])


class TestScores:
    @pytest.mark.parametrize(("system", "count"), [("EN", 1), ("Joint", 2), ("Share", 2), ("MNRE", 4), ("AMNRE", 3)])
    def test_a_score_is_the_product_of_the_systems_factors(
        self, system: str, count: int, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        network = build(small(SYSTEMS[system]), train, make_trial())
        batch = network.restricted(everything(train))
        vectors = {space: network.vectors(batch, space, {}) for space in network.spaces}
        parts = factors(network, batch, train)
        assert len(parts) == count
        empty = torch.bincount(batch.bag, minlength=len(batch.bags)) == 0
        assert bool(empty.any()) == (system == "EN"), "some bags are Chinese alone"
        expected = sum(parts[1:], start=parts[0]).masked_fill(empty[:, None], -torch.inf)
        torch.testing.assert_close(network.scores(batch, vectors), expected)

    @pytest.mark.parametrize("system", ["Joint", "Share", "MNRE", "AMNRE"])
    @pytest.mark.parametrize("missing", ["prior", "skip_factor"])
    def test_training_reads_the_scores_of_the_gold_relations(
        self, system: str, missing: str, small: Small, corpus: Corpus[Mention], make_trial: MakeTrial
    ) -> None:
        """Bags by pair, one with two labels: each label is a term of its own."""
        train = prepare_bags(corpus, DataConfig(bags="pair")).split("train")
        network = build(small({**SYSTEMS[system], "missing_language": missing}), train, make_trial())
        batch = everything(train)
        assert batch.labels.sum(1).tolist() == [1, 1, 1, 1, 1, 1, 2]
        vectors = {space: network.vectors(batch, space, {}) for space in network.spaces}
        found, scores = network.log_likelihood(batch, vectors), network.scores(batch, vectors)
        torch.testing.assert_close(found, scores[batch.labels.bool()])

    def test_a3_a_missing_language_is_its_prior_or_no_factor(
        self, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        networks = {
            missing: build(small({"missing_language": missing}), train, make_trial())
            for missing in ("prior", "skip_factor")
        }
        batch = everything(train)
        scores = {}
        for missing, network in networks.items():
            vectors = {space: network.vectors(batch, space, {}) for space in network.spaces}
            scores[missing] = network.scores(batch, vectors)
        difference = scores["prior"] - scores["skip_factor"]
        for bag in range(len(batch.bags)):
            present = set(batch.languages[batch.bag == bag].tolist())
            expected = torch.zeros(3)
            for number, name in enumerate(("en", "zh")):
                if number not in present:
                    expected = networks["prior"].get_parameter(f"heads.{name}.bias").log_softmax(0)
            torch.testing.assert_close(difference[bag], expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("missing", ["prior", "skip_factor"])
    def test_one_language_alone_is_its_own_factor_times_the_consistent_one_of_its_sentences(
        self, missing: str, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        network = build(small({"missing_language": missing}), train, make_trial())
        batch = everything(train).where(everything(train).languages == 1)
        vectors = {space: network.vectors(batch, space, {}) for space in network.spaces}
        own, _, common = (factors(network, batch, train)[n] for n in (1, 0, 2))
        found = network.scores(batch, vectors, (1,))
        there = torch.bincount(batch.bag, minlength=len(batch.bags)) > 0
        torch.testing.assert_close(found[there], (own + common)[there])
        assert bool((found[~there] == -torch.inf).all()) and bool((~there).any())

    def test_what_a_system_has(self, small: Small, train: Split) -> None:
        parts = {
            system: {".".join(name.split(".")[:2]) for name, _ in build(small(settings), train).named_parameters()}
            for system, settings in SYSTEMS.items()
        }
        assert parts["EN"] == {"individual.en", "heads.en"}
        assert parts["Joint"] == {"individual.en", "individual.zh", "heads.en", "heads.zh"} == parts["MNRE"]
        assert parts["Share"] == {"individual.en", "individual.zh", "heads.shared"}
        more = {f"consistent.{name}" for name in ("en", "zh")} | {f"consistent_head.{n}" for n in ("bias", "weight")}
        assert parts["AMNRE"] == parts["Joint"] | more | {"consistent_head.attention", "discriminator.layers"}


class TestLanguages:
    def test_a_language_that_is_not_there_is_refused_by_name(self, small: Small, train: Split) -> None:
        with pytest.raises(RequestError, match="no sentences in de; this corpus has en, zh"):
            AmnreNetwork(small({**MONO, "languages": ["en", "de"]}), train)

    def test_adversarial_training_needs_two(self, small: Small, corpus: Corpus[Mention]) -> None:
        english = {name: [m for m in items if m.language == "en"] for name, items in corpus.splits.items()}
        split = prepare_bags(replace(corpus, splits=english), DataConfig()).split("train")
        with pytest.raises(RequestError, match="needs sentences in two languages, not in en alone"):
            AmnreNetwork(small(), split)
        assert AmnreNetwork(small(MONO), split).names == ("en",)

    def test_sentences_in_other_languages_are_left_out_of_a_batch(self, small: Small, train: Split) -> None:
        batch = everything(train)
        network = AmnreNetwork(small(SYSTEMS["EN"]), train)
        own = network.restricted(batch)
        assert own.languages.unique().tolist() == [0] and len(own.labels) == len(batch.labels)
        torch.testing.assert_close(own.words, batch.words[batch.languages == 0])
        assert AmnreNetwork(small(), train).restricted(batch) is batch

    def test_three_languages(self, small: Small, corpus: Corpus[Mention], make_trial: MakeTrial) -> None:
        extra = [replace(m, language="de") for m in corpus.splits["train"] if m.language == "en"]
        split = prepare_bags(replace(corpus, splits={"train": [*corpus.splits["train"], *extra]}), DataConfig()).split(
            "train"
        )
        network = build(small(), split, make_trial())
        batch = everything(split)
        vectors = {space: network.vectors(batch, space, {}) for space in network.spaces}
        assert network.names == ("de", "en", "zh")
        assert network.discriminator(vectors["consistent"]).shape == (len(batch.bag), 3)
        assert bool(network.scores(batch, vectors).isfinite().all())
        two = build(small({"languages": ["en", "zh"]}), split, make_trial())
        assert network.places(batch).tolist() == batch.languages.tolist()
        assert two.places(two.restricted(batch)).unique().tolist() == [0, 1]


class TestBuild:
    def test_initial_values_are_the_codes(self, small: Small, train: Split, make_trial: MakeTrial) -> None:
        settings = {"encoder": {"kind": "rnn", "hidden": 40, "projection": 60}, "training.queries": "normal"}
        network = build(small(settings), train, make_trial())
        values = dict(network.named_parameters())
        assert torch.equal(values["consistent.en.words.known"], train.shared["vectors/en"])
        for name, deviation in (
            ("individual.en.positions.tables.0", 1.0),
            ("consistent_head.attention.queries", 1.0),
        ):
            assert values[name].std().item() == pytest.approx(deviation, rel=0.2)
        assert not values["individual.zh.words.own"][0].any() and bool(values["individual.zh.words.own"][1:].all())
        recurrent = values["individual.en.recurrence.left_to_right.weight_hh_l0"]
        torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(40), rtol=1e-4, atol=1e-4)
        assert not values["individual.en.recurrence.right_to_left.bias_ih_l0"].any()
        for name, inputs in (
            ("individual.en.projection.weight", 80),
            ("heads.en.weight", 60),
            ("heads.en.bias", 60),
            ("discriminator.layers.0.weight", 60),
        ):
            limit = inputs**-0.5
            assert 0.6 * limit < values[name].abs().max().item() <= limit
        convolution = build(small(), train, make_trial()).get_parameter("individual.en.convolution.kernel")
        assert 0.8 * 30**-0.5 < convolution.abs().max().item() <= 30**-0.5, "six and four dimensions of three tokens"

    def test_queries_start_small_on_request_and_where_they_are_the_classifier(
        self, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        for changes, is_small in (
            ({"training.queries": "small"}, True),
            ({"training.queries": "normal"}, False),
            ({"training.queries": "normal", "individual.tied": True}, True),
        ):
            queries = build(small(changes), train, make_trial()).get_parameter("heads.en.attention.queries")
            assert (queries.abs().max().item() <= 5**-0.5) == is_small

    def test_what_a_component_takes_away_leaves_all_other_draws_as_they_were(
        self, small: Small, train: Split, make_trial: MakeTrial
    ) -> None:
        full = dict(build(small(), train, make_trial()).named_parameters())
        for settings in SYSTEMS.values():
            if "tied" in str(settings) or "shared" in str(settings):
                continue
            for name, value in build(small(settings), train, make_trial()).named_parameters():
                assert torch.equal(value, full[name]), name
        other = dict(build(small(), train, make_trial(seed=1)).named_parameters())
        same = {name for name, value in full.items() if torch.equal(value, other[name])}
        assert same == {name for name in full if name.endswith("words.known")}
