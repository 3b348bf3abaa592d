"""relab: hyperparameter search and ablation for relation-extraction training methods."""

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relab.records import StudyStore

__all__ = ["run", "study"]

STORE = "relab-store"


def run(
    spec: "str | PathLike[str]",
    *,
    corpora: "Mapping[str, str | PathLike[str]] | None" = None,
    changes: Mapping[str, Any] | None = None,
    store: "str | PathLike[str]" = STORE,
    slots: int | None = None,
    failed: bool = False,
) -> "StudyStore":
    """Run a study, or go on with it: what ``relab sweep`` and ``relab ablate`` do.

    Args:
        spec: a file, or the name of a shipped spec.
        corpora: where corpora and vectors lie, by name (``--corpus``).
        changes: keys of the spec, dotted, and their values (``--set``).
        store: the folder with all trials and studies.
        slots: at most so many trials at once.
        failed: train again what has failed, and nothing else (``--failed``).

    Raises:
        RelabError: what a user can act on; see ``relab.errors``.
    """
    import json
    from pathlib import Path

    from relab.running.study import Options
    from relab.running.study import run as run_study
    from relab.spec import load

    given = {name: Path(path) for name, path in (corpora or {}).items()}
    texts = {name: json.dumps(value) for name, value in (changes or {}).items()}
    return run_study(load(str(spec), texts), Options(Path(store), given, slots, failed=failed)).study


def study(name: str, store: "str | PathLike[str]" = STORE) -> "StudyStore":
    """A study's records: ``study(name).frame()`` has one row per trial, ``.metrics()`` one per epoch.

    Raises:
        NotFound: with the studies that are there.
    """
    from pathlib import Path

    from relab.records import Store

    return Store(Path(store)).existing_study(name)
