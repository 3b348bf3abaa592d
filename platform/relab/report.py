"""A study as tables for the terminal, as one JSON object, and as Markdown."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from types import MappingProxyType
from typing import Any

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from relab.analysis import (
    LEVEL,
    ArmSummary,
    Interval,
    best_parameters,
    by_seed,
    cost,
    search_ranking,
    summarise_arms,
    t_interval,
)
from relab.designs import FACTORIAL, FULL
from relab.effects import Effect, effects
from relab.estimate import Estimate
from relab.fields import shortened
from relab.method import Objective
from relab.plan import SWEEP, Plan
from relab.progress import duration
from relab.published import Entry, differences, find
from relab.records import Description, Holder, StudyStore
from relab.sequential import arm_standings, repeated_interval
from relab.spec import Spec
from relab.verdicts import Verdict, judge

SHOWN = 10
"""Points of a search that the terminal and the Markdown report show."""

HERE = "here: "
"""Marks our arms among the rows of a paper."""

VERDICT_HEAD = ("claim", "pairs", "difference", "95 % interval", "p", "adjusted p", "verdict")


def render_plan(
    spec: Spec,
    plan: Plan,
    impossible: Mapping[str, str] = MappingProxyType({}),
    expected: Estimate | None = None,
    dropped: int = 0,
) -> RenderableType:
    """One row per arm: what it changes, how many of its trials are finished; below, what is left and what it takes."""
    table = _table("arm", "changes", "trials", "finished", title=f"{spec.name}: {spec.kind} of {spec.method}")
    frame = plan.frame()
    for (arm,), rows in frame.group_by(["arm"], maintain_order=True):
        changes = "" if arm == SWEEP else _settings(json.loads(rows["parameters"][0]))
        table.add_row(str(arm), changes, str(len(rows)), str((rows["state"] == "finished").sum()))
    if plan.to_draw:
        table.add_row(SWEEP, "drawn by the search", str(plan.to_draw), "")
    lines = [f"no arm {name!r}: {reason}" for name, reason in impossible.items()]
    left = int((frame["state"] == "new").sum()) + plan.to_draw if expected is None else expected.trials
    lines.append(f"{len(frame) + plan.to_draw} trials, {left} to train")
    if dropped:
        lines.append(f"{dropped} finished trials of the study as it was last run are in it no more; their results stay")
    if expected is not None:
        like = "of this study" if expected.own else "of other studies with this method and corpus"
        memory, disk = (f"{value / 2**30:.2g} GiB" for value in (expected.peak_memory, expected.disk))
        lines.append(
            f"expected: {duration(expected.seconds)} of training, all slots together; {memory} of memory per trial; "
            f"{disk} of disk (as {expected.known} trials {like} took)"
        )
    return Group(table, *(Text(line) for line in lines))


def render_status(study: StudyStore, frame: pl.DataFrame, holder: Holder | None) -> Text:
    """How far a study is, what failed, and who runs it."""
    if not len(frame):
        return Text.assemble(
            (study.name, "bold"),
            "  0 trials: none yet",
            f"\nbeing run by {holder}" if holder else "\nnobody is running it",
        )
    counts = dict(frame["state"].value_counts().rows())
    text = Text.assemble((study.name, "bold"), f"  {len(frame)} trials: ")
    text.append(", ".join(f"{number} {state}" for state, number in sorted(counts.items())) or "none yet")
    text.append(f"\nbeing run by {holder}" if holder else "\nnobody is running it")
    for row in frame.filter(pl.col("state") == "failed").iter_rows(named=True):
        last = study.store.failures(row["key"])[-1]
        text.append(
            f"\nfailed: trial {row['number']} ({row['arm']}, seed {row['seed']}): {last.kind}: {last.message}",
            style="red",
        )
    return text


def study_tables(study: StudyStore) -> list[RenderableType]:
    """The answer of a study, for the terminal."""
    described, frame = study.description(), study.frame()
    if described.kind == "sweep":
        return _search_tables(described, frame)
    metrics = _metrics_shown(described, frame)
    tables: list[Any] = [_arms_table(described, _summaries(described, frame, metric), metric) for metric in metrics]
    for head, rows in (_standing_rows(described, frame), _effect_rows(described, frame)):
        if rows:
            tables.append(_table(*head))
            for row in rows:
                tables[-1].add_row(*row)
    return [*tables, *_verdict_tables(verdicts(study)), *_published_tables(study)]


def study_data(study: StudyStore) -> dict[str, Any]:
    """The same as one JSON object."""
    described, frame = study.description(), study.frame()
    objective = _objective(described)
    data: dict[str, Any] = {
        "study": study.name,
        "kind": described.kind,
        "method": described.method,
        "corpus": described.corpus,
        "objective": described.objective,
        "states": dict(sorted(frame["state"].value_counts().rows())) if len(frame) else {},
    }
    taken = cost(frame)
    data["cost"] = None if taken is None else asdict(taken)
    if described.kind == "sweep":
        ranking = search_ranking(frame, objective)
        rows = [row | {"parameters": json.loads(row["parameters"])} for row in ranking.iter_rows(named=True)]
        return data | {"best": rows[0] if rows else None, "points": rows}
    metrics = _metrics_shown(described, frame)
    data["metrics"] = {metric: [asdict(s) for s in _summaries(described, frame, metric)] for metric in metrics}
    if described.looks:
        scores = by_seed(frame, described.objective)
        found = arm_standings(scores, described.arms, described.against, described.looks)
        data["standings"] = {arm: asdict(standing) for arm, standing in found.items()}
    if described.spec.get("design") in FACTORIAL:
        data["effects"] = [asdict(effect) for effect in _effects(described, frame)]
    if described.claims:
        data["claims"] = [_verdict_data(verdict) for verdict in verdicts(study)]
    if described.published is not None:
        paper, entry = find(described.published)
        data["published"] = {"paper": paper.paper, "table": paper.table, **entry.model_dump(mode="json")}
        data["published"]["differences"] = _differences(study, entry)
    return data


def verdicts(study: StudyStore) -> list[Verdict]:
    """What the study's results say of its claims."""
    described = study.description()
    return judge(study.frame(), described.claims, described.objective, described.looks) if described.claims else []


