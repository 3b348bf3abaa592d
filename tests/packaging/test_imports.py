"""Nobody waits for what is not used: a plan, a status or a report needs no torch."""

import subprocess
import sys
from pathlib import Path

import pytest
from relab.methods import method_names

HEAVY = {"ray", "torch", "mlflow", "optuna", "matplotlib", "scipy.stats", "transformers"}
PLAN = "from relab.cli import app; app(['plan', 'demo_ablation', '--store', sys.argv[1]], standalone_mode=False)"
METHOD = "from relab.methods import find_method; find_method(sys.argv[1])"


def imported(lines: str, argument: str) -> set[str]:
    command = f"import sys; {lines}; print('imported:', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", command, argument], capture_output=True, text=True, check=True)
    return set(run.stdout.partition("imported:")[2].split())


def test_a_plan_imports_nothing_that_trains(tmp_path: Path) -> None:
    found = imported(PLAN, str(tmp_path))
    assert "relab.plan" in found and not (HEAVY | {"scipy"}) & found


@pytest.mark.parametrize("name", method_names())
def test_a_method_says_what_it_is_without_what_trains_it(name: str) -> None:
    found = imported(METHOD, name)
    assert f"trainables.{name}" in found and not HEAVY & found
