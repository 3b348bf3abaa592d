"""Defaults, presets and components, against paper and code and the page that explains them."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from relab.fields import flatten, overlay

from trainables.amnre import Amnre
from trainables.amnre.config import COMPONENTS, PRESETS, AmnreConfig

PAGE = Path(__file__).resolve().parents[3] / "docs" / "decisions" / "amnre.md"


def documented() -> dict[str, str]:
    """Field and default of every row of the page's first table."""
    rows = [line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    assert all(len(row) == 5 for row in rows), "a cell holds a bar"
    return {row[0].strip(" `"): row[3].strip(" `") for row in rows}


def test_the_page_has_every_field_with_its_default() -> None:
    defaults = dict(flatten(AmnreConfig().model_dump()))
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in defaults.items()}
    assert documented() == written


def preset(name: str) -> AmnreConfig:
    return AmnreConfig.model_validate(overlay({}, PRESETS[name]))


@pytest.mark.parametrize("encoder", ["cnn", "rnn"])
def test_the_papers_presets_are_its_text(encoder: str) -> None:
    config = preset(f"paper/{encoder}")
    assert (config.encoder.kind, config.encoder.hidden) == (encoder, {"cnn": 230, "rnn": 200}[encoder])
    assert (config.encoder.projection, config.encoder.position_size) == (None, 5)
    assert (config.training.batch_size, config.optimizer.lr) == (160, 2e-3)
    adversarial = config.adversarial
    assert (adversarial.layers, adversarial.hidden, adversarial.smoothing) == (2, 2048, 0)
    assert (adversarial.encoder_loss, adversarial.reduction) == ("negated", "sum")
    assert (adversarial.discriminator_weight, adversarial.encoder_weight) == (1, 1)
    assert (config.orthogonality.form, config.orthogonality.weight) == ("paper", 0.02)
    assert config.steps.model_dump() == {"discriminator": 1, "encoder": 5, "extraction": 1}
    assert config.dropout.model_dump() == {"output": 0.5, "embedding": 0.5, "discriminator": 0.1}


RELEASED: dict[str, tuple[Any, ...]] = {
    "code/cnn": ("cnn", 230, None, 160, 60, False),
    "code/rnn": ("rnn", 100, 200, 100, 50, True),
}
"""Encoder, units, projection, batch, epochs, whether the learning rate falls on a plateau."""


@pytest.mark.parametrize("name", RELEASED)
def test_the_codes_presets_are_its_constants(name: str) -> None:
    config = preset(name)
    training, encoder = config.training, config.encoder
    assert RELEASED[name] == (
        encoder.kind,
        encoder.hidden,
        encoder.projection,
        training.batch_size,
        training.epochs,
        config.optimizer.plateau,
    )
    adversarial = config.adversarial
    assert (adversarial.layers, adversarial.hidden, adversarial.smoothing) == (3, 2048, 0.1)
    assert (adversarial.encoder_loss, adversarial.reduction) == ("flipped", "mean")
    assert (config.orthogonality.form, config.orthogonality.weight) == ("code", 0.02)
    assert (config.optimizer.lr, config.missing_language, training.queries) == (1e-3, "prior", "normal")
    assert (config.data.bags, config.data.evaluation_bags) == ("pair_relation", "pair_relation")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_overwrites_known_fields(name: str) -> None:
    fields = dict(flatten(AmnreConfig().model_dump()))
    changes = dict(flatten(overlay({}, PRESETS[name])))
    assert set(changes) <= set(fields)
    assert all(fields[field] != value for field, value in changes.items()), "no default is repeated"


def test_changing_one_field_of_the_data_leaves_the_others_at_this_methods_defaults() -> None:
    config = AmnreConfig.model_validate({"data": {"max_tokens": 30}})
    assert (config.data.bags, config.data.longer) == ("pair_relation", "truncate")


def test_what_needs_the_consistent_space_is_refused_without_it() -> None:
    for name in ("adversarial", "orthogonality"):
        off = {field: {"enabled": field == name} for field in ("consistent", "adversarial", "orthogonality")}
        off["consistent"] = {"enabled": False}
        with pytest.raises(ValidationError, match=f"{name}.enabled needs the consistent encoders"):
            AmnreConfig.model_validate(off)


def test_one_language_has_nothing_to_be_adversarial_about() -> None:
    for languages in (["en"], ["en", "en"]):
        with pytest.raises(ValidationError, match="needs two languages"):
            AmnreConfig.model_validate({"languages": languages})
    AmnreConfig.model_validate({"languages": ["en"], "adversarial": {"enabled": False}})


def test_a_component_that_needs_another_goes_with_it() -> None:
    off = {component.name: component.off for component in COMPONENTS}
    needing = [component for component in COMPONENTS if "consistent_space" in component.requires]
    assert [component.name for component in needing] == ["adversarial_training", "orthogonality"]
    assert off["consistent_space"].items() >= {**off["adversarial_training"], **off["orthogonality"]}.items()
    AmnreConfig.model_validate(overlay({}, off["consistent_space"]))


def test_the_method_describes_itself() -> None:
    assert Amnre.Config is AmnreConfig and Amnre.objective.metric in Amnre.metrics
