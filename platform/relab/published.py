"""Numbers that papers print, and what of ours makes them: one YAML per paper in the shipped ``published`` folder."""

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from relab.errors import NotFound, SpecError
from relab.method import Config
from relab.spec.models import shipped_folders
from relab.spec.reading import meant, read

FOLDER = "published"


class Row(Config):
    """One system of a table."""

    system: str
    values: tuple[float, ...]
    """One per metric of the entry, in percent, as printed."""
    spread: tuple[float, ...] | None = None
    """What the table prints behind ±, one per metric."""
    runs: int | None = Field(None, ge=1)
    """Runs behind this row's numbers, where the entry's ``runs`` does not hold for it."""
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
    runs: int | None = Field(None, ge=1)
    """Runs behind a printed number; None where the paper does not say."""
    decimals: int = Field(ge=0)
    """Digits after the point of a printed value, in percent: a trailing zero is printed too."""
    settings: dict[str, Any]
    """Dotted fields of the method's config that a study needs for its scores to be of the same kind."""
    metrics: tuple[str, ...] = Field(min_length=1)
    """By our names, on the test split."""
    rows: tuple[Row, ...] = Field(min_length=1)
    remarks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _a_value_per_metric(self) -> Self:
        for row in self.rows:
            for what, values in (("values", row.values), ("spreads", row.spread)):
                if values is not None and len(values) != len(self.metrics):
                    raise ValueError(f"{row.system}: {len(values)} {what} for {len(self.metrics)} metrics")
            for value in (*row.values, *(row.spread or ())):
                if round(value, self.decimals) != value:
                    raise ValueError(f"{row.system}: {value} has more than {self.decimals} decimals")
        return self


class Exhibit(Config):
    """A table or figure of a paper's results, and what makes it here."""

    title: str
    specs: tuple[str, ...] = Field(min_length=1)
    """Shipped specs, a study each. A table's numbers are those of the entries that they cite."""
    pictures: tuple[str, ...] = ()
    """Of a figure that is drawn: the names of its pictures among those of each study (``relab.figures``)."""
    table: str | None = None
    """The table kept by the trials that has its content, where that is no score of the study."""
    weights: dict[str, str] = {}
    """Of specs that need an encoder's weights: the dotted field of the config that names them."""
    remarks: tuple[str, ...] = ()

    @property
    def numbers(self) -> bool:
        """Whether its content are scores: a table, and neither a picture nor a table that trials keep."""
        return not self.pictures and self.table is None

    @model_validator(mode="after")
    def _weights_of_its_specs(self) -> Self:
        if not set(self.weights) <= set(self.specs):
            raise ValueError("`weights` names a spec that is not among the specs")
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
    exhibits: dict[str, Exhibit]
    """All tables and figures of its results, by the names that ``relab reproduce`` takes."""
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


def exhibits() -> Mapping[str, Exhibit]:
    """All tables and figures of results, as ``paper/exhibit``."""
    return {f"{name}/{each}": found for name, paper in papers().items() for each, found in paper.exhibits.items()}


def find_exhibit(reference: str) -> Exhibit:
    """The table or figure that ``paper/exhibit`` names.

    Raises:
        NotFound: with the choices and the nearest match.
    """
    known = exhibits()
    if reference not in known:
        raise NotFound(f"no table or figure {reference!r}; {meant(reference, known)}; all: relab reproduce --list")
    return known[reference]
