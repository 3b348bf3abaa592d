"""`relab reproduce`: the papers' tables and figures by name, ours beside the printed numbers."""

import importlib.util
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from relab.cli.options import (
    DEFAULT_STORE,
    CorpusOption,
    JsonOption,
    SetOption,
    SlotsOption,
    StoreOption,
    answer,
    pairs,
    paths,
    stand_by_claims,
)
from relab.cli.study import SeedsOption
from relab.errors import RelabError, RequestError
from relab.progress import standard_error

if TYPE_CHECKING:
    from relab.beside import Beside
    from relab.corpora import Present
    from relab.published import Exhibit
    from relab.records import StudyStore
    from relab.reproduce import Part

STYLES = {"ran": "green", "ran in part": "yellow", "needs data": "red", "needs weights": "red"}
"""Of the states."""

SHOWN = 5
"""Rows of a kept table that the terminal shows, a line for each of their cells; its file has them all."""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(reproduce)


def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="PAPER/EXHIBIT", help="wu2017/table2, ye2019/figure3, …: --list has all.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show every table and figure, and what each needs.")] = False,
    corpus: CorpusOption = None,
    changes: SetOption = None,
    seeds: SeedsOption = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where figures and kept tables are written.")
    ] = Path(),
    store: StoreOption = DEFAULT_STORE,
    slots: SlotsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a table or figure of a paper anew, ours beside the printed numbers. Typed again it goes on.

    What has no data here is left out. A verdict is given where corpus, folds, vectors and settings are the paper's.
    """
    if listed:
        if name is not None:
            raise RequestError("--list shows all tables and figures: leave the name out")
        _list(store, paths(corpus), as_json)
    elif name is None:
        raise RequestError("name a table or figure, wu2017/table2 for one; all of them: relab reproduce --list")
    else:
        _make(name, paths(corpus), pairs(changes, "--set"), seeds, output, store, slots, as_json)


def _list(store: Path, given: Mapping[str, Path], as_json: bool) -> None:
    from relab.published import exhibits
    from relab.records import Store
    from relab.reproduce import parts, sources

    there, records = sources(given), Store(store)
    found = {name: (exhibit, parts(exhibit, records, there)) for name, exhibit in exhibits().items()}
    used = {name for _, each in found.values() for part in each for name in (part.corpus, part.vectors) if name}
    papers = {part.papers_corpus for _, each in found.values() for part in each if part.papers_corpus}
    places = {name: (_where(there[name]), there[name].remedy) for name in sorted(used | papers)}
    data = {
        "exhibits": [
            {"name": name, "title": exhibit.title, "remarks": exhibit.remarks}
            | {"parts": [asdict(part) for part in each]}
            for name, (exhibit, each) in found.items()
        ],
        "data": {name: {"where": where, "remedy": remedy} for name, (where, remedy) in places.items()},
    }
    shown: list[RenderableType] = []
    for name, (exhibit, each) in found.items():
        shown += [Text.assemble((name, "bold"), f"  {exhibit.title}"), _parts(exhibit, each)]
    where = _rows()
    for name, (place, remedy) in places.items():
        if place or name in used:
            where.add_row(name, Text(place or remedy, style="" if place else "red"))
    answer(data, *shown, Text("\nData", style="bold"), where, as_json=as_json)


def _parts(exhibit: "Exhibit", parts: tuple["Part", ...]) -> Table:
    rows = _rows()
    for part in parts:
        text = Text.assemble((part.state, STYLES.get(part.state, "")))
        text.append(f", {part.finished} of {part.trials} trials" if part.finished else "")
        text.append(f", with other {', '.join(part.changed)}" if part.changed else "")
        text.append(f": {part.weights}" if part.state == "needs weights" else "")
        text.append(f": {', '.join(part.lacks)}" if part.state == "needs data" else "")
        instead = f" in place of {part.papers_corpus}" if part.papers_corpus else ""
        quoted = f"; quoted rows: {len(part.quoted)}" if part.quoted and exhibit.numbers else ""
        text.append(f"; on {part.corpus}{instead}{quoted}", style="dim")
        rows.add_row(f"  {part.study}", text)
    return rows


def _rows() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)


def _where(entry: "Present") -> str:
    """Where a source's files lie; empty where it has to be obtained first."""
    return "" if entry.remedy else str(entry.where or "generated")


