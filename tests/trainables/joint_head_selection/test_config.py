"""Defaults, presets and components, against the released configurations and the page that explains them."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from relab.fields import flatten, overlay

from trainables.joint_head_selection.config import COMPONENTS, PRESETS, JointConfig

PAGE = Path(__file__).resolve().parents[3] / "docs" / "decisions" / "joint_head_selection.md"


def documented() -> dict[str, str]:
    """Field and default of every row of the page's first table."""
    rows = [line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    assert all(len(row) == 5 for row in rows), "a cell holds a bar"
    return {row[0].strip(" `"): row[3].strip(" `") for row in rows}


def test_the_page_has_every_field_with_its_default() -> None:
    defaults = dict(flatten(JointConfig().model_dump()))
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in defaults.items()}
    assert documented() == written


def preset(name: str) -> JointConfig:
    return JointConfig.model_validate(overlay({}, PRESETS[name]))


RELEASED: dict[str, tuple[int, int, float, int, float | None, bool]] = {
    "paper/conll04_bio": (150, 30, 0.9, 0, None, True),
    "paper/conll04_bio_adv": (130, 40, 0.9, 0, 0.01, True),
    "paper/conll04_ec": (150, 50, 0.9, 0, None, False),
    "paper/conll04_ec_adv": (150, 50, 0.9, 0, 0.001, False),
    "paper/drec_bio": (50, 30, 0.7, 25, None, True),
    "paper/drec_bio_adv": (60, 35, 0.7, 25, 0.001, True),
}
"""Epochs, patience, probability to keep, label embedding, α if adversarial, CRF over BIO tags."""


@pytest.mark.parametrize("name", RELEASED)
def test_a_preset_is_the_released_configuration(name: str) -> None:
    epochs, patience, keep, label, alpha, tags = RELEASED[name]
    config = preset(name)
    assert (config.training.max_epochs, config.training.patience) == (epochs, patience)
    rates = (config.dropout.embedding, config.dropout.between_layers, config.dropout.output)
    assert rates == pytest.approx([1 - keep] * 3, abs=1e-12), "the files give the probability to keep"
    assert (config.label_embedding.enabled, config.label_embedding.size) == (label > 0, 25)
    assert config.adversarial.enabled == (alpha is not None)
    if alpha is not None:
        assert config.adversarial.alpha == alpha
    assert (config.entities.scheme, config.entities.crf) == (("bio", True) if tags else ("classes", False))
    assert config.evaluation.matching == ("strict" if tags else "relaxed")
    common = (config.encoder.hidden, config.entities.hidden, config.relations.hidden, config.encoder.layers)
    assert common == (64, 64, 64, 3)
    assert (config.characters.embedding, config.characters.hidden, config.optimizer.lr) == (25, 25, 1e-3)
    assert (config.training.batch_size, config.optimizer.clip_value) == (1, None)


def test_every_released_configuration_has_its_preset() -> None:
    assert {name for name in PRESETS if name.startswith("paper/")} == RELEASED.keys()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_overwrites_known_fields_and_leaves_all_others_at_their_default(name: str) -> None:
    changed = dict(flatten(PRESETS[name]))
    config, default = dict(flatten(preset(name).model_dump())), dict(flatten(JointConfig().model_dump()))
    assert {field: config[field] for field in default if field not in changed} == {
        field: value for field, value in default.items() if field not in changed
    }
    assert changed.items() <= config.items()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"entities.scheme": "classes", "evaluation.matching": "relaxed"}, "entities.crf"),
        ({"entities.scheme": "classes", "entities.crf": False}, "go together"),
        ({"evaluation.matching": "relaxed"}, "go together"),
        ({"dropout.embedding": 1.0}, "less than 1"),
        ({"dropout.output": -0.1}, "greater than or equal to 0"),
        ({"adversarial.alpha": -1}, "greater than or equal to 0"),
        ({"adversarial.alpha": float("nan")}, "finite"),
        ({"optimizer.lr": 0}, "greater than 0"),
        ({"optimizer.clip_value": 0}, "greater than 0"),
        ({"training.batch_size": 0}, "greater than or equal to 1"),
        ({"training.stop_at": "the end"}, "best_epoch"),
        ({"training.epochs": 5}, "not permitted"),
        ({"dropout.keep": 0.9}, "not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        JointConfig.model_validate(overlay({}, settings))


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        JointConfig().optimizer.lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_a_component_switches_one_part_off_and_the_rest_stays(component: Any) -> None:
    everything = {"adversarial.enabled": True, "label_embedding.enabled": True}
    full = JointConfig.model_validate(overlay({}, everything))
    less = JointConfig.model_validate(overlay(full.model_dump(), component.off))
    before, after = dict(flatten(full.model_dump())), dict(flatten(less.model_dump()))
    assert {field for field in before if before[field] != after[field]} == set(component.off)
    assert not any(component.off.values())


def test_components_are_told_apart() -> None:
    names = [component.name for component in COMPONENTS]
    assert names == ["adversarial_training", "character_embeddings", "label_embeddings", "crf"]
