"""`relab plan`, `train`, `sweep` and `ablate`: from a spec to its results."""

import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from relab.cli.options import (
    DEFAULT_STORE,
    SUBMITTED,
    CorpusOption,
    JsonOption,
    SetOption,
    SlotsOption,
    SpecArgument,
    StoreOption,
    StudyOption,
    answer,
    pairs,
    paths,
    stand_by_claims,
)
from relab.errors import RelabError, RequestError
from relab.progress import standard_error
from relab.spec import AblationSpec, Spec, SweepSpec, TunedSpec, load

if TYPE_CHECKING:
    from relab.running.data import Data

TrialsOption = Annotated[
    int | None, typer.Option("--trials", min=1, help="Trials in all, those of earlier runs included.")
]
SeedsOption = Annotated[int | None, typer.Option("--seeds", min=1, help="Train every arm on seeds 0 to N-1.")]
GpusOption = Annotated[
    str | None, typer.Option("--gpus", metavar="N,N", help="Take these GPUs of this machine; else those not in use.")
]
WaitOption = Annotated[bool, typer.Option("--wait-for-gpus", help="Wait until they are free.")]
FailedOption = Annotated[bool, typer.Option("--failed", help="Train again what has failed, and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(plan)
    app.command()(train)
    app.command()(sweep)
    app.command()(ablate)


def plan(
    spec: SpecArgument,
    corpus: CorpusOption = None,
    changes: SetOption = None,
    trials: TrialsOption = None,
    seeds: SeedsOption = None,
    study: StudyOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show what a spec would train, and what of it is finished already. Trains nothing."""
    from relab.methods import find_method
    from relab.records import Store
    from relab.running.data import Data

    loaded = _load(spec, changes, trials=trials, seeds=seeds, study=study)
    method, records = find_method(loaded.method), Store(store)
    data = Data.of(loaded, method, records, paths(corpus))
    if not isinstance(loaded, TunedSpec):
        shown, rendered = _planned(loaded, data)
        answer(shown, rendered, as_json=as_json)
        return
    from relab.tuning import settle, standing

    searches = [standing(search, method, data.fingerprints(), records) for search in loaded.searches(method)]
    lines = [Text(str(search)) for search in searches]
    settled = settle(loaded, method, data.fingerprints(), records)
    if settled is None:
        arms, count = len(loaded.designed(method).arms), len(loaded.all_seeds)
        after = {"study": loaded.name, "trials": arms * count * len(data.fingerprints())}
        each = f"{arms} arms on {count} seeds" + (f" and {loaded.folds} folds" if loaded.folds else "")
        rendered = Text(f"{loaded.name}: {after['trials']} trials, {each}, once the search is done")
    else:
        after, rendered = _planned(settled, data)
    answer({"searches": [asdict(search) for search in searches], "ablation": after}, *lines, rendered, as_json=as_json)


def _planned(loaded: Spec, data: "Data") -> tuple[dict[str, Any], RenderableType]:
    """What one study would train, as data and for people."""
    from relab.estimate import dropped, estimate
    from relab.plan import plan as plan_trials
    from relab.report.standing import render_plan

    method, records, corpora = data.method, data.store, data.fingerprints()
    planned = plan_trials(loaded, method, corpora, records.finished())
    impossible = dict(loaded.designed(method).impossible)
    before = records.study(loaded.name)
    expected, gone = estimate(before, planned, loaded.method, set(corpora.values())), dropped(before, planned)
    shown = {
        "study": loaded.name,
        "trials": planned.frame().to_dicts(),
        "to_draw": planned.to_draw,
        "impossible": impossible,
        "dropped": gone,
        "expected": None if expected is None else asdict(expected),
    }
    return shown, render_plan(loaded, planned, impossible, expected, gone)


def train(
    spec: SpecArgument,
    corpus: CorpusOption = None,
    changes: SetOption = None,
    study: StudyOption = None,
    store: StoreOption = DEFAULT_STORE,
    here: Annotated[bool, typer.Option("--here", help="In this process, without Ray: for a debugger.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train one model: a spec's base configuration, its first seed."""
    from relab.running.single import train_one

    loaded = _load(spec, changes, study=study, single=True)
    console = standard_error()
    result = train_one(loaded, store, paths(corpus), console, here=here)
    scores = Text("\n".join(f"{name:28} {value:.4f}" for name, value in sorted(result.scores.items())))
    answer(result.model_dump(mode="json"), scores, as_json=as_json)


def sweep(
    spec: SpecArgument,
    corpus: CorpusOption = None,
    changes: SetOption = None,
    trials: TrialsOption = None,
    study: StudyOption = None,
    store: StoreOption = DEFAULT_STORE,
    slots: SlotsOption = None,
    gpus: GpusOption = None,
    wait_for_gpus: WaitOption = False,
    failed: FailedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search the hyperparameters of a method. Typed again it goes on; --trials 40 extends it."""
    loaded = sweep_spec(spec, changes, trials=trials, study=study)
    _run(loaded, corpus, store, slots, gpus=gpus, wait_for_gpus=wait_for_gpus, failed=failed, as_json=as_json)


def ablate(
    spec: SpecArgument,
    corpus: CorpusOption = None,
    changes: SetOption = None,
    seeds: SeedsOption = None,
    study: StudyOption = None,
    store: StoreOption = DEFAULT_STORE,
    slots: SlotsOption = None,
    gpus: GpusOption = None,
    wait_for_gpus: WaitOption = False,
    failed: FailedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take a method's components away one at a time, on every seed, and compare within the seed.

    A spec with a `space` as well is searched first; its arms are then trained with the best setting.
    """
    loaded = ablation_spec(spec, changes, seeds=seeds, study=study)
    _run(loaded, corpus, store, slots, gpus=gpus, wait_for_gpus=wait_for_gpus, failed=failed, as_json=as_json)


def sweep_spec(
    spec: str, changes: list[str] | None, *, trials: int | None, study: str | None, verb: str = "relab"
) -> SweepSpec:
    """The search that a command was given.

    Raises:
        RequestError: it is none, with the command for what it is, which begins with ``verb``.
    """
    loaded = _load(spec, changes, trials=trials, study=study)
    if not isinstance(loaded, SweepSpec):
        what = "searches for its arms" if isinstance(loaded, TunedSpec) else "has no `space` to search"
        raise RequestError(f"{spec} {what}; {_what_runs(loaded, spec, verb)}")
    return loaded


def ablation_spec(
    spec: str, changes: list[str] | None, *, seeds: int | None, study: str | None, verb: str = "relab"
) -> AblationSpec:
    """The ablation that a command was given.

    Raises:
        RequestError: it is none, with the command for what it is, which begins with ``verb``.
    """
    loaded = _load(spec, changes, seeds=seeds, study=study)
    if not isinstance(loaded, AblationSpec):
        raise RequestError(f"{spec} has no `design` of arms; {_what_runs(loaded, spec, verb)}")
    return loaded


def _what_runs(loaded: Spec, spec: str, verb: str) -> str:
    """The command for what a spec is."""
    match loaded:
        case SweepSpec():
            return f"a search runs with: {verb} sweep {spec}"
        case AblationSpec():
            return f"an ablation runs with: {verb} ablate {spec}"
        case _:
            return f"it trains one configuration: relab train {spec}"


def _load(spec: str, changes: list[str] | None, **direct: Any) -> Spec:
    return load(spec, pairs(changes, "--set"), **{name: value for name, value in direct.items() if value is not None})


def _run(
    spec: Spec,
    corpus: list[str] | None,
    store: Path,
    slots: int | None,
    *,
    gpus: str | None,
    wait_for_gpus: bool,
    failed: bool,
    as_json: bool,
) -> None:
    from relab.report.data import study_data
    from relab.report.forms import study_tables
    from relab.running.study import Options, run

    console = standard_error()
    named = tuple(filter(None, (gpus or "").split(",")))
    options = Options(
        store, paths(corpus), slots, failed=failed, gpus=named, wait_for_gpus=wait_for_gpus, console=console
    )
    outcome = run(spec, options)
    answer(study_data(outcome.study), *study_tables(outcome.study), as_json=as_json)
    again = "" if store == DEFAULT_STORE else f" --store {shlex.quote(str(store))}"
    here = SUBMITTED not in os.environ  # else `relab submit` says what comes next: the store is the cluster's
    if outcome.interrupted:
        where = f" Where it is: relab status {outcome.study.name}{again}" if here else ""
        console.print(f"\nInterrupted. The same command goes on from here.{where}", soft_wrap=True)
        raise typer.Exit(130)
    if here:
        console.print(
            f"\nCompare in MLflow:  relab ui {spec.name}{again}\nWrite the report:   relab report {spec.name}{again}",
            soft_wrap=True,
        )
    if outcome.failed:
        raise RelabError(
            f"{outcome.failed} of the trials failed; the same command tries them again, with --failed nothing else"
        )
    stand_by_claims(outcome.study)
