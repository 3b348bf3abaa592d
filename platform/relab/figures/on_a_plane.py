"""Vectors of sentences on a plane by t-SNE, as in Figure 4 of Wang et al. (2018)."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl

from relab.designs import FULL
from relab.errors import RequestError
from relab.figures.drawing import COLOURS, LINE, Matrix, canvas, finish, needed, plain
from relab.records import StudyStore

SUFFIX = "_vectors"
"""In the names of the tables that are vectors, ``test_vectors``: a row per sentence and encoder, with its ``language``,
its ``space`` (``individual`` or ``consistent``) and its ``vector``, a list of numbers."""

POINTS = 300
"""Of each language and space, evenly from the table: more would cover each other."""

PERPLEXITY = 30.0
"""Of t-SNE, van der Maaten & Hinton's (2008) recommended 5 to 50; the paper does not print its own."""

ACROSS, SIDE = 3, 2.3
"""Panels in a row; inches of each."""


@dataclass(frozen=True)
class Panel:
    """Groups of vectors to lay on one plane."""

    title: str
    groups: dict[tuple[str, str], Matrix]
    """By language and space: [vectors, width]."""


def vector_maps(study: StudyStore, table: str, path: Path) -> None:
    """Draw t-SNE maps of each arm's first seed: both encoders on one language, then each arm's languages together.

    Args:
        study: one whose trials keep vectors.
        table: as kept, ``test_vectors``.
        path: the file to write; its suffix gives the format.

    Raises:
        RelabError: matplotlib or scikit-learn is not installed, or the file cannot be written.
        RequestError: no trial has finished with such a table, or it has nothing to compare.
    """
    drawn = panels(first_seeds(study, table))
    if not drawn:
        raise RequestError(f"{study.name} has no {table!r} with two encoders or two languages to compare")
    rows = math.ceil(len(drawn) / ACROSS)
    colours: dict[tuple[str, str], str] = {}
    for panel in drawn:
        for group in panel.groups:
            colours.setdefault(group, COLOURS[(len(colours) + 1) % len(COLOURS)])
    figure = canvas(SIDE * min(ACROSS, len(drawn)), SIDE * rows + LINE * (len(colours) + 1))
    labelled: set[tuple[str, str]] = set()
    for place, panel in enumerate(drawn):
        axes = figure.add_subplot(rows, min(ACROSS, len(drawn)), place + 1)
        for group, points in on_plane(panel.groups).items():
            label = None if group in labelled else plain(", ".join(group))
            axes.scatter(*points.T, s=3, color=colours[group], alpha=0.6, linewidths=0, label=label)
            labelled.add(group)
        axes.set_title(plain(panel.title), fontsize=8)
        axes.set(xticks=[], yticks=[])  # the directions and units of such a map mean nothing
    finish(figure, path)


def first_seeds(study: StudyStore, table: str) -> dict[str, pl.DataFrame]:
    """The table of each arm's first finished trial, the full model's first."""
    found: dict[str, pl.DataFrame] = {}
    for trial in study.asked():
        if trial.arm not in found:
            kept = study.store.table(trial.key, table)
            if kept is not None:
                found[trial.arm] = kept
    return {arm: found[arm] for arm in sorted(found, key=lambda arm: arm != FULL)}


def panels(tables: dict[str, pl.DataFrame]) -> list[Panel]:
    """What is compared: encoders on the first language of the first arm that has both, languages in each arm."""
    encoders: list[Panel] = []
    languages: list[Panel] = []
    for arm, table in tables.items():
        groups = {
            (str(language), str(space)): _vectors(rows)
            for (language, space), rows in table.group_by(["language", "space"], maintain_order=True)
        }
        first = {group: vectors for group, vectors in groups.items() if group[0] == next(iter(groups))[0]}
        shared = {group: vectors for group, vectors in groups.items() if group[1] == "consistent"}
        if len(first) > 1 and not encoders:
            encoders.append(Panel(f"{arm}: encoders", first))
        if len(shared) > 1:
            languages.append(Panel(f"{arm}: languages", shared))
    return encoders + languages


def on_plane(groups: dict[tuple[str, str], Matrix]) -> dict[tuple[str, str], Matrix]:
    """All groups on one t-SNE map: [vectors, 2] each. The same vectors give the same map, on one thread."""
    together = np.concatenate(list(groups.values()))
    perplexity = min(PERPLEXITY, (len(together) - 1) / 3)
    fit = needed("sklearn.manifold").TSNE(perplexity=perplexity, init="pca", random_state=0)
    with needed("threadpoolctl").threadpool_limits(limits=1):
        mapped = fit.fit_transform(together)
    ends = np.cumsum([len(vectors) for vectors in groups.values()])[:-1]
    return dict(zip(groups, np.split(cast(Matrix, mapped), ends), strict=True))


def _vectors(rows: pl.DataFrame) -> Matrix:
    """At most ``POINTS`` of them, evenly: rows that go together in two groups of one length stay together."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).round().astype(int))
    return cast(Matrix, np.array(rows["vector"][chosen].to_list()))
