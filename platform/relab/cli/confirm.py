"""`relab confirm`: the test split, opened once."""

import shlex
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from relab.cli.look import StudyArgument
from relab.cli.options import (
    DEFAULT_STORE,
    CorpusOption,
    JsonOption,
    StoreOption,
    answer,
    paths,
    stand_by_claims,
)
from relab.errors import RequestError
from relab.progress import label, standard_error

if TYPE_CHECKING:
    from relab.confirmation import Confirmation
    from relab.records import StudyStore


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(confirm)


def confirm(
    study: StudyArgument,
    corpus: CorpusOption = None,
    store: StoreOption = DEFAULT_STORE,
    without_failed: Annotated[
        bool, typer.Option("--without-failed", help="Open it though trials have failed, and leave these out for good.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Open the test split of a finished study: score it once with the weights kept, and record that. Trains nothing.

    Typed again it shows the record.
    """
    from relab.records import Store
    from relab.running.confirm import confirm as confirm_study
    from relab.running.confirm import not_covered

    found = Store(store).existing_study(study)
    confirmed = confirm_study(found, paths(corpus), standard_error(), without_failed=without_failed)
    answer(_data(found, confirmed), *_shown(found, confirmed), as_json=as_json)
    grown = not_covered(found, confirmed)
    if grown:
        again = "" if store == DEFAULT_STORE else f" --store {shlex.quote(str(store))}"
        raise RequestError(
            f"{len(grown)} trials have finished since and are not in the record "
            f"({'; '.join(label(trial) for trial in grown)}). A test split is opened once for a study: to open it for "
            f"these too, run the spec under another name, which trains nothing again, with --study {study}-2{again}, "
            f"and confirm that; its record will name this one"
        )
    stand_by_claims(found)


def _data(study: "StudyStore", confirmed: "Confirmation") -> dict[str, Any]:
    opening = confirmed.opening.model_dump(mode="json")
    trials = [trial | {"scores": confirmed.scores[trial["key"]]} for trial in opening.pop("trials")]
    return {"study": study.name, **opening, "trials": trials}


def _shown(study: "StudyStore", confirmed: "Confirmation") -> list[RenderableType]:
    """The study's tables with the scores on test, of a search the best setting's; below, when that was."""
    from relab.report.forms import study_tables

    tables = study_tables(study) if study.description().kind != "sweep" else [_best(confirmed)]
    opening = confirmed.opening
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(opening.opened))
    lines = [
        f"test split opened {when}, by commit {opening.environment.commit or 'unknown'}: {len(opening.trials)} trials"
    ]
    if opening.failed:
        lines.append(f"{len(opening.failed)} trials had failed and are left out")
    if opening.before:
        lines.append(f"the test split of these data was open before, in {', '.join(opening.before)}")
    return [*tables, *map(Text, lines)]


def _best(confirmed: "Confirmation") -> Table:
    """Each metric of the best setting, the mean over the folds."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title="the best setting", title_justify="left")
    table.add_column("metric")
    table.add_column("score")
    rows = list(confirmed.scores.values())
    for name in rows[0]:
        table.add_row(name, f"{sum(row[name] for row in rows) / len(rows):.4f}")
    return table
