"""Numbers that papers print, quoted beside a study's own: one YAML per paper in the shipped ``published`` folder."""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

import polars as pl
from pydantic import Field, ValidationError, model_validator
from scipy import special

from relab.analysis import CONFIDENCE, by_seed
from relab.designs import FULL
from relab.errors import NotFound, SpecError
from relab.fields import lookup
from relab.method import Config
from relab.spec.models import shipped_folders
from relab.spec.reading import meant, read

if TYPE_CHECKING:
    from relab.records import StudyStore

FOLDER = "published"

PlaceOfOurs = Literal["inside", "above", "below", "one seed", "not comparable"]
"""Where our mean lies, seen from the interval that a printed number gives; or why that is not said."""


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


def differences(entry: Entry, spec: Mapping[str, Any], config: Mapping[str, Any], *, opened: bool = False) -> list[str]:
    """What keeps a study's scores from standing beside the printed ones, each as ``what: here / there``.

    Args:
        entry: the printed numbers.
        spec: the study's spec as recorded.
        config: the whole config of its full model.
        opened: whether its test split was opened by ``relab confirm``.
    """
    pairs = [
        ("corpus", spec["corpus"]["name"], entry.corpus),
        ("word vectors", spec["vectors"] or "none", entry.vectors),
        ("folds", spec["folds"] or "none", entry.folds or "none"),
        ("test split", "opened" if opened or spec["protocol"] == "paper" else "not opened", "opened"),
        *((name, _setting(config, name), value) for name, value in entry.settings.items()),
    ]
    return [f"{what}: {here} / {there}" for what, here, there in pairs if here != there]


def _setting(config: Mapping[str, Any], name: str) -> Any:
    try:
        return lookup(config, name)
    except KeyError:
        return "no such field"


def prediction_interval(
    ours: Sequence[float], printed: float, runs: int | None, decimals: int
) -> tuple[float, float] | None:
    """Where the mean of our seeds is expected in 95 of 100 cases if both sides do the same; None for one seed.

    printed ± (t·s·√(1/n_published + 1/n_ours) + half of the last printed digit), with Student's t at n_ours − 1 degrees
    of freedom and the standard deviation s of our seeds: theirs are taken to vary as ours do.

    Args:
        ours: one score per seed, folds averaged, in percent.
        printed: in percent.
        runs: behind the printed number; where the paper does not say, one, which makes the interval widest.
        decimals: digits after the point of the printed number.
    """
    if len(ours) < 2:
        return None
    quantile = float(special.stdtrit(len(ours) - 1, (1 + CONFIDENCE) / 2))
    error = statistics.stdev(ours) * math.sqrt(1 / (runs or 1) + 1 / len(ours))
    reach = quantile * error + 0.5 * 10.0**-decimals
    return printed - reach, printed + reach


@dataclass(frozen=True)
class Cell:
    """A printed number and ours, in percent."""

    metric: str
    """By the entry's name."""
    printed: float
    spread: float | None
    seeds: int
    mean: float | None
    """None where nothing of ours stands for it."""
    deviation: float | None
    """Between our seeds (n − 1); None for one seed."""
    expected: tuple[float, float] | None
    """The prediction interval of our mean; None for one seed, and where the study is not comparable."""
    verdict: PlaceOfOurs | None
    """None where nothing of ours stands for it."""


@dataclass(frozen=True)
class Line:
    """A system of the table, and our arm that stands for it."""

    system: str
    tools: bool
    arm: str | None
    runs: int | None
    """Behind the printed numbers; None where the paper does not say, and one is taken."""
    cells: tuple[Cell, ...]
    """One per metric of the entry."""


@dataclass(frozen=True)
class Beside:
    """A study beside the printed numbers that its spec cites."""

    paper: Paper
    entry: Entry
    apart: tuple[str, ...]
    """What keeps the scores apart, each as ``what: here / there``; no verdict is given unless it is empty."""
    lines: tuple[Line, ...]


def beside(study: "StudyStore", frame: pl.DataFrame) -> Beside | None:
    """A study beside the numbers that it cites; None if it cites none.

    Args:
        study: one that has been run, to its end or not.
        frame: ``StudyStore.frame()``.
    """
    described = study.description()
    if described.published is None:
        return None
    paper, entry = find(described.published)
    config = next((trial.config for trial in study.asked() if trial.arm == FULL), {})
    apart = tuple(differences(entry, described.spec, config, opened=study.confirmation() is not None))
    return Beside(paper, entry, apart, lines_beside(entry, frame, comparable=not apart))


def lines_beside(entry: Entry, frame: pl.DataFrame, *, comparable: bool) -> tuple[Line, ...]:
    """Each printed row beside our arm of the same system.

    Args:
        entry: the printed numbers.
        frame: ``StudyStore.frame()``.
        comparable: whether the study differs from the paper's in nothing that ``differences`` looks at.
    """
    scores = {metric: by_seed(frame, metric if "/" in metric else f"test/{metric}") for metric in entry.metrics}
    lines = []
    for row in entry.rows:
        runs = row.runs or entry.runs
        cells = []
        for place, (metric, printed) in enumerate(zip(entry.metrics, row.values, strict=True)):
            ours = [100 * score for score in scores[metric].get(row.arm or "", {}).values()]
            expected = prediction_interval(ours, printed, runs, entry.decimals) if comparable else None
            mean = statistics.fmean(ours) if ours else None
            cells.append(
                Cell(
                    metric=metric,
                    printed=printed,
                    spread=None if row.spread is None else row.spread[place],
                    seeds=len(ours),
                    mean=mean,
                    deviation=statistics.stdev(ours) if len(ours) > 1 else None,
                    expected=expected,
                    verdict=None if mean is None else _place(mean, expected) if comparable else "not comparable",
                )
            )
        lines.append(Line(row.system, row.tools, row.arm, runs, tuple(cells)))
    return tuple(lines)


def _place(mean: float, expected: tuple[float, float] | None) -> PlaceOfOurs:
    if expected is None:
        return "one seed"
    low, high = expected
    return "below" if mean < low else "above" if mean > high else "inside"
