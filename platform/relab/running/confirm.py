"""The one verb that opens the test split of a clean study: it scores the kept weights, once, and keeps the record."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
from relab.analysis import search_ranking
from relab.confirmation import OPENED, SCORES, Confirmation, ConfirmedScores, ConfirmedTrial, Opening
from relab.environment import environment
from relab.errors import RequestError, StoreError
from relab.method import Method, Objective
from relab.methods import find_method
from relab.plan import Fold, PlannedTrial, revision
from relab.prepared import Prepared
from relab.progress import label
from relab.records import Result, Store, StudyStore, write_once
from relab.running.data import Data
from relab.running.execute import weights_digest
from relab.sources import trial_source, unfinished
from relab.spec import Spec, restored
from relab.tracking import Tracker
from rich.console import Console


def confirm(
    study: StudyStore,
    given: Mapping[str, Path],
    console: Console,
    *,
    without_failed: bool = False,
    track: bool = True,
) -> Confirmation:
    """Score the test split with the weights of a study's finished trials, or find the record of it.

    Nothing is trained: a trial's weights are those that counted on dev. Of a search the best setting alone is scored.
    What is to be scored is recorded before the first score is there; after an interruption the rest is scored, and
    nothing else.

    Args:
        study: one that has been run.
        given: where corpora and vectors lie, by name.
        console: for progress.
        without_failed: open it although trials have failed, which the record then leaves out for good.
        track: show the scores in MLflow.

    Raises:
        RequestError: the protocol is ``paper``, trials are missing, or the data are not those of the study.
        StoreError: a driver runs the study, or weights are gone or changed.
    """
    found = study.confirmation()
    if found is not None and not found.missing:
        return found
    described = study.description()
    if described.protocol == "paper":
        raise RequestError(
            f"{study.name} has `protocol: paper`: its test split is open already, and its tables have the scores"
        )
    spec = restored(described.spec)
    method = find_method(spec.method)
    with study.lock():
        data = Data.of(spec, method, study.store, given)
        corpora = data.fingerprints()
        if revision(spec, method, corpora) != described.revision:
            raise RequestError(
                f"{study.name} was trained on other data, or with another version of {method.name}: {described.corpus}"
            )
        if found is not None and found.opening.revision != described.revision:
            raise RequestError(f"{study.name} has changed since its test split was opened: run the spec of that time")
        if found is None:
            failed = _ended(spec, method, corpora, study)
            if failed and not without_failed:
                shown = "; ".join(f"{label(trial)}: {study.store.failures(trial.key)[-1].kind}" for trial in failed)
                raise RequestError(
                    f"{len(failed)} trials of {study.name} have failed ({shown}). Train them first, or open the test "
                    "split --without-failed: the record will leave them out for good"
                )
            opening = _opening(study, data, described.revision, failed)
            _write(study.confirmation_folder / OPENED, opening)
            found = Confirmation(opening, {})
        torch.set_num_threads(max(1, int(spec.resources.cpus)))
        planned = {trial.key: trial for trial in study.asked()}
        with Tracker(study, console, enabled=track) as tracker:
            for number, trial in enumerate(found.missing, 1):
                console.print(f"{label(planned[trial.key])}  ({number}/{len(found.missing)})")
                _score(study, method, data, planned[trial.key])
            tracker.begin()
    return study.confirmation() or found


def not_covered(study: StudyStore, found: Confirmation) -> list[PlannedTrial]:
    """The finished trials that a study has got since its test split was opened; of a search, those of a new best."""
    covered = {trial.key for trial in found.opening.trials}
    return [trial for trial in _worth_scoring(study) if trial.key not in covered]


def _ended(
    spec: Spec, method: Method[Any], corpora: Mapping[Fold | None, str], study: StudyStore
) -> list[PlannedTrial]:
    """The failed trials of a study that is at its end; of a search none, which goes on without them.

    Raises:
        RequestError: it is not at its end.
    """
    left = sum(1 for _ in unfinished(trial_source(spec, method, corpora, study), study.store))
    if left:
        verb = {"sweep": "sweep", "ablation": "ablate", "training": "train"}[spec.kind]
        raise RequestError(
            f"{left} trials of {study.name} are still to be trained, and the test split stays shut until then: "
            f"relab {verb} SPEC goes on with them"
        )
    asked = study.asked() if spec.kind != "sweep" else []
    return [trial for trial in asked if study.store.result(trial.key) is None]


def _worth_scoring(study: StudyStore) -> list[PlannedTrial]:
    """The finished trials; of a search those of its best setting."""
    described, frame = study.description(), study.frame()
    if not len(frame):
        return []
    wanted = frame.filter(pl.col("state") == "finished")
    if described.kind == "sweep":
        ranking = search_ranking(frame, Objective(described.objective, described.mode))
        wanted = wanted.filter(pl.col("parameters") == ranking["parameters"][0]) if len(ranking) else wanted.clear()
    keys = set(wanted["key"])
    return list({trial.key: trial for trial in study.asked() if trial.key in keys}.values())


def _opening(study: StudyStore, data: Data, revision: str, failed: Iterable[PlannedTrial]) -> Opening:
    """What is about to be scored, with every part of it looked at.

    Raises:
        RequestError: nothing has finished, or a corpus without a test split.
        StoreError: weights are gone or changed.
    """
    confirmed = []
    for trial in _worth_scoring(study):
        if not data.variant(trial.fold).splits.get("test"):
            raise RequestError(f"{data.corpus.name} has no test split")
        result = _result(study.store, trial.key)
        folder = _weights(study.store, result)
        if not folder.is_dir():
            raise StoreError(f"the weights of {label(trial)} are gone from {folder}: the test split was not opened")
        if weights_digest(folder) != result.weights:
            raise StoreError(
                f"the weights of {label(trial)} in {folder} are not those of its record: the test split was not opened"
            )
        confirmed.append(
            ConfirmedTrial(
                key=trial.key,
                arm=trial.arm,
                seed=trial.seed,
                fold=None if trial.fold is None else trial.fold.index,
                corpus=trial.corpus,
                weights=result.weights,
            )
        )
    if not confirmed:
        raise RequestError(f"no trial of {study.name} has finished")
    return Opening(
        opened=time.time(),
        revision=revision,
        environment=environment(torch.device("cpu")),
        trials=tuple(confirmed),
        failed=tuple(trial.key for trial in failed),
        before=_open_before(study, {trial.corpus for trial in confirmed}),
    )


def _open_before(study: StudyStore, corpora: set[str]) -> tuple[str, ...]:
    """Other studies of the store that have scores on the test split of the same data."""
    found = []
    for other in study.store.studies():
        if other.name == study.name:
            continue
        known = other.confirmation()
        opened = {trial.corpus for trial in known.opening.trials} if known is not None else set()
        if other.description().protocol == "paper":
            opened |= {trial.corpus for trial in other.asked() if other.store.result(trial.key) is not None}
        if opened & corpora:
            found.append(other.name)
    return tuple(found)


def _score(study: StudyStore, method: Method[Any], data: Data, trial: PlannedTrial) -> None:
    """Score one trial; its tables first, so that scores are there only with their tables."""
    split = Prepared.load(Path(data.prepared(trial))).split("test")
    config = method.Config.model_validate(trial.config)
    scores = method.evaluate(config, split, _weights(study.store, _result(study.store, trial.key)))
    folder = study.confirmation_folder / trial.key
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in scores.tables.items():
        table.write_parquet(folder / f"test_{name}.parquet")
    _write(folder / SCORES, ConfirmedScores(scores={f"test/{name}": value for name, value in scores.metrics.items()}))


def _write(path: Path, record: Opening | ConfirmedScores) -> None:
    write_once(path, record.model_dump_json(indent=1).encode())


def _result(store: Store, key: str) -> Result:
    found = store.result(key)
    if found is None:
        raise StoreError(f"the result of {key} is gone from {store.trial(key)}")
    return found


def _weights(store: Store, result: Result) -> Path:
    """The checkpoint whose weights count: of the report marked best, else the last."""
    return store.trial(result.key) / "checkpoint" / ("last" if result.best is None else "best")
