"""Which MLflow a store's view is in, and how relab speaks to it."""

import os
from typing import Any
from urllib.parse import urlencode

from relab.records import Store

for _name, _value in (
    ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"),
    ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"),
    ("MLFLOW_DISABLE_TELEMETRY", "true"),  # nothing is sent anywhere, and a run costs less
):
    os.environ.setdefault(_name, _value)  # MLflow reads them when it is imported, which is later


def tracking_uri(store: Store) -> str:
    """Where MLflow's view of a store is: what ``MLFLOW_TRACKING_URI`` says, else a database beside the records."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store.root / 'mlflow.db'}"


def mlflow_client(store: Store) -> Any:
    """A client of the MLflow that the store's view is in; MLflow is imported here, which takes seconds."""
    import logging

    from mlflow.tracking import MlflowClient

    logging.getLogger("alembic").setLevel(logging.ERROR)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return MlflowClient(tracking_uri(store))


def experiment_url(server: str, store: Store, study: str | None) -> str:
    """The page of a study's runs on a server of MLflow's, its arms first and the best of them on top.

    The start page without a study, or before it is there.
    """
    if study is None:
        return server
    experiment = mlflow_client(store).get_experiment_by_name(study)
    if experiment is None:
        return server
    described = store.study(study).description()
    metric = f"{'best' if described.kind == 'sweep' else 'mean'}/{described.objective}"
    # Without a kind of work MLflow 3 opens an experiment at its traces.
    view = {
        "workflowType": "machine_learning",
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": str(described.mode == "min").lower(),
    }
    return f"{server}/#/experiments/{experiment.experiment_id}/runs?{urlencode(view)}"


def first_line(error: BaseException) -> str:
    """What an error of MLflow's says, without the request that it repeats."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