def figure_metrics(study: StudyStore) -> list[str]:
    """What a report draws by epoch: the objective, and the metrics of the published numbers on dev."""
    described, reported = study.description(), study.metrics().columns
    wanted = [described.objective]
    if described.published is not None:
        wanted += [metric if "/" in metric else f"dev/{metric}" for metric in find(described.published)[1].metrics]
    return [metric for metric in dict.fromkeys(wanted) if metric in reported]


def markdown(study: StudyStore, figures: Mapping[str, str] = MappingProxyType({})) -> str:
    """The report of a study: what was done, the tables, what the results were made with.

    Args:
        study: a study that has been run.
        figures: pictures to link, file name to caption.
    """
    described, frame = study.description(), study.frame()
    parts = [f"# {study.name}", _about(described, frame)]
    if described.kind == "sweep":
        parts.append(_search_markdown(described, frame))
    else:
        for metric in _metrics_shown(described, frame):
            parts.append(_arms_markdown(described, _summaries(described, frame, metric), metric))
        for head, rows in (_standing_rows(described, frame), _effect_rows(described, frame)):
            parts.append(_markdown_table(list(head), rows) if rows else "")
        parts += [_verdict_markdown(verdicts(study)), _published_markdown(study)]
    parts += [_figure_markdown(file, caption) for file, caption in figures.items()]
    parts.append(_made_with(frame))
    return "\n\n".join(part for part in parts if part) + "\n"


def _objective(described: Description) -> Objective:
    return Objective(described.objective, described.mode)


