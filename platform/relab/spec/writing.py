"""A spec as it was recorded, back as YAML that can be saved and run."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from relab.spec.models import kind_of


def written(recorded: Mapping[str, Any]) -> str:
    """YAML of a spec, without what is as by default; the study's name is the file's.

    Args:
        recorded: ``Description.spec``.
    """
    defaults = {
        field.alias or name: json.loads(json.dumps(field.default, default=lambda value: value.model_dump(mode="json")))
        for name, field in kind_of(recorded).model_fields.items()
        if not field.is_required()
    }
    values = {
        name: PLAIN[name](value) if name in PLAIN else value
        for name, value in recorded.items()
        if name not in {"name", "winners"} and not (name in defaults and defaults[name] == value)
    }
    return (
        yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100).rstrip()
        if values
        else ""
    )


def _corpus(value: Mapping[str, Any]) -> Any:
    """By name alone, or with its reader's options beside it."""
    return {"name": value["name"], **value["options"]} if value["options"] else value["name"]


def _space(value: Mapping[str, Any]) -> Any:
    """Each dimension in its one form."""
    return {name: {form: ends for form, ends in given.items() if ends is not None} for name, given in value.items()}


PLAIN = {"corpus": _corpus, "space": _space}
"""How people write what the models spell out."""
