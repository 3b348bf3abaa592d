"""MLflow as a view of the records, written by a process of its own: a server that is down delays nothing."""

from relab.tracking.server import experiment_url, tracking_uri
from relab.tracking.tracker import Tracker
from relab.tracking.view import sync

__all__ = ["Tracker", "experiment_url", "sync", "tracking_uri"]
