"""Options that several commands share, and the two ways to answer: for people, and as one JSON object."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType

from relab.errors import ClaimRefuted, RequestError

if TYPE_CHECKING:
    from relab.records import StudyStore

SUBMITTED = "RELAB_SUBMITTED"
"""A variable of the jobs of `relab submit`."""
SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a shipped spec.")]
CorpusOption = Annotated[
    list[str] | None,
    typer.Option("--corpus", metavar="NAME=PATH", help="Where a corpus or a vector file lies; may be repeated."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=VALUE", help="Change a field of the spec; may be repeated."),
]
StoreOption = Annotated[
    Path, typer.Option("--store", envvar="RELAB_STORE", help="The folder with all trials and studies.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="PATH", help="The store's folder on the cluster, if not RELAB_STORE.")
]
StudyOption = Annotated[str | None, typer.Option("--study", help="Name of the study; the spec's file name by default.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output, all else on standard error.")
]
SlotsOption = Annotated[int | None, typer.Option("--slots", min=1, help="At most so many trials at once.")]
DEFAULT_STORE = Path("relab-store")


def pairs(values: Iterable[str] | None, option: str) -> dict[str, str]:
    """``["a=1", "b=2"]`` as a mapping.

    Raises:
        RequestError: an entry has no ``=``, or a name comes twice.
    """
    found: dict[str, str] = {}
    for value in values or ():
        name, equals, rest = value.partition("=")
        if not equals or not name or not rest:
            raise RequestError(f"{option} {value}: write it as name=value")
        if name in found:
            raise RequestError(f"{option} {name} is given twice")
        found[name] = rest
    return found


def paths(values: Iterable[str] | None) -> dict[str, Path]:
    """``--corpus name=path`` entries; every path must be there."""
    found = {name: Path(path).expanduser().resolve() for name, path in pairs(values, "--corpus").items()}
    for name, path in found.items():
        if not path.exists():
            raise RequestError(f"--corpus {name}={path}: there is no such file or folder")
    return found


def answer(data: Any, *shown: RenderableType, as_json: bool) -> None:
    """Print the answer on standard output: ``data`` as one JSON object, or ``shown`` for people."""
    if as_json:
        print(json.dumps(data, ensure_ascii=False, indent=2, default=str))
        return
    console = Console(highlight=False)
    for piece in shown:
        console.print(piece)


def stand_by_claims(study: "StudyStore") -> None:
    """The end of every command that has answered with a study's results.

    Raises:
        ClaimRefuted: with the claims that the results reverse.
    """
    from relab.report.content import verdicts

    refuted = [str(verdict.claim) for verdict in verdicts(study) if verdict.outcome == "reversed"]
    if refuted:
        raise ClaimRefuted(f"refuted: {'; '.join(refuted)}")
