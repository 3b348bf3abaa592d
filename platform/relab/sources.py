"""Where a study's trials come from, and which of them have not ended yet."""

from collections.abc import Iterator, Mapping
from typing import Any

from relab.adaptive import AdaptiveSource
from relab.designs import FULL
from relab.method import Method
from relab.plan import Fold, PlannedTrial, plan
from relab.records import Store, StudyStore
from relab.search import ListSource, Source, sweep_source
from relab.spec import AblationSpec, Spec, SweepSpec


def trial_source(spec: Spec, method: Method[Any], corpora: Mapping[Fold | None, str], study: StudyStore) -> Source:
    """The trials of a study in the order in which they are trained, gone on with where its records end."""
    if isinstance(spec, SweepSpec):
        return sweep_source(spec, method, corpora, study)
    trials = plan(spec, method, corpora).trials
    if isinstance(spec, AblationSpec) and spec.looks:
        against = {arm.name: arm.against for arm in spec.designed(method).arms if arm.against != FULL}
        return AdaptiveSource(trials, spec.looks, spec.aim(method).metric, against)
    return ListSource(trials)


def unfinished(source: Source, store: Store) -> Iterator[PlannedTrial]:
    """The trials of a source that have neither a result nor a failure, as far as they are known without training any.

    Nothing at all means that the study is at its end: every trial that it would ask for has ended.
    """
    while (trial := source.next()) is not None:
        failures = store.failures(trial.key)
        record = store.result(trial.key) or (failures[-1] if failures else None)
        if record is None:
            yield trial
        else:
            source.ended(trial, record)
