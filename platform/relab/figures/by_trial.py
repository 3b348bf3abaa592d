"""How a search went: each setting's score in the order of the trials, and the best so far."""

from pathlib import Path

import numpy as np

from relab.analysis import search_ranking
from relab.errors import RequestError
from relab.figures.drawing import COLOURS, HEIGHT, LINE, WIDTH, Vector, canvas, dress, finish
from relab.method import Objective
from relab.records import StudyStore


def search_history(study: StudyStore, path: Path) -> None:
    """Draw the score of every finished setting by trial, the best so far, and where trials were stopped early.

    Args:
        study: a search.
        path: the file to write; its suffix gives the format.

    Raises:
        RelabError: matplotlib is not installed, or the file cannot be written.
        RequestError: no setting has finished.
    """
    numbers, values = history(study)
    described = study.description()
    if not len(numbers):
        raise RequestError(f"{study.name} has no finished setting to draw")
    best = (np.maximum if described.mode == "max" else np.minimum).accumulate(values)
    figure = canvas(WIDTH, HEIGHT + 3 * LINE)
    axes = figure.add_subplot()
    axes.plot(numbers, values, "o", color=COLOURS[1], markersize=3.5, alpha=0.7, markeredgewidth=0, label="finished")
    axes.step(numbers, best, where="post", color=COLOURS[0], linewidth=1.2, label="best so far")
    frame = study.frame()
    stopped = frame.filter(frame["state"] == "pruned")
    column = f"score/{described.objective}"
    if len(stopped) and column in stopped.columns:
        places, reached = stopped["number"].to_numpy(), stopped[column].to_numpy()
        axes.plot(places, reached, "x", color="#777777", markersize=3.5, label="stopped early")
    axes.locator_params(axis="x", integer=True)
    dress(axes, "trial", described.objective)
    finish(figure, path)


def history(study: StudyStore) -> tuple[Vector, Vector]:
    """Number of the first trial of each finished setting, ascending, and its score."""
    described = study.description()
    ranking = search_ranking(study.frame(), Objective(described.objective, described.mode))
    if not len(ranking):
        return np.array([]), np.array([])
    rows = ranking.sort("number")
    return rows["number"].cast(float).to_numpy(), rows["value"].to_numpy()
