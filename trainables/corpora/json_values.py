"""Values of corpora in JSON, checked when they are taken out; a ValueError says what is wrong with an item."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relab.errors import DataError

from trainables.corpora.problems import decode
from trainables.corpora.sentences import Span


def json_list(data: bytes, path: Path, what: str) -> list[Any]:
    """The list that is all of a file; ``what`` its items are, and ``path``, are only for messages.

    Raises:
        DataError: not UTF-8, not JSON, or not a list.
    """
    values = json_file(data, path)
    if not isinstance(values, list):
        raise DataError(f"{path}: not a list of {what}")
    return values


def json_file(data: bytes, path: Path) -> Any:
    """What a file holds; ``path`` is only for messages.

    Raises:
        DataError: not UTF-8, or not JSON.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8: byte 0x{data[error.start]:02x} at place {error.start + 1}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, no key of which stands twice: Python would take the last of them and say nothing."""
    values = dict(pairs)
    if len(values) < len(pairs):
        key = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise ValueError(f"the key {key[:60]!r} stands twice")
    return values


def json_object(line: bytes) -> dict[str, Any]:
    """The object that is all of a line."""
    text, broken = decode(line)
    if broken:
        raise ValueError(broken)
    if not text.strip():
        raise ValueError("a blank line")
    try:
        values = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at place {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not JSON: nested too deeply") from error
    return mapping(values)


def mapping(values: object) -> dict[str, Any]:
    """``values``, if it is an object."""
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    return values


def value(values: Mapping[str, Any], key: str, kind: type) -> Any:
    """The value under ``key``, which is of this kind; true is no number."""
    if key not in values:
        raise ValueError(f"no {key!r}")
    found = values[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise ValueError(f"{key}: a {type(found).__name__}, not a {kind.__name__}")
    return found


def words(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The list of texts under ``key``, none of them empty."""
    found = value(values, key, list)
    if not all(isinstance(word, str) and word for word in found):
        raise ValueError(f"{key}: not a list of words")
    return tuple(found)


def span(values: Mapping[str, Any], key: str) -> Span:
    """The two numbers under ``key``, as they stand."""
    found = value(values, key, list)
    if len(found) != 2 or not all(type(end) is int for end in found):
        raise ValueError(f"{key}: {json.dumps(found)[:60]} is not two whole numbers")
    return found[0], found[1]
