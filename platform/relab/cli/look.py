"""`relab list`, `status`, `report`, `sync` and `ui`: what is there, and how it went."""

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from relab.cli.options import DEFAULT_STORE, CorpusOption, JsonOption, StoreOption, answer, paths, stand_by_claims
from relab.errors import RelabError, RequestError
from relab.progress import standard_error

if TYPE_CHECKING:
    from relab.records import StudyStore
    from relab.report.blocks import Drawing

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="The name of a study: its spec's file name by default.")
]


MLFLOW_PORT, DASHBOARD_PORT = 5000, 8265
"""Where `cluster.yaml` starts MLflow, and Ray its dashboard, on the loopback address of the head."""


class Listed(StrEnum):
    """What ``relab list`` can show."""

    methods = "methods"
    corpora = "corpora"
    specs = "specs"
    studies = "studies"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("list")(list_things)
    app.command()(status)
    app.command()(report)
    app.command()(sync)
    app.command()(ui)


def list_things(
    what: Annotated[Listed, typer.Argument(help="What to list.")],
    corpus: CorpusOption = None,
    fetch: Annotated[str | None, typer.Option(metavar="NAME", help="Download a public corpus into RELAB_DATA.")] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List methods, corpora, shipped specs, or the studies of the store."""
    if fetch is not None:
        if what is not Listed.corpora:
            raise RequestError("--fetch goes with `relab list corpora`")
        _fetch(fetch)
    rows = {Listed.methods: _methods, Listed.specs: _specs}.get(what, lambda: [])()
    if what is Listed.corpora:
        rows = _corpora(paths(corpus))
    if what is Listed.studies:
        rows = _studies(store)
    shown = _blocks(rows) if what in {Listed.methods, Listed.corpora} else _table(rows)
    answer({what.value: rows}, shown, as_json=as_json)


def status(study: StudyArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Show how far a study is, and who is running it."""
    from relab.records import Store
    from relab.report.standing import render_status

    found = Store(store).existing_study(study)
    frame = found.frame()
    counts = dict(frame["state"].value_counts().rows())
    holder = found.holder()
    data = {"study": study, "states": counts, "driver": None if holder is None else str(holder)}
    answer(data, render_status(found, frame, holder), as_json=as_json)


def report(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="One study, or several side by side.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write: .html, .md, or .tex for its table alone.")
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="Draw figures beside a Markdown report; HTML carries them anyway.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Write the report of studies: HTML, Markdown, or a table in LaTeX by the file's name; else Markdown to read."""
    from relab.records import Store
    from relab.report.data import study_data

    if figures and output is None:
        raise RequestError("--figures draws beside the report: name its file with -o report.md")
    found = [Store(store).existing_study(name) for name in studies]
    text = _written(found, output, figures)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        standard_error().print(f"written: {output}", soft_wrap=True)
    if as_json:
        answer(study_data(found[0]) if len(found) == 1 else {"studies": list(map(study_data, found))}, as_json=True)
    elif output is None:
        print(text)
    for study in found:
        stand_by_claims(study)


def sync(study: StudyArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Bring MLflow up to date with a study's records, from nothing if need be."""
    from relab.records import Store
    from relab.tracking import sync as sync_view

    counts = sync_view(Store(store), Store(store).existing_study(study).name)
    answer({"study": study, "runs": counts}, Text(f"{study}: {counts} runs in MLflow"), as_json=as_json)


def ui(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Open at this study's runs.")] = None,
    port: Annotated[int, typer.Option(help="Port on this machine's loopback address.")] = 5000,
    cluster: Annotated[
        Path | None, typer.Option("--cluster", metavar="FILE", help="The cluster that `ray up FILE` has started.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Serve MLflow's pages for the store, on this machine only, until Ctrl-C.

    With --cluster bring those of the cluster's MLflow here, and its dashboard, which relab submit speaks to.
    """
    from relab.records import Store
    from relab.tracking import experiment_url, tracking_uri

    console = standard_error()
    if cluster is not None:
        ports = [option for each in (MLFLOW_PORT, DASHBOARD_PORT) for option in ("--port-forward", str(each))]
        ray = shutil.which("ray", path=str(Path(sys.executable).parent)) or "ray"
        console.print(
            f"MLflow: http://127.0.0.1:{MLFLOW_PORT}   Ray: http://127.0.0.1:{DASHBOARD_PORT}   (Ctrl-C ends it)"
        )
        raise typer.Exit(subprocess.call([ray, "exec", str(cluster), *ports, "sleep infinity"]))
    records = Store(store)
    uri = os.environ.get("MLFLOW_TRACKING_URI", tracking_uri(records))
    if uri.startswith("http"):
        console.print(f"MLflow is at {experiment_url(uri, records, study)}", soft_wrap=True)
        return
    mlflow = shutil.which("mlflow", path=str(Path(sys.executable).parent)) or "mlflow"
    console.print(
        f"MLflow: {experiment_url(f'http://127.0.0.1:{port}', records, study)}   (Ctrl-C ends it)", soft_wrap=True
    )
    server = [
        mlflow,
        "server",
        "--backend-store-uri",
        uri,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    raise typer.Exit(subprocess.call(server))


def _written(studies: "list[StudyStore]", output: Path | None, figures: bool) -> str:
    """The report in the form that its file's name asks for."""
    from relab.report.forms import html, markdown
    from relab.report.paper import latex

    form = ".md" if output is None else output.suffix
    match form:
        case ".html":
            return html(*studies, figures=[_carried(study) for study in studies])
        case ".tex":
            return "\n".join(latex(study) for study in studies)
        case ".md":
            drawn = [_beside(study, output, len(studies) > 1) for study in studies] if figures and output else []
            return markdown(*studies, figures=drawn)
        case _:
            raise RequestError(f"{output}: a report is written as .html, .md or .tex")


def _beside(study: "StudyStore", report: Path, several: bool) -> "list[Drawing]":
    """Draw what a study has to show into files beside its report."""
    from relab.figures import pictures
    from relab.report.blocks import Drawing

    drawn = []
    report.parent.mkdir(parents=True, exist_ok=True)
    for picture in pictures(study):
        file = report.with_name("-".join([report.stem, *([study.name] if several else []), picture.name]) + ".png")
        picture.draw(file)
        standard_error().print(f"written: {file}", soft_wrap=True)
        drawn.append(Drawing(file.name, picture.caption))
    return drawn


def _carried(study: "StudyStore") -> "list[Drawing]":
    """Draw what a study has to show into the report itself; without matplotlib a report has no figures, and says so."""
    from relab.figures import pictures
    from relab.report.blocks import Drawing

    drawn = []
    with tempfile.TemporaryDirectory() as folder:
        for picture in pictures(study):
            file = Path(folder) / "figure.svg"
            try:
                picture.draw(file)
            except RelabError as error:
                standard_error().print(f"no figures: {error}", soft_wrap=True)
                return []
            content = base64.b64encode(file.read_bytes()).decode()
            drawn.append(Drawing(f"data:image/svg+xml;base64,{content}", picture.caption))
    return drawn


def _methods() -> list[dict[str, Any]]:
    from relab.methods import find_method, method_names

    rows = []
    for name in method_names():
        method = find_method(name)
        rows.append(
            {
                "method": name,
                "what": method.title,
                "components": ", ".join(c.name for c in method.components),
                "presets": ", ".join(method.presets),
            }
        )
    return rows


def _corpora(given: dict[str, Path]) -> list[dict[str, Any]]:
    from relab.corpora import CorpusSource, present

    rows = []
    for entry in present(given):
        source = entry.source
        where = str(entry.where) if entry.where else "generated" if getattr(source, "generated", False) else "not here"
        rows.append(
            {
                "name": source.name,
                "kind": source.shape if isinstance(source, CorpusSource) else "word vectors",
                "where": where,
                "licence": source.licence,
                "what": source.title,
                "obtain": entry.remedy,
            }
        )
    return rows


def _specs() -> list[dict[str, Any]]:
    from relab.spec import shipped_specs

    return [{"spec": name, "what": comment} for name, comment in shipped_specs()]


def _studies(store: Path) -> list[dict[str, Any]]:
    from relab.records import Store

    return [
        {"study": study.name, **dict(sorted(study.frame()["state"].value_counts().rows()))}
        for study in Store(store).studies()
    ]


def _fetch(name: str) -> None:
    from relab.corpora import data_folder
    from relab.fetch import fetch

    folder = data_folder()
    if folder is None:
        raise RequestError("set RELAB_DATA to the folder that corpora are to be kept in, then fetch again")
    fetch(name, folder, standard_error())


def _blocks(rows: list[dict[str, Any]]) -> RenderableType:
    """A heading per row with its other cells below: for cells as long as sentences."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for row in rows:
        (_, name), *others = row.items()
        table.add_row(Text(str(name), style="bold"), "")
        for key, value in others:
            if value:
                table.add_row(Text(f"  {key}", style="dim"), str(value))
    return table


def _table(rows: list[dict[str, Any]]) -> Table | Text:
    if not rows:
        return Text("nothing here")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    return table
