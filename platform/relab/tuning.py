"""From the searches of a spec to the ablation around their winners: a function of the records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relab.analysis import best_parameters, search_ranking
from relab.method import Method
from relab.plan import Fold, revision
from relab.records import Store, StudyStore
from relab.search import sweep_source
from relab.sources import unfinished
from relab.spec import SettledSpec, SweepSpec, TunedSpec


def settle(
    spec: TunedSpec, method: Method[Any], corpora: Mapping[Fold | None, str], store: Store
) -> SettledSpec | None:
    """The ablation around the winners; None while one of the searches has trials left, or has no winner."""
    winners = {}
    for search in spec.searches(method):
        winners[search.name] = winner(search, method, corpora, store)
        if not winners[search.name]:
            return None
    return spec.settled(winners)


@dataclass(frozen=True)
class Standing:
    """How far one search is."""

    study: str
    fields: tuple[str, ...]
    """What it searches."""
    trials: int
    """Those of its budget."""
    ended: int
    winner: Mapping[str, Any]
    """Its best setting; empty until it is done."""

    def __str__(self) -> str:
        found = ", ".join(f"{name}={value}" for name, value in self.winner.items())
        best = f"; best with {found}" if found else ""
        return f"{self.study}: {self.ended}/{self.trials} trials over {', '.join(self.fields)}{best}"


def standing(search: SweepSpec, method: Method[Any], corpora: Mapping[Fold | None, str], store: Store) -> Standing:
    """How far a search is, by the records."""
    study, ended = store.study(search.name), 0
    if _is_of(study, search, method, corpora):
        ended = sum(store.result(trial.key) is not None or bool(store.failures(trial.key)) for trial in study.asked())
    found = winner(search, method, corpora, store)
    return Standing(search.name, tuple(search.space), search.points * len(corpora), ended, found)


def winner(
    search: SweepSpec, method: Method[Any], corpora: Mapping[Fold | None, str], store: Store
) -> Mapping[str, Any]:
    """The searched fields of a search's best setting; empty before all its trials have ended, or where all failed.

    A trial that failed counts as ended: a setting at which training diverges is none to go on with.
    """
    study = store.study(search.name)
    if not _is_of(study, search, method, corpora):
        return {}
    if next(unfinished(sweep_source(search, method, corpora, study), store), None) is not None:
        return {}
    return best_parameters(search_ranking(study.frame(), search.aim(method)))


def _is_of(study: StudyStore, search: SweepSpec, method: Method[Any], corpora: Mapping[Fold | None, str]) -> bool:
    """Whether a study of this name was run, and with this search."""
    return study.exists and study.description().revision == revision(search, method, corpora)
