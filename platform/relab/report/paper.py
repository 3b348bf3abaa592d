"""The table of an ablation as a paper prints it: a tick per component, mean ± deviation, difference, published."""

from relab.analysis import LEVEL
from relab.beside import Beside, beside
from relab.comparison import ArmSummary, headline, summarise_arms
from relab.errors import RequestError
from relab.fields import settings_text
from relab.published import Entry
from relab.records import Description, StudyStore
from relab.report.blocks import Cell, Column, Table
from relab.report.latex import CHECK, render


def latex(study: StudyStore) -> str:
    r"""A booktabs table for ``\input``, on the objective, on test where that was opened.

    Raises:
        RequestError: a search, or a study without a finished arm.
    """
    described, frame = study.description(), study.frame()
    if described.kind == "sweep":
        raise RequestError(f"{study.name} is a search: the table for a paper compares arms")
    metric = headline(described, frame)
    summaries = summarise_arms(frame, metric, described.against, described.looks)
    if not summaries:
        raise RequestError(f"{study.name} has no finished arm yet")
    printed = beside(study, frame)
    table = _table(described, summaries, metric, printed)
    return render(table, _caption(described, metric, summaries), study.name, _note(printed))


def _table(described: Description, summaries: list[ArmSummary], metric: str, found: Beside | None) -> Table:
    parts = list(dict.fromkeys(name for arm in described.off.values() for name in arm))
    printed = {} if found is None else _printed(found.entry, metric)
    settings = {arm: settings_text(changes) for arm, changes in described.arms.items()}
    told_by_ticks = all(described.off.get(arm.arm) or not settings.get(arm.arm) for arm in summaries)
    columns = [
        *([] if told_by_ticks and parts else [Column("arm")]),
        *(Column(name.replace("_", " ")) for name in parts),
        Column("seeds", number=True),
        Column("score", number=True),
        Column("difference", number=True),
        *([Column("published", number=True)] if printed else []),
    ]
    rows: list[list[str | Cell]] = []
    for each in summaries:
        off = described.off.get(each.arm, ())
        rows.append(
            [
                *([] if told_by_ticks and parts else [each.arm]),
                *("" if name in off else CHECK for name in parts),
                str(each.seeds),
                f"{100 * each.mean:.1f}" + ("" if each.deviation is None else f" ± {100 * each.deviation:.1f}"),
                _difference(each),
                *([printed.get(each.arm, "")] if printed else []),
            ]
        )
    return Table(tuple(columns), rows)


def _difference(row: ArmSummary) -> Cell:
    if row.difference is None:
        return Cell("")
    low, high = row.difference.low, row.difference.high
    interval = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return Cell(f"{100 * row.difference.mean:+.1f}{interval}", "strong" if row.settled else "plain")


def _printed(entry: Entry, metric: str) -> dict[str, str]:
    """The paper's numbers by our arm, where it prints this metric."""
    names = {name if "/" in name else f"test/{name}": place for place, name in enumerate(entry.metrics)}
    if metric not in names:
        return {}
    return {row.arm: f"{row.values[names[metric]]:.{entry.decimals}f}" for row in entry.rows if row.arm is not None}


def _caption(described: Description, metric: str, summaries: list[ArmSummary]) -> str:
    seeds = {each.seeds for each in summaries}
    over = f"{min(seeds)} seeds" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)} seeds"
    compared = "to the arm that it is compared with" if described.against else "to the full model"
    corpus, method = described.corpus.partition(":")[0], described.method.replace("_", " ")
    return (
        f"{method} on {corpus}: {metric} in percent, mean ± standard deviation over {over}, and the difference "
        f"{compared} within the seed with its 95% interval."
    )


def _note(printed: Beside | None) -> str:
    note = f"Bold: Holm-adjusted p below {LEVEL}."
    if printed is None or not printed.apart:
        return note
    return f"{note} Published numbers are not comparable in level: {'; '.join(printed.apart)}."
