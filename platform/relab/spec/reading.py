"""YAML with line numbers: where each key stands, so that every mistake can be shown in its place."""

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from relab.errors import NotFound, SpecError
from relab.fields import nested
from relab.spec.models import shipped_folders

Location = tuple[str | int, ...]

LARGEST = 100_000
"""Values of a spec: a few lines of aliases of aliases stand for more than any machine can hold."""
LONGEST = 1_000
"""Characters of one mistake in a message."""


class _Loader(yaml.SafeLoader):
    """YAML as people read it: ``off``, ``on``, ``yes``, ``no`` and dates are text, and ``1e-3`` is a number."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            if isinstance(node, yaml.ScalarNode):
                node.value.encode()  # half a surrogate pair, which no record can hold
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:  # PyYAML's own, for ``0x_`` and ``!!int x``
            problem = f"{str(node.value)[:60]!r} is not what its form or its tag says"
            raise ConstructorError(None, None, problem, node.start_mark) from error


_REPLACED = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "timestamp")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in _REPLACED]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


@dataclass
class Problems:
    """The mistakes found so far; all of them are shown together."""

    source: "Source"
    lines: list[tuple[int, str]] = field(default_factory=list)

    def add(self, location: Location, message: str) -> None:
        """A mistake at ``location`` (keys from the top of the document)."""
        name = ".".join(str(part) for part in location)
        line, place = self.source.place(location)
        entry = (line, _shown(f"{place}: {name}: {message}" if name else f"{place}: {message}"))
        if entry not in self.lines:
            self.lines.append(entry)

    def raise_any(self) -> None:
        """One SpecError with every mistake, in the order of the file."""
        if self.lines:
            count = len(self.lines)
            head = f"{self.source.name} has {count} mistake{'s' if count > 1 else ''}:"
            raise SpecError("\n  ".join([head, *(text for _, text in sorted(self.lines))]))


@dataclass
class Source:
    """A spec as read: its values, the line of each key, and the dotted names that the command line set."""

    name: str
    values: dict[str, Any]
    marks: dict[Location, int]
    overridden: set[str] = field(default_factory=set)

    def place(self, location: Location) -> tuple[int, str]:
        """The line of a key, or of the nearest key around it; ``--set`` for what the command line gave."""
        name = ".".join(map(str, location))
        given = any(f"{name}.".startswith(f"{other}.") for other in self.overridden)
        inside = (
            location and location not in self.marks and any(other.startswith(f"{name}.") for other in self.overridden)
        )
        if given or inside:
            return 0, "--set"
        for length in range(len(location), -1, -1):
            if location[:length] in self.marks:
                line = self.marks[location[:length]]
                return line, f"{self.name}:{line}"
        return 1, f"{self.name}:1"


def _shown(text: str) -> str:
    """``text`` for a terminal, which obeys none of it: signs that are not printed as Python writes them, and cut."""
    shown = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text[:LONGEST])
    return shown if len(text) <= LONGEST else f"{shown}…"


def meant(wrong: str, choices: Iterable[str]) -> str:
    """``choices …; did you mean …`` for a name that is not among them."""
    known = sorted(choices)
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    shown = ", ".join(known) if len(known) <= 14 else f"{', '.join(known[:14])}, … ({len(known)} in all)"
    return f"choices: {shown or 'none'}" + (f"; did you mean {near[0]!r}?" if near else "")


def find_spec(argument: str) -> Path:
    """A path if it exists, else the shipped spec of that name.

    Raises:
        NotFound: with the nearest match and the choices.
    """
    path = Path(argument)
    if path.is_file():
        return path
    shipped = {file.stem: file for folder in shipped_folders() for file in sorted(folder.glob("*.yaml"))}
    if path.stem in shipped and path.suffix in {"", ".yaml"} and path.parent.name in {"", *_folder_names()}:
        return shipped[path.stem]
    raise NotFound(f"no spec {argument!r}: neither a file nor the name of a shipped one; {meant(argument, shipped)}")


def _folder_names() -> set[str]:
    return {folder.name for folder in shipped_folders()}


def read(path: Path) -> Source:
    """Parse a spec file; a key that stands twice, or a document that is no mapping, is a mistake."""
    source = Source(str(path), {}, {(): 1})
    problems = Problems(source)
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_Loader)
        if not isinstance(node, yaml.MappingNode):
            problems.add((), "a spec is a mapping of keys to values")
        else:
            _mark(node, (), source.marks, problems, (), itertools.count())
        problems.raise_any()
        source.values = yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 at byte {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise SpecError(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or error}") from error
    except RecursionError as error:
        raise SpecError(f"{path}: nested too deeply") from error
    return source


def _mark(
    node: yaml.Node,
    at: Location,
    marks: dict[Location, int],
    problems: Problems,
    around: tuple[yaml.Node, ...],
    counted: Iterator[int],
) -> None:
    if any(node is other for other in around):
        problems.add(at, "contains itself")
        return
    if next(counted) > LARGEST:
        raise SpecError(f"{problems.source.name}: more than {LARGEST:,} values with its aliases written out")
    around = (*around, node)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            here = (*at, name)
            marks[here] = key.start_mark.line + 1
            if name in seen:
                problems.add(here, "stands twice")
            seen.add(name)
            _mark(value, here, marks, problems, around, counted)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            marks[*at, index] = value.start_mark.line + 1
            _mark(value, (*at, index), marks, problems, around, counted)


def change(source: Source, changes: Mapping[str, str], keys: Iterable[str]) -> None:
    """Lay ``--set a.b=value`` over a spec; a name that is no key of specs is a field of the method's config.

    Raises:
        SpecError: a value that is not YAML.
    """
    known = set(keys)
    for name, text in changes.items():
        try:
            value = yaml.load(text, Loader=_Loader)
        except (yaml.YAMLError, RecursionError) as error:
            raise SpecError(f"--set {name}={text}: the value is not YAML") from error
        head = name.partition(".")[0]
        put(source, name if head in known else f"base.{name}", value)


def put(source: Source, name: str, value: Any) -> None:
    """Set one dotted key of the spec, from the command line. Keys of ``base`` and ``space`` stay dotted inside."""
    head, _, rest = name.partition(".")
    source.overridden.add(name)
    if not rest:
        source.values[head] = value
        return
    inner = source.values.get(head)
    if head in {"base", "space"}:
        kept = dict(inner) if isinstance(inner, Mapping) else {}
        source.values[head] = {**(nested(kept) if head == "base" else kept), **_dotted(kept, head, rest, value)}
        return
    target = source.values
    parts = name.split(".")
    for part in parts[:-1]:
        child = target.get(part)
        target[part] = dict(child) if isinstance(child, Mapping) else {}
        target = target[part]
    target[parts[-1]] = value


def _dotted(kept: Mapping[str, Any], head: str, rest: str, value: Any) -> dict[str, Any]:
    from relab.fields import overlay

    return {rest: value} if head == "space" else overlay(kept, {rest: value})