def _metrics_shown(described: Description, frame: pl.DataFrame) -> list[str]:
    """The objective, and the same metric on the test split where it was opened."""
    shown = [described.objective, described.objective.replace("dev/", "test/", 1)]
    return [metric for metric in dict.fromkeys(shown) if f"score/{metric}" in frame.columns]


def _search_tables(described: Description, frame: pl.DataFrame) -> list[RenderableType]:
    ranking = search_ranking(frame, _objective(described))
    if not len(ranking):
        return [Text("no trial has finished yet")]
    names = list(best_parameters(ranking))
    table = _table("", described.objective, *shortened(names), "time")
    for row in ranking.head(SHOWN).iter_rows(named=True):
        values = json.loads(row["parameters"])
        table.add_row(
            str(row["rank"]), f"{row['value']:.4f}", *(_short(values[name]) for name in names), duration(row["seconds"])
        )
    stopped = int((frame["state"] == "pruned").sum())
    table.caption = f"{len(ranking)} settings finished" + (f", {stopped} stopped early" if stopped else "")
    table.caption_justify = "left"
    best = " ".join(
        f"--set {name}={shlex.quote(json.dumps(value))}" for name, value in best_parameters(ranking).items()
    )
    return [table, Text.assemble(("best: ", "bold"), best)]


def _arms_table(described: Description, summaries: list[ArmSummary], metric: str) -> RenderableType:
    to = ["to"] if described.against else []
    table = _table("arm", "seeds", "mean", "sd", "difference", *to, "95 % interval", title=metric)
    for row in summaries:
        mean, deviation, difference, *rest = _cells(row, described)
        clear = row.difference is not None and row.difference.excludes_zero
        table.add_row(row.arm, str(row.seeds), mean, deviation, Text(difference, style="bold" if clear else ""), *rest)
    return table


def _cells(row: ArmSummary, described: Description) -> list[str]:
    """Mean, standard deviation, difference, to which arm where that is not always the full model, interval."""
    deviation = "" if row.deviation is None else f"{row.deviation:.4f}"
    difference, interval = _difference_cells(row.difference)
    to = [row.against if difference else ""] if described.against else []
    return [f"{row.mean:.4f}", deviation, difference, *to, interval]


def _difference_cells(difference: Interval | None) -> tuple[str, str]:
    """Difference, interval."""
    if difference is None:
        return "", ""
    low, high = difference.low, difference.high
    return f"{difference.mean:+.4f}", "one seed" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"


def _verdict_cells(verdict: Verdict) -> list[str]:
    p_values = ["" if p is None else f"{p:.4f}" if p >= 0.00005 else "< 0.0001" for p in (verdict.p, verdict.adjusted)]
    cells = [str(verdict.claim), str(verdict.pairs), *_difference_cells(verdict.difference)]
    return [*cells, *p_values, verdict.outcome]


def _verdict_tables(judged: list[Verdict]) -> list[RenderableType]:
    if not judged:
        return []
    table = _table(*VERDICT_HEAD, title="claims")
    for verdict in judged:
        *cells, outcome = _verdict_cells(verdict)
        table.add_row(*cells, Text(outcome, style={"held": "green", "reversed": "red"}.get(outcome, "")))
    return [table]


def _verdict_markdown(judged: list[Verdict]) -> str:
    if not judged:
        return ""
    return "\n\n".join(
        [
            "## Claims",
            _markdown_table(list(VERDICT_HEAD), [_verdict_cells(verdict) for verdict in judged]),
            "Difference: the first arm minus the second, within the seed. p: two-sided, Student's t. Adjusted: Holm "
            f"over these {len(judged)} claims. Held or reversed: adjusted p below {LEVEL}; undecided says neither.",
        ]
    )


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    return {
        "claim": str(verdict.claim),
        "pairs": verdict.pairs,
        "difference": None if verdict.difference is None else asdict(verdict.difference),
        "p": verdict.p,
        "adjusted_p": verdict.adjusted,
        "verdict": verdict.outcome,
    }


