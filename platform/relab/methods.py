"""Finding a training method: by its entry point, or as ``package.module:Class``."""

import difflib
import functools
import importlib
from importlib.metadata import entry_points
from typing import Any

from relab.errors import NotFound
from relab.method import Method

GROUP = "relab.trainables"


def method_names() -> tuple[str, ...]:
    """The names of all installed methods."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


@functools.cache
def find_method(name: str) -> Method[Any]:
    """The method called ``name``.

    Raises:
        NotFound: with the nearest match and the choices.
    """
    targets = {point.name: point.value for point in entry_points(group=GROUP)}
    module, colon, attribute = targets.get(name, name).partition(":")
    if not colon:
        near = difflib.get_close_matches(name, targets, n=1, cutoff=0.5)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        raise NotFound(f"no method {name!r}{meant} Known: {', '.join(sorted(targets))}, or package.module:Class.")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise NotFound(f"the method {name!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise NotFound(f"{name!r} is no class of a method")
    return found()
