"""Which of the searched fields a search's scores depend on."""

import json
import warnings
from typing import Any

import optuna
import polars as pl
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from relab.records import Description
from relab.search import distribution
from relab.spec import Dimension

FEWEST = 10
"""Finished settings below which a forest of trees over them says nothing."""


def importance(described: Description, ranking: pl.DataFrame) -> dict[str, float]:
    """Each field's share of the scores' variance over the searched range, the largest first.

    Empty for fewer than ten finished settings and where all of them score the same. The same records give the same
    shares.

    Args:
        described: a sweep.
        ranking: ``search_ranking`` of its frame.
    """
    space = {name: Dimension.model_validate(value) for name, value in described.spec.get("space", {}).items()}
    if len(ranking) < FEWEST or not space or ranking["value"].n_unique() < 2:
        return {}
    study = optuna.create_study(direction="maximize" if described.mode == "max" else "minimize")
    distributions = {name: distribution(dimension) for name, dimension in space.items()}
    for text, value in ranking.sort("number").select("parameters", "value").iter_rows():
        values = {name: _inside(space[name], given) for name, given in json.loads(text).items() if name in space}
        if all(space[name].holds(given) for name, given in json.loads(text).items() if name in space):
            study.add_trial(optuna.create_trial(params=values, distributions=distributions, value=value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0)))


def _inside(dimension: Dimension, value: Any) -> Any:
    """Choices go by their place, as in ``relab.search``."""
    return value if dimension.choice is None else list(dimension.choice).index(value)