def _about(described: Description, frame: pl.DataFrame) -> str:
    states = (
        ", ".join(f"{number} {state}" for state, number in sorted(frame["state"].value_counts().rows()))
        if len(frame)
        else "none"
    )
    test = "opened: the test score is that of the epoch best on dev" if described.protocol == "paper" else "not opened"
    return (
        f"{described.kind} of `{described.method}` on {described.corpus}. "
        f"Objective: `{described.objective}` ({described.mode}). Test split: {test}. Trials: {states}."
    )


def _search_markdown(described: Description, frame: pl.DataFrame) -> str:
    ranking = search_ranking(frame, _objective(described))
    names = list(best_parameters(ranking))
    rows = [
        [str(row["rank"]), f"{row['value']:.4f}", *(_short(json.loads(row["parameters"])[name]) for name in names)]
        for row in ranking.head(SHOWN).iter_rows(named=True)
    ]
    return _markdown_table(["rank", described.objective, *names], rows) if rows else ""


def _arms_markdown(described: Description, summaries: list[ArmSummary], metric: str) -> str:
    rows = []
    for summary in summaries:
        changes = _settings(described.arms.get(summary.arm, {}))
        rows.append([summary.arm, changes, str(summary.seeds), *_cells(summary, described)])
    to = ["difference", "to"] if described.against else [f"difference to {FULL}"]
    head = ["arm", "changes", "seeds", f"mean {metric}", "sd", *to, "95 % interval"]
    return (
        _markdown_table(head, rows)
        + "\n\nDifferences are taken within the seed; the interval is Student's t over the seeds."
    )


def _summaries(described: Description, frame: pl.DataFrame, metric: str) -> list[ArmSummary]:
    """The arms on one metric; where seeds are adaptive, with repeated intervals."""
    interval = partial(repeated_interval, looks=described.looks) if described.looks else t_interval
    return summarise_arms(frame, metric, described.against, interval)


def _standing_rows(described: Description, frame: pl.DataFrame) -> tuple[tuple[str, ...], list[list[str]]]:
    """How the arms of a study with adaptive seeds stand on its objective."""
    found = {}
    if described.looks and len(frame):
        scores = by_seed(frame, described.objective)
        found = arm_standings(scores, described.arms, described.against, described.looks)
    rows = [
        [arm, str(each.seeds), f"{each.p:.4f}", f"{each.adjusted:.4f}", each.outcome] for arm, each in found.items()
    ]
    return ("arm", "seeds looked at", "sequential p", "adjusted p", "outcome"), rows


def _effects(described: Description, frame: pl.DataFrame) -> list[Effect]:
    scores = by_seed(frame, described.objective)
    return effects(
        {frozenset(described.off[arm]): own for arm, own in scores.items() if arm in described.off}, described.mode
    )


def _effect_rows(described: Description, frame: pl.DataFrame) -> tuple[tuple[str, ...], list[list[str]]]:
    """What each component does by itself, and each two together, where the design can tell."""
    found = _effects(described, frame) if described.spec.get("design") in FACTORIAL and len(frame) else []
    rows = [
        [" × ".join(each.components), str(each.seeds), *_difference_cells(each.change), f"{each.adjusted:.4f}",
         each.sentence]
        for each in found
    ]  # fmt: skip
    return ("effect", "seeds", "change", "95 % interval", "adjusted p", "in words"), rows


def _published_rows(study: StudyStore, entry: Entry, spread: bool) -> list[tuple[str, str, list[str]]]:
    """System, tools and values of each printed row in percent; below a row, our arm that stands for the same system."""
    frame = study.frame()
    named = {metric: metric if "/" in metric else f"test/{metric}" for metric in entry.metrics}
    ours = {metric: {s.arm: s for s in summarise_arms(frame, name)} for metric, name in named.items()}
    rows = []
    for row in entry.rows:
        rows.append((row.system, "yes" if row.tools else "", [f"{value:.2f}" for value in row.values]))
        found = [ours[metric].get(row.arm or "") for metric in entry.metrics]
        if any(found):
            rows.append((f"{HERE}{row.arm}", "", [_percent(summary, spread) for summary in found]))
    return rows


