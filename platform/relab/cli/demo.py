"""`relab demo`: a sweep and an ablation on a generated corpus, in a few minutes."""

import shlex

import typer
from rich.rule import Rule

from relab.cli.options import DEFAULT_STORE, StoreOption
from relab.progress import standard_error


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(demo)


def demo(store: StoreOption = DEFAULT_STORE) -> None:
    """Generate a small corpus, search on it, ablate on it, and print both tables."""
    from relab.report.forms import study_tables
    from relab.running.study import Options, run
    from relab.spec import load

    console = standard_error()
    options = Options(store, console=console)
    for title, name in (
        ("Which hyperparameters does it want?", "demo_sweep"),
        ("Which of its parts does it need?", "demo_ablation"),
    ):
        console.print(Rule(title, align="left"))
        outcome = run(load(name, {}), options)
        for piece in study_tables(outcome.study):
            console.print(piece)
        if outcome.interrupted or outcome.failed:
            raise typer.Exit(1)
    again = "" if store == DEFAULT_STORE else f" --store {shlex.quote(str(store))}"
    console.print(
        f"\nCompare in MLflow:    relab ui{again}\nWrite the report:     relab report demo_ablation{again}"
        "\nRead the specs:       relab list specs"
    )
