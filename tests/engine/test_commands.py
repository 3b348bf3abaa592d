"""A command that was given a spec of another kind says what runs it."""

import pytest
from relab.cli import app
from relab.errors import RequestError
from typer.testing import CliRunner


@pytest.mark.parametrize(
    ("command", "spec", "instead"),
    [
        ("sweep", "ma2021_table6", "relab ablate ma2021_table6"),
        ("sweep", "ma2021_table5", "relab train ma2021_table5"),
        ("ablate", "ma2021_table5", "relab train ma2021_table5"),
        ("ablate", "demo_sweep", "relab sweep demo_sweep"),
    ],
)
def test_a_spec_of_another_kind_is_refused_with_its_command(command: str, spec: str, instead: str) -> None:
    error = CliRunner().invoke(app, [command, spec]).exception
    assert isinstance(error, RequestError) and str(error).endswith(instead)