def _percent(summary: ArmSummary | None, spread: bool) -> str:
    if summary is None:
        return ""
    deviation = f" ± {100 * summary.deviation:.2f}" if spread and summary.deviation is not None else ""
    return f"{100 * summary.mean:.2f}{deviation}"


def _differences(study: StudyStore, entry: Entry) -> list[str]:
    config = next((trial.config for trial in study.asked() if trial.arm == FULL), {})
    return differences(entry, study.description().spec, config)


def _verdict(study: StudyStore, entry: Entry) -> str:
    """Whether our scores may stand beside the printed ones, and what differs."""
    apart = _differences(study, entry)
    finished = summarise_arms(study.frame(), study.description().objective)
    seeds = max((summary.seeds for summary in finished), default=0)
    runs = f"Seeds: {seeds} / {'not said' if entry.runs is None else entry.runs}."
    if not apart:
        return f"Comparable (here / there): same corpus, folds, word vectors and settings. {runs}"
    return f"Not comparable in level. What differs (here / there): {'; '.join(apart)}. {runs}"


def _published_tables(study: StudyStore) -> list[RenderableType]:
    reference = study.description().published
    if reference is None:
        return []
    paper, entry = find(reference)
    title = f"{paper.cite}, {paper.table}, {entry.title}: test, %"
    table = _table("", "tools", *entry.metrics, title=title)
    for system, tools, values in _published_rows(study, entry, spread=False):
        table.add_row(Text(system, style="bold" if system.startswith(HERE) else ""), tools, *values)
    return [table, Text(_verdict(study, entry))]


def _published_markdown(study: StudyStore) -> str:
    reference = study.description().published
    if reference is None:
        return ""
    paper, entry = find(reference)
    rows = [[system, tools, *values] for system, tools, values in _published_rows(study, entry, spread=True)]
    return "\n\n".join(
        [
            "## Published numbers",
            f"[{paper.paper}]({paper.url}), {paper.table}: {entry.title}, test split, percent. "
            "Ours: mean over the seeds ± standard deviation.",
            _markdown_table(["system", "NLP tools", *entry.metrics], rows),
            _verdict(study, entry),
            "\n".join(f"- {remark}" for remark in (*entry.remarks, *paper.remarks)),
        ]
    )


def _figure_markdown(file: str, caption: str) -> str:
    what = caption.partition(":")[0].replace("`", "")
    return f"![{what}]({file})\n\n{caption}"


def _made_with(frame: pl.DataFrame) -> str:
    """What the results were made with, and a warning where that differs between them."""
    if "code" not in frame.columns:
        return ""
    ended = frame.filter(pl.col("code").is_not_null())
    lines = []
    for column, what in (("torch", "torch"), ("device", "device"), ("code", "code digest")):
        values = ended[column].unique().sort().to_list()
        shown = ", ".join(value[:12] for value in values)
        lines.append(f"- {what}: {shown}" + (" (**the cells differ in this**)" if len(values) > 1 else ""))
    taken = cost(frame)
    if taken is not None:
        each = f"{duration(taken.seconds_per_trial)} per trial, {duration(taken.seconds)} in all"
        lines.append(f"- time of training: {each}; memory: {taken.peak_memory / 2**30:.2f} GiB at most")
    return "Made with:\n\n" + "\n".join(lines)


def _markdown_table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _settings(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in changes.items())


def _short(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(*columns: str, title: str | None = None) -> Table:
    """A table whose first column, and one of changes, wrap at words where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left")
    for place, column in enumerate(columns):
        wraps = place == 0 or column == "changes"
        table.add_column(column, no_wrap=not wraps, overflow="fold", min_width=16 if place == 0 and column else None)
    return table
