"""A trial's key, which names its folder: equal for two trials exactly when their results must be equal."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from relab.errors import StoreError
from relab.method import Method

LONGEST_NAME = 255
"""Bytes of a file's name, on any file system that a store may lie on."""


def trial_key(
    method: Method[Any], settings: Mapping[str, Any], corpus: str, seed: int, *, opens_test: bool = False
) -> str:
    """Twenty hexadecimal digits over everything that determines a trial's numbers.

    ``settings`` are the ``significant`` fields of a config: one at its default counts as absent, so that a new field
    does not change old keys; one marked ``changes_results: False`` never counts. ``corpus`` is the fingerprint of the
    data as the trial sees them, fold and size included.
    The method's ``version`` stands for its code.
    """
    parts = {
        "method": method.name,
        "version": method.version,
        "config": settings,
        "corpus": corpus,
        "seed": seed,
        "opens_test": opens_test,
    }
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def significant(config: BaseModel) -> dict[str, Any]:
    """The fields of a config that differ from their defaults and can change a result, as JSON values."""
    kept: dict[str, Any] = {}
    values: Mapping[str, Any] = config.model_dump(mode="json")
    for name, info in type(config).model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("changes_results") is False:
            continue
        value, default = getattr(config, name), info.get_default(call_default_factory=True, validated_data={})
        if isinstance(value, BaseModel):
            inner = significant(value)
            if type(value) is not type(default):  # which kind it is, or that it is there, counts too
                inner = {"": type(value).__name__, **inner}
            if inner:
                kept[name] = inner
        elif value != default:
            kept[name] = values[name]
    return kept


def one_name(name: str, store: Path) -> str:
    """``name``, if it stays in its folder: a record may come from another machine."""
    if name in {"", ".", ".."} or "/" in name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        raise StoreError(f"{store}: a record names {name[:60]!r}, which is no name of a folder in it")
    return name
