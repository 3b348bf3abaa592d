"""Figures of a study for a page: differences by arm, scores by trial, epoch, setting and recall, vectors on a plane."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from relab.comparison import headline
from relab.figures import by_arm, by_phase, by_recall, by_setting, by_trial, on_a_plane
from relab.figures.by_arm import differences
from relab.figures.by_epoch import learning_curves, metrics_by_epoch
from relab.figures.by_recall import precision_recall
from relab.figures.by_setting import scores_by_setting
from relab.figures.by_trial import search_history
from relab.figures.drawing import INSTALL
from relab.figures.on_a_plane import vector_maps
from relab.records import StudyStore

__all__ = [
    "INSTALL",
    "Picture",
    "differences",
    "learning_curves",
    "metrics_by_epoch",
    "pictures",
    "precision_recall",
    "scores_by_setting",
    "search_history",
    "vector_maps",
]


@dataclass(frozen=True)
class Picture:
    """A figure that a study has."""

    name: str
    """For its file."""
    caption: str
    draw: Callable[[Path], None]


def pictures(study: StudyStore) -> list[Picture]:
    """A search's history; of arms their differences, learning curves, scores by a field that they vary, and tables."""
    described = study.description()
    if described.kind == "sweep":
        caption = f"`{described.objective}` by trial: each finished setting, and the best so far."
        return [Picture("search", caption, partial(search_history, study))] if len(by_trial.history(study)[0]) else []
    found, frame = [], study.frame()
    shown = headline(described, frame)
    if by_arm.compared(described, frame):
        seen = "within the seed, with their 95 % intervals; round and blue: settled by Holm-adjusted p."
        found.append(Picture("differences", f"Differences in `{shown}`: {seen}", partial(differences, study)))
    for metric in metrics_by_epoch(study):
        seen = "a point per seed, the LOWESS trend of each arm, its 95 % interval over the seeds."
        found.append(
            Picture(metric.replace("/", "-"), f"`{metric}` by epoch: {seen}", partial(learning_curves, study, metric))
        )
    for field in by_setting.series(study, frame):
        caption = f"`{shown}` by `{field}`: the mean over the seeds, its 95 % interval."
        found.append(Picture(f"by-{field}", caption, partial(scores_by_setting, study, field)))
    for table in study.table_names():
        if table.endswith(by_recall.SUFFIX):
            if by_recall.seed_precisions(study.table(table)):
                split = table.removesuffix(by_recall.SUFFIX)
                seen = "the mean over the seeds of the precision where a recall is first reached, its 95 % interval."
                caption = f"Precision by recall on {split}: {seen}"
                found.append(Picture(table, caption, partial(precision_recall, study, table)))
        elif table.endswith(on_a_plane.SUFFIX):
            if on_a_plane.panels(on_a_plane.first_seeds(study, table)):
                split = table.removesuffix(on_a_plane.SUFFIX)
                caption = f"Vectors of sentences on {split}: t-SNE, the first seed of each arm."
                found.append(Picture(table, caption, partial(vector_maps, study, table)))
        elif phases := _phases(study, table):
            found.append(phases)
    return found


def _phases(study: StudyStore, table: str) -> Picture | None:
    """The picture of a table by phase, if it is one."""
    frame = study.table(table)
    if set(frame.columns) >= by_phase.HISTOGRAM and len(by_phase.first_seed(frame)):
        caption = f"`{table}` by phase: the full model's first seed, all relations but NA, clean sentences and noise."
        return Picture(table, caption, partial(by_phase.histograms, study, table))
    if by_phase.lines(frame):
        caption = f"`{table}` by phase: the full model's mean over the seeds, its 95 % interval."
        return Picture(table, caption, partial(by_phase.by_phase, study, table))
    return None
