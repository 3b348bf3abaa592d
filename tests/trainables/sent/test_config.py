"""The published settings, and what makes no sense."""

from typing import Any

import pytest
from pydantic import ValidationError
from relab.fields import flatten, overlay

from trainables.sent.config import COMPONENTS, PRESETS, SentConfig


def preset(name: str) -> SentConfig:
    return SentConfig.model_validate(overlay({}, PRESETS[name]))


def test_the_defaults_are_the_papers_for_nyt() -> None:
    config = preset("paper/nyt")
    assert config == SentConfig()
    assert (config.filter.threshold, config.relabel.threshold, config.loss.complements) == (0.25, 0.7, 10)
    assert (config.encoder.kind, config.encoder.hidden, config.head) == ("entity_bilstm", 256, 512)
    assert (config.words.size, config.inputs.tag_size, config.inputs.position_size) == (50, 50, 50)
    assert (config.dropout.input, config.dropout.output) == (0.5, 0.5)
    assert (config.optimizer.kind, config.optimizer.lr, config.optimizer.weight_decay) == ("adam", 5e-4, 0.0)
    assert (config.schedule.stop, config.relabel.otherwise, config.reinitialisation) == ("dev", "drop", "new")
    assert (config.data.max_tokens, config.data.lower, config.final.words) == (256, True, "drawn")


def test_the_papers_for_tacred() -> None:
    config = preset("paper/tacred")
    assert (config.filter.threshold, config.relabel.threshold, config.loss.complements) == (0.15, 0.85, 50)
    assert (config.schedule.epochs, config.data.max_tokens, config.data.lower) == (50, 100, False)
    assert (config.optimizer.kind, config.filter.double_above, config.relabel.otherwise) == ("adam", None, "drop")


def test_the_released_codes() -> None:
    nyt, tacred = preset("code/nyt"), preset("code/tacred")
    for config in (nyt, tacred):
        assert (config.filter.double_above, config.filter.cutrate) == (0.99, 0.01)
        assert (config.relabel.otherwise, config.schedule.stop, config.filter.labels) == ("na", "fixed", "original")
        assert (config.schedule.first_selection, config.filter.noise_thresholds) == ("train", "own")
        assert config.loss.with_replacement
    assert (nyt.schedule.first_epochs, nyt.schedule.epochs, nyt.schedule.iterations) == (15, 10, 15)
    assert (nyt.reinitialisation, nyt.final.epochs, nyt.relabel.threshold) == ("same", 15, 0.7)
    assert (nyt.optimizer.weight_decay, nyt.batch_size) == (1e-5, 128)
    assert (tacred.schedule.first_epochs, tacred.schedule.epochs, tacred.schedule.iterations) == (50, 50, 4)
    assert (tacred.reinitialisation, tacred.final.epochs, tacred.relabel.threshold) == ("new", 50, 0.8)
    assert (tacred.optimizer.kind, tacred.optimizer.lr, tacred.optimizer.clip_norm) == ("sgd", 1.0, 5.0)
    assert (tacred.batch_size, tacred.loss.complements) == (8, 50)


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("baseline/")])
def test_a_baseline_is_cross_entropy_on_the_labels_as_they_are(name: str) -> None:
    config = preset(name)
    assert config.loss.form == "positive" and not config.filters


def test_the_systems_of_table_2() -> None:
    kinds = {name: preset(f"baseline/{name}").encoder.kind for name in ("cnn", "pcnn", "bilstm", "bilstm_att", "bert")}
    assert list(kinds.values()) == ["cnn", "pcnn", "entity_bilstm", "attention_bilstm", "bert"]
    assert preset("baseline/pcnn_selatt").bags and not preset("baseline/pcnn").bags
    for name in ("cnn", "pcnn", "pcnn_selatt"):
        assert preset(f"baseline/{name}").encoder.hidden == 230
    for name in ("paper/nyt_bert", "baseline/bilstm_bert"):
        config = preset(name)
        assert (config.encoder.kind, config.data.encoder_as) == ("entity_bilstm", "vectors") and config.data.encoder


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"encoder.kind": "bert"}, "data.encoder"),
        ({"encoder.kind": "bert", "data.encoder": "x"}, "pieces"),
        ({"data": {"encoder": "x", "encoder_as": "pieces"}}, "encoder.kind: bert"),
        ({"bags": True}, "baseline"),
        ({"bags": True, "loss.form": "positive"}, "baseline"),
        ({"loss.complements": 0}, "greater than or equal to 1"),
        ({"filter.threshold": 0}, "greater than 0"),
        ({"filter.threshold": 1.5}, "less than or equal to 1"),
        ({"relabel.otherwise": "keep"}, "drop"),
        ({"dropout.input": 1.0}, "less than 1"),
        ({"schedule.iterations": -1}, "greater than or equal to 0"),
        ({"schedule.first_epochs": 0}, "greater than or equal to 1"),
        ({"optimizer.lr": float("nan")}, "finite|greater"),
        ({"epochs": 3}, "not permitted"),
        ({"data.max_token": 5}, "not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        SentConfig.model_validate(overlay({}, settings))


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_a_component_switches_one_part_off_and_the_rest_stays(component: Any) -> None:
    full = SentConfig()
    less = SentConfig.model_validate(overlay(full.model_dump(), component.off))
    before, after = dict(flatten(full.model_dump())), dict(flatten(less.model_dump()))
    assert {field for field in before if before[field] != after[field]} == set(component.off)
