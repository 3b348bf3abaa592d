"""Defaults, presets and components, against the paper's settings and the page that explains them."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from relab.fields import flatten, overlay

from trainables.bio_multitask.config import COMPONENTS, PRESETS, PairConfig

PAGE = Path(__file__).resolve().parents[3] / "docs" / "decisions" / "bio_multitask.md"


def documented() -> dict[str, str]:
    """Field and default of every row of the page's first table."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    rows = [line.strip("|").split("|") for line in lines]
    assert all(len(row) == 5 for row in rows), "a cell holds a bar"
    return {row[0].strip(" `"): row[3].strip(" `") for row in rows}


def test_the_page_has_every_field_with_its_default() -> None:
    defaults = dict(flatten(PairConfig().model_dump(mode="json")))
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in defaults.items()}
    assert documented() == written


def preset(name: str) -> PairConfig:
    return PairConfig.model_validate(overlay({}, PRESETS[name]))


LANGUAGES = {"english": (2.5, 0.5, 0.0, "undirected"), "chinese": (4.5, -0.5, 1.0, "directed")}
"""m⁺, m⁻, θ, and what a pair is."""
SYSTEMS = {"": ("cnn", 64, True), "_baseline": ("cnn", 64, False), "_pcnn": ("pcnn", 230, False)} | {
    "_eatt_bigru": ("eatt_bigru", 100, False)
}


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_preset_is_the_papers_system(language: str, system: str) -> None:
    config = preset(f"paper/{language}{system}")
    ranking = config.classification
    found = (ranking.margin_right, ranking.margin_wrong, ranking.threshold, config.data.direction)
    assert found == LANGUAGES[language]
    assert (ranking.scale, ranking.loss, ranking.weight, config.identification.weight) == (2, "ranking", 1, 1)
    kind, hidden, whole = SYSTEMS[system]
    assert (config.encoder.kind, config.encoder.hidden) == (kind, hidden)
    assert config.tags.enabled == config.identification.enabled == whole
    assert (config.words.size, config.position.size, config.tags.size) == (200, 50, 50)
    assert config.encoder.windows == (4, 5, 6, 7, 8, 9, 10)
    assert (ranking.hidden, ranking.dropout) == (128, 0.2)
    assert (config.optimizer.lr, config.training.batch_size) == (1e-3, 256)
    assert config.data.negatives_per_positive is None and config.data.type_filter == "corpus"
    assert config.data.ordered == (language == "chinese")


def test_the_released_codes_settings() -> None:
    """With the paper's for English elsewhere."""
    code, paper = (dict(flatten(preset(name).model_dump())) for name in ("code/english", "paper/english"))
    assert {name: value for name, value in code.items() if value != paper[name]} == {
        "data.min_count": 1,
        "position.max_distance": 8,
        "encoder.windows": (1, 2, 3),
        "encoder.pooling": "max_mean",
        "encoder.dropout": 0.5,
        "classification.activation": "relu",
        "classification.bias": True,
        "classification.threshold": 0.5,
        "training.epochs": 50,
    }


SHORT = {"data.negatives_per_positive", "training.epochs"}


@pytest.mark.parametrize(
    ("quick", "full", "shorter"),
    [
        ("quick", "paper/english", SHORT),
        ("quick/chinese", "paper/chinese", SHORT | {"data.max_tokens", "training.batch_size"}),
    ],
)
def test_quick_is_a_shorter_schedule_and_nothing_else(quick: str, full: str, shorter: set[str]) -> None:
    one, other = (dict(flatten(preset(name).model_dump())) for name in (quick, full))
    assert {name for name in one if one[name] != other[name]} == shorter


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"encoder.windows": []}, "at least one"),
        ({"encoder.windows": [0, 2]}, "numbers from 1"),
        ({"encoder.windows": [3, 3]}, "different"),
        ({"encoder.kind": "rnn"}, "eatt_bigru"),
        ({"encoder.pooling": "mean"}, "max_mean"),
        ({"encoder.dropout": 1}, "less than 1"),
        ({"data.negatives_per_positive": 0}, "greater than 0"),
        ({"data.type_filter": "test"}, "corpus"),
        ({"data.direction": "both"}, "directed"),
        ({"classification.loss": "hinge"}, "ranking"),
        ({"classification.margin_right": float("nan")}, "finite"),
        ({"identification.weight": 0}, "greater than 0"),
        ({"training.patience": 3}, "not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        PairConfig.model_validate(overlay({}, settings))


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_a_component_switches_one_field_and_the_rest_stays(component: Any) -> None:
    before = dict(flatten(PairConfig().model_dump()))
    after = dict(flatten(PairConfig.model_validate(overlay({}, component.off)).model_dump()))
    assert {field for field in before if before[field] != after[field]} == set(component.off)
