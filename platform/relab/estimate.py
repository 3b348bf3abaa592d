"""What is left of a study is expected to take, from what its trials, or others like them, have taken before."""

import statistics
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass

from relab.plan import SWEEP, Plan, PlannedTrial
from relab.records import Result, StudyStore

SAMPLE = 20
"""Folders that are measured; their sizes differ little."""


@dataclass(frozen=True)
class Estimate:
    """Of the trials that have no result yet."""

    trials: int
    seconds: float
    """Of training, added up; so many slots, so much sooner."""
    peak_memory: int
    """Bytes, of the largest trial like them: its process, or the device's where it used one."""
    disk: int
    """Bytes of their folders: checkpoints, metrics, tables."""
    known: int
    """Finished trials that this rests on."""
    own: bool
    """Whether these are the study's; else those of other studies with the same method on the same corpus."""


def estimate(study: StudyStore, plan: Plan, method: str, corpora: Container[str]) -> Estimate | None:
    """What is left of a plan; None when nothing is left, or before anything like it was trained.

    Args:
        study: the plan's, run before or not.
        plan: of any kind; of a search, what it has drawn so far counts as its own.
        method: whose trials are like the plan's.
        corpora: on data with these fingerprints.
    """
    own = _finished([study], method, corpora)
    planned = {trial.key for trial in plan.trials}
    drawn = sum(result.key not in planned for result in own[SWEEP])
    left = [trial.arm for trial in plan.trials if trial.key not in plan.finished]
    left += [SWEEP] * (plan.to_draw - drawn)
    found = own if any(own.values()) else _finished(study.store.studies(), method, corpora)
    everything = [result for results in found.values() for result in results]
    if not left or not everything:
        return None
    by_arm = {arm: statistics.median(result.seconds for result in results) for arm, results in found.items() if results}
    anything = statistics.median(result.seconds for result in everything)
    sizes = [_size(study, result.key) for result in everything[:SAMPLE]]
    return Estimate(
        trials=len(left),
        seconds=sum(by_arm.get(arm, anything) for arm in left),
        peak_memory=max(result.peak_memory for result in everything),
        disk=round(statistics.median(sizes) * len(left)),
        known=len(everything),
        own=found is own,
    )


def dropped(study: StudyStore, plan: Plan) -> int:
    """Finished trials of an ablation as it was last run that its spec has no use for any more; their results stay."""
    planned = {trial.key for trial in plan.trials}
    if plan.to_draw:
        return 0
    return sum(trial.key not in planned and study.store.result(trial.key) is not None for trial in _asked(study))


def _asked(study: StudyStore) -> list[PlannedTrial]:
    return study.asked() if study.exists else []


def _finished(studies: Iterable[StudyStore], method: str, corpora: Container[str]) -> dict[str, list[Result]]:
    """The finished trials of some studies with one method on some corpora, by arm."""
    found: dict[str, list[Result]] = defaultdict(list)
    for study in studies:
        for trial in _asked(study):
            if trial.method == method and trial.corpus in corpora:
                result = study.store.result(trial.key)
                if result is not None and result.state == "finished":
                    found[trial.arm].append(result)
    return found


def _size(study: StudyStore, key: str) -> int:
    return sum(path.stat().st_size for path in study.store.trial(key).rglob("*") if path.is_file())
