"""`relab doctor`: what could go wrong here, each with its remedy."""

import importlib.metadata
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from relab.cli.options import DEFAULT_STORE, FromOption, JsonOption, StoreOption, answer
from relab.errors import RelabError, RequestError
from relab.spec import Spec, load

if TYPE_CHECKING:
    from relab.cluster.examination import Examination, Node

FREE_BYTES = 2 * 2**30
"""Below this much free space the doctor warns: a study of a thousand small trials takes about a gigabyte."""
CLOCK_SECONDS = 2.0
"""Clocks further apart than this make the times of records misleading."""


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


def doctor(
    spec: Annotated[
        str | None, typer.Argument(metavar="[SPEC]", help="With --cluster: can its trials be placed?")
    ] = None,
    cluster: Annotated[bool, typer.Option("--cluster", help="Look at the cluster that RAY_ADDRESS names.")] = False,
    there: FromOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Look at this machine: packages, processors, store, corpora, MLflow, Ray. Each finding names its remedy.

    With --cluster at a cluster: token, nodes, versions, store, clocks, disks, MLflow, and what only it has.
    """
    if (spec or there) and not cluster:
        raise RequestError("SPEC and --from go with --cluster; here, relab plan shows what a spec would train")
    checks: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _devices,
        _store,
        _corpora,
        _mlflow,
        _ray,
    )
    if cluster:
        findings = list(_cluster(store, there, None if spec is None else load(spec)))
    else:
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


def _cluster(store: Path, there: str | None, spec: Spec | None) -> Iterator[Finding]:
    from relab.cluster.jobs import Cluster
    from relab.cluster.parcel import LIMIT, parcel
    from relab.progress import standard_error

    cluster = Cluster()  # before whatever imports Ray: Ray reads then whether it is to show a token
    from relab.cluster.examination import Examination

    yield from _token(cluster.address)
    console = standard_error()
    with parcel(spec) as packed:
        state: Literal["good", "warning"] = "good" if 2 * packed.size < LIMIT else "warning"
        yield Finding("upload", state, f"{packed}; {LIMIT / 2**20:.0f} MiB at most")
        variables = {} if there is None else {"RELAB_STORE": there}
        log = cluster.ask("python -m relab.cluster examine", packed, console.print, name="doctor", variables=variables)
    yield from judge(Examination.of(log), spec, store)


def judge(found: "Examination", spec: Spec | None, store: Path) -> Iterator[Finding]:
    """What an examination of a cluster means, for a spec that is to run there and for the ``store`` at home."""
    yield from _versions(found.nodes)
    for node in found.nodes:
        yield from _node(node, found.store)
    for address in found.silent:
        yield Finding(f"node {address}", "bad", "does not answer", "ray status on the head says what is wrong with it")
    if found.mlflow_trouble:
        remedy = "studies run without it; `relab sync STUDY` after `relab pull STUDY` shows them at home"
        yield Finding("MLflow", "warning", f"{found.mlflow}: {found.mlflow_trouble}", remedy)
    else:
        yield Finding("MLflow", "good", found.mlflow)
    yield from _placement(found, spec)
    yield from _only_there(found, store)


def _token(address: str) -> Iterator[Finding]:
    """Whether the dashboard, which runs what it is sent, lets somebody in who has no token."""
    import requests

    if not address.startswith("http"):
        return
    try:
        refused = requests.get(f"{address}/api/jobs/", timeout=10).status_code in {401, 403}
    except requests.RequestException as error:
        raise RelabError(f"no cluster answers at {address}: {error}") from error
    if refused:
        yield Finding("token", "good", f"{address} refuses whoever has none")
    else:
        yield Finding(
            "token",
            "bad",
            f"whoever reaches {address} can run code on the cluster",
            "start Ray with RAY_AUTH_MODE=token on every node; `ray get-auth-token --generate` makes one",
        )


def _versions(nodes: "tuple[Node, ...]") -> Iterator[Finding]:
    made_with = Counter(node.environment.made_with for node in nodes)
    if len(made_with) > 1:
        usual = made_with.most_common(1)[0][0]
        others = [f"{n.host}: {n.environment.made_with}" for n in nodes if n.environment.made_with != usual]
        remedy = "`ray up cluster.yaml` installs requirements.lock on every node"
        yield Finding("versions", "bad", f"most have {usual}; {'; '.join(others)}", remedy)
    elif nodes:
        yield Finding("versions", "good", f"equal on {len(nodes)} nodes: {next(iter(made_with))}")
    if len({node.environment.code for node in nodes}) > 1:
        remedy = "a relab that is installed on a node comes before the job's: remove it from PYTHONPATH there"
        yield Finding("code", "bad", "the nodes run different code", remedy)


def _node(node: "Node", store: str) -> Iterator[Finding]:
    who = f"node {node.host}"
    if not node.sees_store:
        yield Finding(
            who, "bad", f"does not see {store} as the head does", "mount the shared folder there, at that path"
        )
    if abs(node.clock) > CLOCK_SECONDS:
        yield Finding(
            who, "warning", f"its clock is {node.clock:+.1f} s off the head's", "run an NTP client on every node"
        )
    for what, free in (("store", node.free_store), ("own disk", node.free_disk)):
        if node.sees_store and free < FREE_BYTES:
            yield Finding(who, "warning", f"{free / 2**30:.1f} GiB free on its {what}", "make room there")
    yield Finding(who, "good", f"{node.environment.device}, {node.free_disk / 2**30:.0f} GiB free on its own disk")


def _placement(found: "Examination", spec: Spec | None) -> Iterator[Finding]:
    from relab.cluster.capacity import KINDS, Capacity
    from relab.running.resources import slots

    now, most = (
        " and ".join(f"{amount:g} {kind}" for kind in KINDS if (amount := each.total(kind))) or "nothing for trials"
        for each in (Capacity(there=found.capacity.there), found.capacity)
    )
    yield Finding("resources", "good", now + ("" if now == most else f"; {most} with all workers"))
    if spec is None:
        return
    wanted = spec.resources
    try:
        count = slots(wanted, found.capacity).count
    except RequestError as error:
        yield Finding(spec.name, "bad", str(error), "change the spec's resources, or the cluster's node types")
        return
    each = " and ".join(f"{n:g} {name}" for name, n in (("CPU", wanted.cpus), ("GPU", wanted.gpus)) if n)
    workers = f"{wanted.workers} workers of " if wanted.workers > 1 else ""
    yield Finding(spec.name, "good", f"{count} trials at once, each {workers}{each}")


def _only_there(found: "Examination", store: Path) -> Iterator[Finding]:
    """What `ray down` would lose, unless the store's folder outlives the cluster."""
    from relab.records import Store

    here = Store(store).finished()
    for study, keys in found.finished.items():
        missing = len(set(keys) - here)
        if missing:
            found_there = f"{missing} of {len(keys)} finished trials are only on the cluster, in {found.store}"
            yield Finding(f"study {study}", "warning", found_there, f"before `ray down`: relab pull {study}")
        else:
            yield Finding(f"study {study}", "good", f"its {len(keys)} finished trials are here, too")
