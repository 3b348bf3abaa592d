"""Figures of a study for a page: metrics by epoch, scores by a setting, precision by recall, vectors on a plane."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from relab.figures import by_recall, by_setting, on_a_plane
from relab.figures.by_epoch import learning_curves
from relab.figures.by_recall import precision_recall
from relab.figures.by_setting import scores_by_setting
from relab.figures.drawing import INSTALL
from relab.figures.on_a_plane import vector_maps
from relab.records import StudyStore
from relab.report import figure_metrics

__all__ = ["INSTALL", "Picture", "learning_curves", "pictures", "precision_recall", "scores_by_setting", "vector_maps"]


@dataclass(frozen=True)
class Picture:
    """A figure that a study has."""

    name: str
    """For its file."""
    caption: str
    draw: Callable[[Path], None]


def pictures(study: StudyStore) -> list[Picture]:
    """Learning curves of the report's metrics, scores by a field that arms vary, and what the trials' tables show."""
    found = []
    for metric in figure_metrics(study):
        seen = "a point per seed, the LOWESS trend of each arm, its 95 % interval over the seeds."
        found.append(
            Picture(metric.replace("/", "-"), f"`{metric}` by epoch: {seen}", partial(learning_curves, study, metric))
        )
    for field in by_setting.series(study):
        caption = f"`{by_setting.metric_of(study)}` by `{field}`: the mean over the seeds, its 95 % interval."
        found.append(Picture(f"by-{field}", caption, partial(scores_by_setting, study, field)))
    for table in study.table_names():
        if table.endswith(by_recall.SUFFIX) and by_recall.seed_precisions(study.table(table)):
            split = table.removesuffix(by_recall.SUFFIX)
            seen = "the mean over the seeds of the precision where a recall is first reached, its 95 % interval."
            caption = f"Precision by recall on {split}: {seen}"
            found.append(Picture(table, caption, partial(precision_recall, study, table)))
        if table.endswith(on_a_plane.SUFFIX) and on_a_plane.panels(on_a_plane.first_seeds(study, table)):
            split = table.removesuffix(on_a_plane.SUFFIX)
            caption = f"Vectors of sentences on {split}: t-SNE, the first seed of each arm."
            found.append(Picture(table, caption, partial(vector_maps, study, table)))
    return found
