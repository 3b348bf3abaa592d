"""Nested settings addressed by dotted names: presets, overrides and ablations all change configs through here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as nested mappings: ``{"a.b": 1, "a": {"c": 2}}`` is ``{"a": {"b": 1, "c": 2}}``."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        head, dot, rest = name.partition(".")
        inner: Any = {rest: value} if dot else value
        if isinstance(inner, Mapping):
            known = result.get(head)
            result[head] = overlay(known if isinstance(known, Mapping) else {}, inner)
        else:
            result[head] = inner
    return result


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` laid over it, mapping by mapping; both may use dotted keys."""
    result = nested(base)
    for name, value in nested(changes).items():
        known = result.get(name)
        result[name] = overlay(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return result


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every leaf."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def lookup(values: Mapping[str, Any], name: str) -> Any:
    """The value at a dotted name; KeyError if it is not there."""
    for part in name.split("."):
        if not isinstance(values, Mapping):
            raise KeyError(name)
        values = values[part]
    return values


def describe_fields(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Every dotted field of a config class and of the configs inside it."""
    found: dict[str, FieldInfo] = {}
    for name, info in model.model_fields.items():
        found[prefix + name] = info
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found |= describe_fields(info.annotation, f"{prefix}{name}.")
    return found


def shortened(names: Sequence[str]) -> list[str]:
    """Dotted names by their last parts alone, where these tell them apart."""
    last = [name.rpartition(".")[2] for name in names]
    return [short if last.count(short) == 1 else name for name, short in zip(names, last, strict=True)]


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings for a reader, as ``a.b=1, c=true``."""
    return ", ".join(f"{name}={value_text(value)}" for name, value in settings.items())


def value_text(value: Any) -> str:
    """A value for a reader: four digits, true and null as YAML has them."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
