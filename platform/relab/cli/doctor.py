"""`relab doctor`: what could go wrong here, each with its remedy."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer
from rich.table import Table
from rich.text import Text

from relab.cli.options import DEFAULT_STORE, JsonOption, StoreOption, answer

FREE_BYTES = 2 * 2**30
"""Below this much free space the doctor warns: a study of a thousand small trials takes about a gigabyte."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    subject: str
    state: Literal["good", "warning", "bad"]
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(doctor)


def doctor(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Look at this machine: packages, processors, store, corpora, MLflow, Ray. Each finding names its remedy."""
    checks: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _devices,
        _store,
        _corpora,
        _mlflow,
        _ray,
    )
    findings = [finding for check in checks for finding in check(store)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    style = {"good": "green", "warning": "yellow", "bad": "red"}
    for finding in findings:
        text = Text(finding.found)
        if finding.remedy:
            text.append(f"\n{finding.remedy}", style="dim")
        table.add_row(Text(finding.state, style=style[finding.state]), finding.subject, text)
    answer({"findings": [vars(finding) for finding in findings]}, table, as_json=as_json)
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)


def _python(store: Path) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding("Python", "good" if good else "bad", version, "" if good else "relab needs Python 3.11 or newer")


def _packages(store: Path) -> Iterator[Finding]:
    from packaging.requirements import Requirement

    wrong = []
    for line in importlib.metadata.requires("relab") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if version.partition("+")[0] not in requirement.specifier:
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    remedy = "pip install --upgrade relab" if wrong else ""
    yield Finding("packages", "bad" if wrong else "good", "; ".join(wrong) or "all within their bounds", remedy)


def _devices(store: Path) -> Iterator[Finding]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("processors", "good", f"{cores} cores, torch {torch.__version__}")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            yield Finding(
                "GPU",
                "good",
                f"{index}: {torch.cuda.get_device_name(index)}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free",
            )
    else:
        yield Finding("GPU", "good", "none that torch can use; trials train on processors")


def _store(store: Path) -> Iterator[Finding]:
    from relab.errors import StoreError
    from relab.records import Store

    try:
        store.mkdir(parents=True, exist_ok=True)
        (store / ".doctor").write_text("")
        (store / ".doctor").unlink()
    except OSError as error:
        yield Finding("store", "bad", f"{store}: {error.strerror}", "choose another folder with --store or RELAB_STORE")
        return
    free = shutil.disk_usage(store).free
    yield Finding(
        "store",
        "good" if free > FREE_BYTES else "warning",
        f"{store.resolve()}, {free / 2**30:.1f} GiB free",
        "" if free > FREE_BYTES else "make room, or choose another folder with --store",
    )
    for study in Store(store).studies():
        try:
            study.frame()
        except StoreError as error:
            yield Finding(
                f"study {study.name}",
                "bad",
                str(error),
                "remove the file that is named; the same command trains that trial again",
            )
        holder = study.holder()
        if holder is not None:
            yield Finding(f"study {study.name}", "good", f"is being run: {holder}")


def _corpora(store: Path) -> Iterator[Finding]:
    from relab.corpora import data_folder, present

    folder = data_folder()
    if folder is not None and not folder.is_dir():
        yield Finding(
            "corpora", "bad", f"RELAB_DATA={folder} is no folder", "set RELAB_DATA to the folder with the corpora"
        )
        return
    found = [entry.source.name for entry in present({}) if entry.where is not None]
    yield Finding(
        "corpora",
        "good",
        ", ".join(found) or "none under RELAB_DATA; generated ones need no files",
        "" if found else "relab list corpora",
    )


def _mlflow(store: Path) -> Iterator[Finding]:
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri is None:
        yield Finding("MLflow", "good", "a database beside the store")
        return
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        yield Finding(
            "MLflow",
            "warning",
            f"{uri}: {str(error).splitlines()[0]}",
            "studies run without it; `relab sync STUDY` brings it up to date later",
        )
        return
    yield Finding("MLflow", "good", uri)


def _ray(store: Path) -> Iterator[Finding]:
    address = os.environ.get("RAY_ADDRESS")
    yield Finding("Ray", "good", f"joins {address}" if address else "starts on this machine when a study runs")
