"""The numbers of docs/faults.md, from the results: `python -m tests.faults.table`."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE, RESULTS = ROOT / "docs" / "faults.md", ROOT / "benchmarks" / "results" / "faults.json"
ROW = re.compile(r"^\| (?P<fault>[^|]+) \| (?P<prose>[^|]+ \| [^|]+) \|(?: [^|]+ \|){4}$", re.MULTILINE)
"""What happens and what to do are written by hand; the last four cells are not."""
HEADINGS = {"fault", "---"}


def filled(page: str, faults: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with the numbers of these faults; a row without any has dashes."""

    def row(found: re.Match[str]) -> str:
        fault = found["fault"]
        if fault in HEADINGS:
            return found[0]
        verdict = faults.get(fault)
        cells = ("–",) * 4 if verdict is None else tuple(map(cell, verdict.items()))
        return f"| {fault} | {found['prose']} | {' | '.join(cells)} |"

    return ROW.sub(row, page)


def cell(number: tuple[str, float]) -> str:
    """Counts as they are, seconds to a tenth."""
    name, value = number
    return f"{value:.1f} s" if name == "seconds" else str(value)


def measured() -> Mapping[str, Mapping[str, Any]]:
    """What the results say of each fault."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))["faults"]
    return found


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), measured()), encoding="utf-8")


if __name__ == "__main__":
    main()
