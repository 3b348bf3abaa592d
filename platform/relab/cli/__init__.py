"""The command line: one module per group of commands, each holding nothing but asking and showing."""

import sys

import typer

from relab.cli import confirm, demo, doctor, look, reproduce, study, submit
from relab.errors import RelabError, out_of_space

app = typer.Typer(
    name="relab",
    help="Hyperparameter search and ablation for relation-extraction training methods, on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (demo, study, confirm, reproduce, look, submit, doctor):
    group.register(app)


def main() -> None:
    """Run one command. What a user can act on is one message and an exit code, never a traceback.

    0: done; 1: the work failed; 2: the request was wrong; 3: a claim of the study is reversed; 130: interrupted.
    """
    try:
        app()
    except RelabError as error:
        print(f"relab: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        if not out_of_space(error):
            raise
        full = getattr(error, "filename", None) or "the disk"
        print(f"relab: no space left: {full} is full; what was finished stays", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
