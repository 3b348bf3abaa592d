"""One training run in this process."""

import io
from pathlib import Path

import pytest
from relab.running.execute import TimeLimit
from relab.running.single import train_one
from relab.spec import load
from rich.console import Console

SPEC = """
method: joint_head_selection
corpus: {name: planted_joint, train: 8, dev: 8, test: 8}
preset: smoke
base: {encoder: {layers: 1, hidden: 8}}
"""


def test_it_ends_at_the_limit_of_its_spec(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(SPEC + "resources: {hours: 1.0e-12}\n")
    said = Console(file=io.StringIO())
    with pytest.raises(TimeLimit, match=r"resources\.hours is 1e-12"):
        train_one(load(str(file), single=True), tmp_path / "store", {}, said, here=True)
    file.write_text(SPEC)
    assert train_one(load(str(file), single=True), tmp_path / "store", {}, said, here=True).state == "finished"
