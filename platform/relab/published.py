"""Numbers that papers print, quoted beside a study's own: one YAML per paper in the shipped ``published`` folder."""

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from relab.errors import NotFound, SpecError
from relab.fields import lookup
from relab.method import Config
from relab.spec.models import shipped_folders
from relab.spec.reading import meant, read

FOLDER = "published"


class Row(Config):
    """One system of a table."""

    system: str
    values: tuple[float, ...]
    """One per metric of the entry, in percent, as printed."""
    tools: bool = False
    """Whether the system uses features of external NLP tools."""
    arm: str | None = None
    """The arm of our study that stands for the same system."""


class Entry(Config):
    """The part of a table that one study is about."""

    title: str
    corpus: str
    evaluation: str
    """The paper's word for how predictions are matched."""
    vectors: str
    """Its word vectors: our name for them, or what the paper says."""
    folds: int | None = None
    """Of its cross-validation; None for one split."""
    runs: int | None = None
    """Runs behind a printed number; None where the paper does not say."""
    settings: dict[str, Any]
    """Dotted fields of the method's config that a study needs for its scores to be of the same kind."""
    metrics: tuple[str, ...] = Field(min_length=1)
    """By our names, on the test split."""
    rows: tuple[Row, ...] = Field(min_length=1)
    remarks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _a_value_per_metric(self) -> Self:
        for row in self.rows:
            if len(row.values) != len(self.metrics):
                raise ValueError(f"{row.system}: {len(row.values)} values for {len(self.metrics)} metrics")
        return self


class Paper(Config):
    """A paper, and what of its tables is quoted."""

    paper: str
    cite: str
    """Authors and year, for a heading."""
    url: str
    table: str
    remarks: tuple[str, ...] = ()
    """True of all entries."""
    entries: dict[str, Entry]


@functools.cache
def papers() -> Mapping[str, Paper]:
    """All shipped papers by file name, read once.

    Raises:
        SpecError: a file that is not of this form.
    """
    found: dict[str, Paper] = {}
    for folder in shipped_folders():
        for file in sorted((folder / FOLDER).glob("*.yaml")):
            try:
                found[file.stem] = Paper.model_validate(read(file).values)
            except ValidationError as error:
                first = error.errors()[0]
                raise SpecError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return MappingProxyType(found)


def names() -> tuple[str, ...]:
    """What ``published`` in a spec may say: ``paper/entry``."""
    return tuple(f"{name}/{entry}" for name, paper in papers().items() for entry in paper.entries)


def find(reference: str) -> tuple[Paper, Entry]:
    """The numbers that ``paper/entry`` names.

    Raises:
        NotFound: with the choices and the nearest match.
    """
    if reference not in names():
        raise NotFound(f"no published numbers {reference!r}; {meant(reference, names())}")
    name, _, entry = reference.partition("/")
    return papers()[name], papers()[name].entries[entry]


def differences(entry: Entry, spec: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """What keeps a study's scores from standing beside the printed ones, each as ``what: here / there``.

    Args:
        entry: the printed numbers.
        spec: the study's spec as recorded.
        config: the whole config of its full model.
    """
    pairs = [
        ("corpus", spec["corpus"]["name"], entry.corpus),
        ("word vectors", spec["vectors"] or "none", entry.vectors),
        ("folds", spec["folds"] or "none", entry.folds or "none"),
        ("test split", "opened" if spec["protocol"] == "paper" else "not opened", "opened"),
        *((name, _setting(config, name), value) for name, value in entry.settings.items()),
    ]
    return [f"{what}: {here} / {there}" for what, here, there in pairs if here != there]


def _setting(config: Mapping[str, Any], name: str) -> Any:
    try:
        return lookup(config, name)
    except KeyError:
        return "no such field"