def _make(
    name: str,
    given: Mapping[str, Path],
    changes: Mapping[str, str],
    seeds: int | None,
    output: Path,
    store: Path,
    slots: int | None,
    as_json: bool,
) -> None:
    from relab.beside import beside
    from relab.figures import INSTALL
    from relab.published import find_exhibit
    from relab.report.beside import published_blocks
    from relab.report.terminal import render
    from relab.reproduce import reproduce as run_studies
    from relab.running.study import Options

    if find_exhibit(name).pictures and importlib.util.find_spec("matplotlib") is None:
        raise RequestError(f"{name} is drawn with matplotlib: {INSTALL}")
    console = standard_error()
    made = run_studies(name, Options(store, given, slots, console=console), changes, seeds)
    answers, shown, absent = [], list[RenderableType](), []
    for study in made.studies:
        found, files = beside(study, study.frame()), []
        if made.exhibit.numbers:
            shown += [] if found is None else [*render(published_blocks(found)), Text()]
        else:
            drawn = _drawn(name, made.exhibit, study, output)
            apart = () if found is None else found.apart
            here = [Text(f"Not the paper's (here / there): {'; '.join(apart)}.")] if apart else []
            for kept, piece in drawn.items():
                if piece is None:
                    absent.append(f"{study.name} has no {kept} so far")
                else:
                    files.append(piece[0])
                    shown += [piece[1], *here, Text(f"written: {piece[0]}"), Text()]
        answers.append({"study": study.name, "published": _data(found), "files": [str(file) for file in files]})
    shown += [Text(f"note: {remark}", style="dim") for remark in made.exhibit.remarks]
    answer({"exhibit": name, "studies": answers, "left_out": made.left_out}, *shown, as_json=as_json)
    for left_out, reason in made.left_out.items():
        console.print(f"\nleft out: {left_out}: {reason}", soft_wrap=True, markup=False)
    again = "" if store == DEFAULT_STORE else f" --store {shlex.quote(str(store))}"
    if made.interrupted:
        console.print("\nInterrupted. The same command goes on from here.")
        raise typer.Exit(130)
    reports = [f"relab report {study.name}{again}" for study in made.studies]
    console.print("\nThe whole report:  " + "\n                   ".join(reports), soft_wrap=True, markup=False)
    if made.failed:
        raise RelabError(f"{made.failed} of the trials failed; the same command tries them again")
    if absent:
        raise RelabError("; ".join(absent))
    for study in made.studies:
        stand_by_claims(study)


def _drawn(
    name: str, exhibit: "Exhibit", study: "StudyStore", output: Path
) -> dict[str, tuple[Path, RenderableType] | None]:
    """Write a figure's pictures, or a kept table; each file, and what the terminal shows. None for what is absent."""
    stem = output / (name.replace("/", "_") + (f"-{study.name}" if len(exhibit.specs) > 1 else ""))
    output.mkdir(parents=True, exist_ok=True)
    if exhibit.table is not None:
        frame = study.table(exhibit.table).drop("key", strict=False)
        if not len(frame):
            return {exhibit.table: None}
        file = stem.with_name(f"{stem.name}.csv")
        frame.write_csv(file)
        rows = Table.grid(padding=(0, 2, 0, 0))
        for row in frame.head(SHOWN).iter_rows(named=True):  # a line per cell: a sentence is wider than a column
            for column, value in row.items():
                if value is not None:
                    rows.add_row(Text(column, style="dim"), Text(str(value)))
            rows.add_row()
        return {exhibit.table: (file, rows)}
    from relab.figures import pictures

    there = {picture.name: picture for picture in pictures(study)}
    drawn: dict[str, tuple[Path, RenderableType] | None] = dict.fromkeys(exhibit.pictures)
    for wanted in set(there) & set(exhibit.pictures):
        file = stem.with_name(stem.name + (f"-{wanted}" if len(exhibit.pictures) > 1 else "") + ".png")
        there[wanted].draw(file)
        drawn[wanted] = file, Text(there[wanted].caption)
    return drawn


def _data(found: "Beside | None") -> dict[str, Any] | None:
    if found is None:
        return None
    about = {"paper": found.paper.paper, "title": found.entry.title, "differences": found.apart}
    return about | {"rows": [asdict(line) for line in found.lines]}
