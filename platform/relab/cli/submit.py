"""`relab submit`, `jobs`, `logs`, `stop` and `pull`: a study on a cluster, left, rejoined and brought home."""

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from relab.cli.options import (
    DEFAULT_STORE,
    SUBMITTED,
    FromOption,
    JsonOption,
    SetOption,
    SlotsOption,
    SpecArgument,
    StoreOption,
    StudyOption,
    answer,
    pairs,
)
from relab.cli.study import FailedOption, SeedsOption, TrialsOption, ablation_spec, sweep_spec
from relab.errors import RelabError, RequestError
from relab.progress import standard_error
from relab.spec import Spec

if TYPE_CHECKING:
    from relab.cluster.jobs import Cluster, Job

ThereOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="PATH", help="The store's folder on the cluster; its nodes' RELAB_STORE if not given."
    ),
]
TravellingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--corpus",
        metavar="NAME=PATH",
        help="A path that is here travels, once; any other is the cluster's. Repeatable.",
    ),
]
StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="The name of a study that was submitted.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, help="Run a sweep or an ablation on a cluster, and follow it.")
    group.command()(sweep)
    group.command()(ablate)
    app.add_typer(group, name="submit")
    app.command()(jobs)
    app.command()(logs)
    app.command()(stop)
    app.command()(pull)


