"""A finished study's results as a file: its table, its cost, and the command that made it.

    python -m benchmarks.collect joint_components --store relab-store --command "relab ablate joint_components …"

Writes ``benchmarks/results/<study>.json``. Run it on the machine that trained the study.
"""

import argparse
import re
from pathlib import Path
from typing import Any

from relab import study
from relab.report.data import study_data

from benchmarks.common import about, write_results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--command", required=True, help="what was typed to train it")
    options = parser.parse_args()
    found = study(options.study, options.store)
    write_results(options.study, about(options.command) | without_folders(study_data(found)))


def without_folders(value: Any) -> Any:
    """The same with DIR for each file or folder of this machine that it names."""
    match value:
        case dict():
            return {name: without_folders(each) for name, each in value.items()}
        case list() | tuple():
            return [without_folders(each) for each in value]
        case str():
            return re.sub(r"(?<!\S)/\S+", lambda path: "DIR" if Path(path[0]).exists() else path[0], value)
    return value


if __name__ == "__main__":
    main()
