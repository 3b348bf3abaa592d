"""Tables and figures of the papers by name: which studies make them, what these need, how far they are."""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from relab.corpora import Present, present
from relab.errors import NotFound, RequestError
from relab.fields import flatten, lookup
from relab.methods import find_method
from relab.published import Exhibit, find, find_exhibit
from relab.records import Store, StudyStore
from relab.spec import AblationSpec, Spec, load

if TYPE_CHECKING:
    from relab.running.study import Options

State = Literal["ran", "ran in part", "not run", "needs data", "needs weights"]

RESULTS_DEPEND_ON = ("corpus", "vectors", "preset", "base", "protocol", "folds", "components", "arms")
"""Keys of a spec in which a study may differ from the shipped one; other numbers of seeds are no difference."""


@dataclass(frozen=True)
class Part:
    """One study of a table or figure."""

    study: str
    """Of the store, named after its spec."""
    corpus: str
    vectors: str | None
    papers_corpus: str
    """Where the spec has another one in its place; else empty."""
    quoted: tuple[str, ...]
    """Systems of the table that nothing is trained for: their numbers are quoted alone."""
    state: State
    finished: int
    trials: int
    changed: tuple[str, ...]
    """Keys of the spec, dotted, that the study in the store has otherwise than the shipped one."""
    lacks: tuple[str, ...]
    """Of its corpus and vectors, those that are not here."""
    weights: str
    """What to do about an encoder's weights; empty where it needs none, or they are here."""


def sources(given: Mapping[str, Path]) -> dict[str, Present]:
    """All known corpora and word vectors by name, with what of them is there."""
    return {entry.source.name: entry for entry in present(given)}


def parts(exhibit: Exhibit, store: Store, there: Mapping[str, Present]) -> tuple[Part, ...]:
    """The studies of a table or figure, as the store and this machine have them.

    Args:
        exhibit: as the paper's file declares it.
        store: with or without these studies.
        there: ``sources()``.
    """
    return tuple(_part(load(name), exhibit.weights.get(name), store, there) for name in exhibit.specs)


def _part(spec: Spec, weights: str | None, store: Store, there: Mapping[str, Present]) -> Part:
    entry = find(spec.published)[1] if isinstance(spec, AblationSpec) and spec.published else None
    lacks = tuple(name for name in (spec.corpus.name, spec.vectors) if name and there[name].remedy)
    unloaded = "" if weights is None else missing_weights(weights, _setting(spec, weights))
    finished, trials, changed = _progress(spec, store.study(spec.name))
    state: State = "ran in part" if finished else "not run"
    if finished >= trials:
        state = "ran"
    elif lacks:
        state = "needs data"
    elif unloaded:
        state = "needs weights"
    return Part(
        study=spec.name,
        corpus=spec.corpus.name,
        vectors=spec.vectors,
        papers_corpus=entry.corpus if entry is not None and entry.corpus != spec.corpus.name else "",
        quoted=() if entry is None else tuple(row.system for row in entry.rows if row.arm is None),
        state=state,
        finished=finished,
        trials=trials,
        changed=changed,
        lacks=lacks,
        weights=unloaded,
    )


def _progress(spec: Spec, study: StudyStore) -> tuple[int, int, tuple[str, ...]]:
    """Finished trials, trials in all, and what the study has otherwise than its shipped spec."""
    shipped = spec.model_dump(mode="json", by_alias=True)
    try:
        described = study.description()
    except NotFound:
        return 0, _trials(shipped, len(spec.designed(find_method(spec.method)).arms)), ()
    frame = study.frame()
    finished = int((frame["state"] == "finished").sum()) if len(frame) else 0
    ran, meant = _written(described.spec), _written(shipped)
    changed = tuple(name for name in sorted({*ran, *meant}) if ran.get(name) != meant.get(name))
    return finished, _trials(described.spec, len(described.arms)), changed


def _written(spec: Mapping[str, Any]) -> dict[str, Any]:
    return dict(flatten({key: spec.get(key) for key in RESULTS_DEPEND_ON}))


def _trials(spec: Mapping[str, Any], arms: int) -> int:
    seeds = spec["seeds"]
    count = seeds["looks"][-1] if isinstance(seeds, Mapping) else len(seeds)
    return arms * int(count) * (spec["folds"] or 1)


def _setting(spec: Spec, name: str) -> str:
    method = find_method(spec.method)
    config = method.Config.model_validate(spec.settings(method))
    return str(lookup(config.model_dump(mode="json"), name))


def missing_weights(name: str, value: str) -> str:
    """What to do before an encoder can be loaded; empty if it is here.

    Args:
        name: the config's field.
        value: a folder, or a name on the hub.
    """
    if importlib.util.find_spec("transformers") is None:
        return "pip install 'relab[bert]'"
    if Path(value).is_dir():
        return ""
    try:
        kept = importlib.import_module("huggingface_hub").try_to_load_from_cache(value, "config.json")
    except ValueError:  # no name that the hub could have
        kept = None
    return "" if isinstance(kept, str) else f"--set {name}=FOLDER with {value}, which is else loaded from the hub"


@dataclass
class Reproduced:
    """What came of making a table or figure."""

    exhibit: Exhibit
    studies: list[StudyStore] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Studies that could not be run here, and why."""
    failed: int = 0
    """Trials."""
    interrupted: bool = False


def reproduce(
    reference: str, options: "Options", changes: Mapping[str, str] | None = None, seeds: int | None = None
) -> Reproduced:
    """Run the studies of a table or figure one after the other, or go on with them.

    What has no data or no weights here is left out; the others are run.

    Args:
        reference: ``paper/exhibit``.
        options: how to run.
        changes: ``--set`` settings of all the specs, dotted name to YAML text; that of an encoder's weights goes to
            those alone that need some.
        seeds: in place of the specs' own.

    Raises:
        NotFound: no such table or figure.
        RequestError: nothing makes it, or nothing of it can be run here, and why.
        SpecError: a setting that one of the specs cannot have.
    """
    from relab.running.study import run

    exhibit = find_exhibit(reference)
    specs = [load(name, settings_for(name, exhibit, changes or {}), seeds=seeds) for name in exhibit.specs]
    there, made = sources(options.given), Reproduced(exhibit)
    for spec in specs:
        corpus = there.get(spec.corpus.name)
        if corpus is not None and corpus.remedy:
            made.left_out[spec.name] = f"the corpus {spec.corpus.name!r} is not here.\n{corpus.remedy}"
            continue
        try:
            outcome = run(spec, options)
        except RequestError as error:
            made.left_out[spec.name] = str(error)
            continue
        made.studies.append(outcome.study)
        made.failed += outcome.failed
        if outcome.interrupted:
            made.interrupted = True
            break
    if not made.studies:
        reasons = "\n".join(f"{name}: {reason}" for name, reason in made.left_out.items())
        raise RequestError(f"nothing of {reference} can be run here.\n{reasons}")
    return made


def settings_for(spec: str, exhibit: Exhibit, changes: Mapping[str, str]) -> dict[str, str]:
    """The settings that are meant for one of the specs."""
    others: Sequence[str] = [name for other, name in exhibit.weights.items() if name != exhibit.weights.get(spec)]
    return {name: value for name, value in changes.items() if name.removeprefix("base.") not in others}