def sweep(
    spec: SpecArgument,
    corpus: TravellingOption = None,
    changes: SetOption = None,
    trials: TrialsOption = None,
    study: StudyOption = None,
    store: ThereOption = None,
    slots: SlotsOption = None,
    failed: FailedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search on the cluster that RAY_ADDRESS names. Typed again it goes on, or rejoins the job that runs."""
    loaded = sweep_spec(spec, changes, trials=trials, study=study, verb="relab submit")
    options = _options(changes, slots, failed=failed, trials=trials)
    _submit("sweep", spec, loaded, options, corpus, store, as_json=as_json)


def ablate(
    spec: SpecArgument,
    corpus: TravellingOption = None,
    changes: SetOption = None,
    seeds: SeedsOption = None,
    study: StudyOption = None,
    store: ThereOption = None,
    slots: SlotsOption = None,
    failed: FailedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ablate on the cluster that RAY_ADDRESS names. Typed again it goes on, or rejoins the job that runs."""
    loaded = ablation_spec(spec, changes, seeds=seeds, study=study, verb="relab submit")
    options = _options(changes, slots, failed=failed, seeds=seeds)
    _submit("ablate", spec, loaded, options, corpus, store, as_json=as_json)


def jobs(as_json: JsonOption = False) -> None:
    """List the jobs of studies on the cluster, the newest first."""
    from relab.cluster.jobs import Cluster

    found = Cluster().jobs()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("study", "verb", "state", "began"):
        table.add_column(column, overflow="fold")
    for job in found:
        table.add_row(job.study, job.verb, job.state.lower(), _moment(job.began))
    answer({"jobs": [vars(job) for job in found]}, table if found else Text("no jobs"), as_json=as_json)


def logs(study: StudyArgument, as_json: JsonOption = False) -> None:
    """Follow the newest job of a study, from its first line to its end; Ctrl-C leaves it."""
    from relab.cluster.jobs import Cluster

    cluster = Cluster()
    _follow(cluster, cluster.newest(study), as_json=as_json)


def stop(study: StudyArgument) -> None:
    """End the job of a study in order: its finished trials stay, the same command goes on with it."""
    from relab.cluster.jobs import Cluster

    cluster = Cluster()
    job = cluster.newest(study)
    if job.ended:
        raise RequestError(f"the newest job of {study} has ended already: {job.state.lower()}")
    cluster.stop(job)
    standard_error().print(f"{study} is told to end. Where it is: relab jobs", soft_wrap=True)


def pull(
    study: StudyArgument,
    weights: Annotated[bool, typer.Option("--weights", help="The weights too, which `relab confirm` scores.")] = False,
    there: FromOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Bring a study's records home from the cluster, into the store here; what is here already does not travel."""
    from relab.cluster.jobs import Cluster
    from relab.cluster.parcel import parcel
    from relab.cluster.results import unpack
    from relab.records import Store

    home, console = Store(store), standard_error()
    have = [key for key in home.finished() if not weights or (home.trial(key) / "checkpoint").exists()]
    with parcel() as packed:
        _ask(packed.folder, study=study, have=sorted(have), weights=weights)
        log = Cluster().ask(
            "python -m relab.cluster pack", packed, console.print, name=f"pull-{study}", variables=_there(there)
        )
    pulled = unpack(log.splitlines(), home, study)
    words = f"{study}: {pulled.trials} trials with a result are in {home.root}, {pulled.files} files are new"
    answer({"study": study, "trials": pulled.trials, "files": pulled.files}, Text(words), as_json=as_json)
    console.print(
        f"\nWrite the report:  relab report {study}\nCompare in MLflow:  relab sync {study}; relab ui {study}"
    )


def _submit(
    verb: str,
    argument: str,
    spec: Spec,
    options: list[str],
    corpus: list[str] | None,
    store: str | None,
    *,
    as_json: bool,
) -> None:
    from relab.cluster.jobs import STUDY, VERB, Cluster, mlflow_variables
    from relab.cluster.parcel import parcel
    from relab.spec.reading import find_spec

    console, file = standard_error(), find_spec(argument)
    variables = {**mlflow_variables(), **_there(store), "COLUMNS": str(console.width), SUBMITTED: "1"}
    with parcel(spec, file) as packed:
        console.print(f"to send: {packed}, {file.name}", soft_wrap=True)
        cluster = Cluster()
        running = next((job for job in cluster.jobs() if job.study == spec.name and not job.ended), None)
        if running is not None:
            console.print(f"{spec.name} is being run by {running.name}, begun {_moment(running.began)}: rejoined")
            _follow(cluster, running, as_json=as_json)
            return
        options = [*options, *_travel(cluster, corpus, store, console)]
        command = f"python -m relab {verb} {shlex.quote(file.name)} --study {spec.name} {' '.join(options)}"
        metadata = {STUDY: spec.name, VERB: verb}
        job = cluster.submit(
            command, packed, console.print, name=f"{spec.name}-{verb}", metadata=metadata, variables=variables
        )
    console.print(f"submitted as {job.name}; Ctrl-C leaves it, and `relab logs {spec.name}` rejoins it", soft_wrap=True)
    _follow(cluster, job, as_json=as_json)


def _travel(cluster: "Cluster", corpus: list[str] | None, store: str | None, console: Console) -> list[str]:
    """The ``--corpus`` options of the job, and before it a job for each corpus that has to travel."""
    from relab.cluster.corpora import enclose, place
    from relab.cluster.parcel import parcel

    options = []
    for name, value in pairs(corpus, "--corpus").items():
        path = Path(value).expanduser().resolve()
        if not path.exists():
            options.append(f"--corpus {shlex.quote(f'{name}={value}')}")
            continue
        where = place(name, path)
        options.append(f'--corpus {shlex.quote(name)}="$RELAB_STORE"/{shlex.quote(where)}')
        done = f"{store or '$RELAB_STORE'}/{where}"
        if not cluster.was_done(done):
            console.print(f"{name} travels: {path}", soft_wrap=True)
            with parcel() as packed:
                enclose(path, packed.folder)
                _ask(packed.folder, place=where)
                keep = "python -m relab.cluster keep"
                cluster.ask(keep, packed, console.print, name=f"corpus-{name}", variables=_there(store), done=done)
    return options


def _follow(cluster: "Cluster", job: "Job", *, as_json: bool) -> None:
    console = standard_error()

    def show(lines: str) -> None:
        print(lines, end="", flush=True, file=console.file if as_json else None)

    try:
        ended = cluster.follow(job, show, lambda text: console.print(text, soft_wrap=True))
    except KeyboardInterrupt:
        console.print(
            f"\nLeft; the job goes on. Rejoin it: relab logs {job.study}   End it: relab stop {job.study}",
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    if as_json:
        answer(vars(ended), as_json=True)
    if ended.state == "STOPPED":
        raise RelabError(f"{job.study} was stopped; the same command goes on with it")
    if ended.state == "FAILED":
        console.print(f"relab: {job.study} on the cluster: {ended.message}", soft_wrap=True)
        raise typer.Exit(ended.exit_code if ended.exit_code in {1, 2, 3} else 1)
    console.print(f"\nBring the results home:  relab pull {job.study}", soft_wrap=True)


def _options(changes: list[str] | None, slots: int | None, *, failed: bool, **direct: int | None) -> list[str]:
    options = [f"--set {shlex.quote(change)}" for change in changes or ()]
    options += [f"--{name} {value}" for name, value in {**direct, "slots": slots}.items() if value is not None]
    return [*options, *(["--failed"] if failed else [])]


def _there(store: str | None) -> dict[str, str]:
    return {} if store is None else {"RELAB_STORE": store}


def _ask(folder: Path, **asked: Any) -> None:
    from relab.cluster.__main__ import ASKED

    (folder / ASKED).write_text(json.dumps(asked), encoding="utf-8")


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "not yet"
