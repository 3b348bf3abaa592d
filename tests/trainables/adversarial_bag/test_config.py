"""Defaults, presets and components, against the paper's table of settings and the page that explains them."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from relab.fields import flatten, overlay

from trainables.adversarial_bag.config import COMPONENTS, PRESETS, BagConfig

PAGE = Path(__file__).resolve().parents[3] / "docs" / "decisions" / "adversarial_bag.md"


def documented() -> dict[str, str]:
    """Field and default of every row of the page's first table."""
    lines = [line.replace("\\|", "¦") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    rows = [line.strip("|").split("|") for line in lines]
    assert all(len(row) == 5 for row in rows), "a cell holds a bar"
    return {row[0].strip(" `"): row[3].strip(" `") for row in rows}


def test_the_page_has_every_field_with_its_default() -> None:
    defaults = dict(flatten(BagConfig().model_dump()))
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in defaults.items()}
    assert documented() == written


def preset(name: str) -> BagConfig:
    return BagConfig.model_validate(overlay({}, PRESETS[name]))


PAPER: dict[str, tuple[float, int, int, float, int]] = {
    "paper/nyt_pcnn": (0.01, 5, 230, 0.0, 145),
    "paper/nyt_rnn": (0.02, 3, 150, 0.5, 145),
    "paper/uw_pcnn": (0.05, 5, 250, 0.5, 120),
    "paper/uw_rnn": (0.5, 3, 200, 0.5, 120),
}
"""ε, size of the position feature, units, dropout of words, tokens."""


@pytest.mark.parametrize("suffix", ["", "_adv"])
@pytest.mark.parametrize("name", PAPER)
def test_a_preset_is_the_papers_system(name: str, suffix: str) -> None:
    config = preset(name + suffix)
    found = (
        config.adversarial.epsilon,
        config.position.size,
        config.encoder.hidden,
        config.dropout.words,
        config.data.max_tokens,
    )
    assert found == PAPER[name]
    rnn = name.endswith("rnn")
    assert (config.encoder.kind, config.position.kind) == (("gru", "marked") if rnn else ("pcnn", "embedding"))
    assert config.data.vocabulary == (80_000 if "nyt" in name else 60_000)
    assert config.adversarial.enabled == bool(suffix) and config.adversarial.scope == "bag"
    assert (config.loss.form, config.loss.bias, config.attention) == ("own_softmax", True, "selective")
    assert (config.dropout.sentence, config.dropout.position) == (0.5, 0)
    assert (config.optimizer.lr, config.training.batch_size) == (1e-3, 50)


@pytest.mark.parametrize(("name", "epsilon", "units", "tokens"), [("nyt", 0.2, 150, 144), ("uw", 2.0, 200, 119)])
def test_a_preset_is_the_released_script(name: str, epsilon: float, units: int, tokens: int) -> None:
    config = preset(f"code/{name}_rnn")
    assert (config.adversarial.enabled, config.adversarial.epsilon) == (True, epsilon)
    assert config.adversarial.scope == "sentence"
    assert (config.loss.form, config.loss.bias) == ("sigmoid", False)
    assert (config.encoder.kind, config.encoder.hidden) == ("gru", units)
    assert (config.position.kind, config.position.size) == ("told_apart", 3)
    assert (config.data.max_tokens, config.data.exclude_in_evaluation) == (tokens, True)
    assert (config.data.chunks, config.data.split_in_evaluation) == ("overlap", True)
    assert (config.dropout.words, config.dropout.sentence) == (0.5, 0.5)
    assert (config.training.epochs, config.optimizer.clip_norm) == (10, 10)


def test_quick_is_a_schedule_and_nothing_else() -> None:
    quick, full = (dict(flatten(preset(name).model_dump())) for name in ("quick", "paper/nyt_pcnn"))
    assert {name for name in full if quick[name] != full[name]} == {"optimizer.lr", "training.epochs"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_overwrites_known_fields_and_leaves_all_others_at_their_default(name: str) -> None:
    changed = dict(flatten(overlay({}, PRESETS[name])))
    config, default = dict(flatten(preset(name).model_dump())), dict(flatten(BagConfig().model_dump()))
    assert {field: config[field] for field in default if field not in changed} == {
        field: value for field, value in default.items() if field not in changed
    }
    assert changed.items() <= config.items()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"loss.form": "sampled_sigmoid"}, "loss.negatives"),
        ({"loss.negatives": 5}, "sampled_sigmoid"),
        ({"adversarial.only_positive": True}, "sigmoid"),
        ({"loss.form": "joint_softmax", "adversarial.only_positive": True}, "sigmoid"),
        ({"adversarial.epsilon": -1}, "greater than or equal to 0"),
        ({"adversarial.epsilon": float("inf")}, "finite"),
        ({"adversarial.scope": "word"}, "sentence"),
        ({"dropout.words": 1.0}, "less than 1"),
        ({"encoder.kind": "rnn"}, "gru"),
        ({"optimizer.clip_norm": 0}, "greater than 0"),
        ({"training.batch_size": 0}, "greater than or equal to 1"),
        ({"training.max_epochs": 5}, "not permitted"),
        ({"data.max_token": 5}, "not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        BagConfig.model_validate(overlay({}, settings))


def test_only_positive_goes_with_both_sigmoid_losses() -> None:
    for form, negatives in (("sigmoid", 0), ("sampled_sigmoid", -3)):
        settings = {"loss": {"form": form, "negatives": negatives}, "adversarial.only_positive": True}
        assert BagConfig.model_validate(overlay({}, settings)).adversarial.only_positive


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_a_component_switches_one_part_off_and_the_rest_stays(component: Any) -> None:
    everything = {"adversarial.enabled": True, "dropout": {"words": 0.5, "position": 0.5}}
    full = BagConfig.model_validate(overlay({}, everything))
    less = BagConfig.model_validate(overlay(full.model_dump(), component.off))
    before, after = dict(flatten(full.model_dump())), dict(flatten(less.model_dump()))
    assert {field for field in before if before[field] != after[field]} == set(component.off)


def test_components_are_told_apart() -> None:
    names = [component.name for component in COMPONENTS]
    assert names == ["adversarial_training", "selective_attention", "position_features", "word_dropout"]
