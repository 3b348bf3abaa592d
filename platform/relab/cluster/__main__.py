"""What runs on the cluster's head besides a study: ``python -m relab.cluster pack STUDY | keep PLACE | examine``."""

import json
import os
import sys
from pathlib import Path

from relab.errors import RelabError

ASKED = "asked.json"
"""Beside the code: what the caller asks for."""


def main(verb: str) -> None:
    """Run one verb with what stands in ``ASKED``; its answer is lines of the job's log."""
    store = Path(os.environ["RELAB_STORE"])
    asked = {} if verb == "examine" else json.loads(Path(ASKED).read_text(encoding="utf-8"))
    if verb == "pack":
        from relab.cluster.results import pack
        from relab.records import Store

        for line in pack(Store(store), asked["study"], frozenset(asked["have"]), weights=asked["weights"]):
            print(line)
    elif verb == "keep":
        from relab.cluster.corpora import keep

        keep(asked["place"], store)
    else:
        from relab.cluster.examination import examine

        print(examine(store).line())


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except RelabError as error:
        print(f"relab: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
