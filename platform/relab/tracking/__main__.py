"""The view's process: ``python -m relab.tracking STORE STUDY``, messages on standard input, one JSON object a line."""

import signal
import sys
from pathlib import Path

from relab.records import Store
from relab.tracking.server import first_line, mlflow_client
from relab.tracking.view import View, alone

UNREACHABLE = 3


def main(root: str, name: str) -> int:
    """Follow a driver until it closes its end; the exit status."""
    from mlflow.exceptions import MlflowException

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a job that is stopped signals every process; the driver's end is ours
    study = Store(Path(root)).study(name)
    try:
        mlflow_client(study.store).search_experiments(max_results=1)  # sets up the database
        if sys.stdin.readline():
            with alone(study):
                View(study).follow(iter(sys.stdin.readline, ""))
    except (MlflowException, OSError) as error:
        print(first_line(error), file=sys.stderr)
        return UNREACHABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
