"""The network against the same network written out, with each part on and off."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from relab.prepared import Prepared
from relab.trial import Trial
from torch import Tensor
from torch.nn import functional as F

from trainables.bags.encoders import relative_positions
from trainables.bio_multitask.config import COMPONENTS, PairConfig
from trainables.bio_multitask.data import Batch, batch_of
from trainables.bio_multitask.encoders import MultiWindowConvolution
from trainables.bio_multitask.loop import build
from trainables.bio_multitask.losses import decide, ranking_loss
from trainables.bio_multitask.model import PairNetwork
from trainables.layers.noise import dropout

CPU = torch.device("cpu")
ENCODERS: Mapping[str, Mapping[str, Any]] = {
    "cnn": {},
    "pcnn": {"encoder.kind": "pcnn"},
    "eatt_bigru": {"encoder.kind": "eatt_bigru"},
}
Small = Callable[..., PairConfig]
MakeTrial = Callable[..., Trial]


def whole(prepared: Prepared, split: str = "train") -> Batch:
    chosen = prepared.split(split)
    return batch_of(chosen, range(len(chosen.tensors["labels"])), CPU)


def network(config: PairConfig, prepared: Prepared, trial: Trial) -> PairNetwork:
    """One whose parameters are large enough to tell its instances apart."""
    made = build(config, prepared.split("train"), trial).double()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=trial.rng("test", name), dtype=torch.float64) / 2)
    return made


@pytest.mark.parametrize("tags", [True, False])
@pytest.mark.parametrize("positions", [True, False])
def test_instances_are_what_their_features_side_by_side_give(
    tags: bool, positions: bool, small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    """The convolution that instances of a sentence share equals each instance's own."""
    made = network(small({"tags.enabled": tags, "position.enabled": positions}), prepared, make_trial())
    batch = whole(prepared)
    assert isinstance(made.encoder, MultiWindowConvolution)
    features = [made.words(batch.words)]
    if tags:
        features.append(made.tags[batch.tags])
    x = torch.cat(features, 2)[batch.sentence]
    if positions:
        sides = [
            table[relative_positions(batch.spans[:, at : at + 2], x.shape[1], 4)]
            for at, table in zip((0, 2), made.position.tables, strict=True)
        ]
        x = torch.cat([x, *sides], 2)
    expected = made.encoder(x, torch.arange(len(x)), [], batch.lengths[batch.sentence])
    torch.testing.assert_close(made.vectors(batch), expected)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_instance_is_scored_alike_in_any_batch(
    encoder: str, small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    """Nothing depends on padding, or on the other instances (trap 6)."""
    made = network(small(ENCODERS[encoder]), prepared, make_trial())
    with torch.no_grad():
        together = made(whole(prepared)).scores
        assert float(together.std(0).min()) > 1e-3, "instances differ"
        for instance in range(0, len(together), 3):
            alone = made(batch_of(prepared.split("train"), [instance], CPU)).scores
            torch.testing.assert_close(alone[0], together[instance])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_words_beyond_a_sentence_get_no_gradient(
    encoder: str, small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    made, batch = network(small(ENCODERS[encoder]), prepared, make_trial()), whole(prepared)
    found = []

    def keep(module: object, inputs: object, output: Tensor) -> None:
        output.retain_grad()
        found.append(output)

    made.words.register_forward_hook(keep)
    made(batch).scores.square().sum().backward()
    (words,) = found
    outside = torch.arange(words.shape[1]) >= batch.lengths[:, None]
    assert words.grad is not None and outside.any()
    assert not words.grad[outside].any() and words.grad[~outside].any()


def test_tags_of_entities_that_an_instance_is_not_about_are_seen(
    small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    """Trap 4: an instance' scores change with the tag of a third entity, and only where tags are embedded."""
    for enabled in (True, False):
        made, batch = network(small({"tags.enabled": enabled}), prepared, make_trial(str(enabled))), whole(prepared)
        row = next(
            n for n, span in enumerate(batch.spans.tolist()) if _third(batch.tags[batch.sentence[n]].tolist(), span)
        )
        sentence = int(batch.sentence[row])
        tags = batch.tags.clone()
        place = _third(tags[sentence].tolist(), batch.spans[row].tolist())[0]
        tags[sentence, place] = 0
        with torch.no_grad():
            before, after = made(batch).scores[row], made(replace(batch, tags=tags)).scores[row]
        assert torch.equal(before, after) != enabled


def _third(tags: list[int], span: list[int]) -> list[int]:
    """Tagged tokens outside of both entities."""
    inside = {*range(*span[:2]), *range(*span[2:])}
    return [place for place, tag in enumerate(tags) if tag and place not in inside]


class TestHeads:
    def test_scores_are_a_product_of_the_hidden_layer_without_bias(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        made, batch = network(small({"classification.dropout": 0.5}), prepared, make_trial()), whole(prepared)
        streams = [make_trial().rng("dropout", "hidden", 0) for _ in range(2)]
        answers = made(batch, {"hidden": streams[0]})
        hidden = F.linear(made.vectors(batch), made.hidden.weight, made.hidden.bias).tanh()
        hidden = dropout(hidden, 0.5, streams[1])
        torch.testing.assert_close(answers.scores, hidden @ made.classifier.weight.T)
        torch.testing.assert_close(answers.related, hidden @ made.identifier.weight.T + made.identifier.bias)
        assert made.classifier.bias is None and float((hidden == 0).double().mean()) > 0.2

    def test_the_released_codes_bias_and_dropout_of_the_vector(
        self, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        settings = {
            "encoder": {"pooling": "max_mean", "dropout": 0.5},
            "classification": {"activation": "relu", "bias": True},
        }
        made, batch = network(small(settings), prepared, make_trial()), whole(prepared)
        streams = [make_trial().rng("dropout", "vector", 0) for _ in range(2)]
        answers = made(batch, {"vector": streams[0]})
        vectors = dropout(made.vectors(batch), 0.5, streams[1])
        hidden = F.linear(vectors, made.hidden.weight, made.hidden.bias).relu()
        torch.testing.assert_close(answers.scores, hidden @ made.classifier.weight.T + made.classifier.bias)
        assert made.classifier.bias.all() and not torch.equal(answers.scores, made(batch).scores)

    @pytest.mark.parametrize(("loss", "extra"), [("ranking", 0), ("cross_entropy", 1), ("both", 1)])
    def test_other_has_a_score_only_where_cross_entropy_asks_for_one(
        self, loss: str, extra: int, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        made = network(small({"classification.loss": loss}), prepared, make_trial())
        scores = made(whole(prepared)).scores
        assert scores.shape[1] == len(prepared.vocabulary["relations"]) - 1 + extra

    @pytest.mark.parametrize("identified", [True, False])
    @pytest.mark.parametrize("loss", ["ranking", "cross_entropy", "both"])
    def test_the_loss_is_the_weighted_sum_on_the_same_scores(
        self, loss: str, identified: bool, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        """Trap 7: both losses of the classifier read one head."""
        settings = {
            "classification": {"loss": loss, "weight": 0.7, "margin_right": 4.5, "margin_wrong": -0.5},
            "identification": {"enabled": identified, "weight": 0.3},
        }
        made, batch = network(small(settings), prepared, make_trial()), whole(prepared)
        answers, labels = made(batch), batch.labels
        expected = torch.zeros(len(labels), dtype=torch.float64)
        if loss != "cross_entropy":
            real = answers.scores[:, -(len(prepared.vocabulary["relations"]) - 1) :]
            expected = expected + 0.7 * ranking_loss(real, labels, scale=2.0, right=4.5, wrong=-0.5)
        if loss != "ranking":
            chosen = answers.scores.log_softmax(1)[torch.arange(len(labels)), labels]
            expected = expected - 0.7 * chosen
        if identified:
            related = (labels > 0).long()
            expected = expected - 0.3 * answers.related.log_softmax(1)[torch.arange(len(labels)), related]
        else:
            assert answers.related is None
        torch.testing.assert_close(made.loss(batch), expected)

    @pytest.mark.parametrize("loss", ["ranking", "cross_entropy", "both"])
    def test_the_decision_is_the_scores_and_the_other_head_has_no_say(
        self, loss: str, small: Small, prepared: Prepared, make_trial: MakeTrial
    ) -> None:
        batch, settings = whole(prepared), {"classification.loss": loss}
        scores = network(small(settings), prepared, make_trial())(batch).scores.detach()
        relations = len(prepared.vocabulary["relations"]) - 1
        middle = float(scores[:, -relations:].amax(1).median())
        made = network(small(settings | {"classification.threshold": middle}), prepared, make_trial())
        found = made.predict(batch)
        expected = {
            "ranking": lambda: decide(scores, middle),
            "cross_entropy": lambda: scores.argmax(1),
            "both": lambda: decide(scores[:, 1:], middle),
        }[loss]()
        assert torch.equal(found, expected) and len(found.unique()) > 1
        with torch.no_grad():
            made.identifier.bias.copy_(torch.tensor([1e6, -1e6]))
        assert torch.equal(made.predict(batch), found)


def test_a_component_taken_away_leaves_every_other_parameter_as_it_was(
    small: Small, prepared: Prepared, make_trial: MakeTrial
) -> None:
    """Only what reads its features has another shape."""
    full = dict(build(small(), prepared.split("train"), make_trial("full")).named_parameters())
    changed = {
        "tags": {"tags", "encoder.kernels.0", "encoder.kernels.1", "encoder.kernels.2"},
        "multi_task": {"identifier.weight", "identifier.bias"},
        "ranking": {"classifier.weight"},
        "position_features": {
            "position.tables.0", "position.tables.1", "encoder.kernels.0", "encoder.kernels.1", "encoder.kernels.2",
        },
    }  # fmt: skip
    assert {component.name for component in COMPONENTS} == changed.keys()
    for component in COMPONENTS:
        config = small(component.off)
        less = dict(build(config, prepared.split("train"), make_trial(component.name)).named_parameters())
        differing = {name for name in full if name not in less or not torch.equal(full[name], less[name])}
        assert differing == changed[component.name] and less.keys() <= full.keys()


def test_initial_values_are_what_the_config_says(small: Small, prepared: Prepared, make_trial: MakeTrial) -> None:
    wide = {"words.size": 40, "tags.size": 40, "position.size": 40, "encoder.kind": "eatt_bigru", "encoder.hidden": 30}
    split = prepared.split("train")
    uniform = build(small(wide), split, make_trial()).state_dict()
    normal = build(small(wide | {"training.embeddings": "normal"}), split, make_trial()).state_dict()
    for name in ("words.own", "tags", "position.tables.0", "position.tables.1"):
        assert 0.045 < float(uniform[name].abs().max()) <= 0.05
        assert float(normal[name].std()) == pytest.approx(1, rel=0.15)
    assert torch.equal(uniform["hidden.weight"], normal["hidden.weight"])
    for name, value in uniform.items():
        if "bias" in name:
            assert not value.any(), name
    recurrent = uniform["encoder.recurrence.left_to_right.weight_hh_l0"]
    torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(30), atol=1e-5, rtol=0)
