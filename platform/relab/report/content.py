"""What a study has to say, as blocks: its answer first, then what it was made with and how to make it again."""

import json
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from relab.analysis import LEVEL, Interval, best_parameters, by_seed, cost, search_ranking
from relab.beside import beside
from relab.bootstrap import over_sentences
from relab.cells import ArmCells, failed_cells
from relab.comparison import ArmSummary, headline, metrics_shown, summarise_arms
from relab.designs import FACTORIAL
from relab.effects import Effect, effects
from relab.fields import settings_text, shortened, value_text
from relab.method import Objective
from relab.progress import duration
from relab.records import Description, StudyStore
from relab.report.beside import published_blocks
from relab.report.blocks import Block, Cell, Column, Command, Drawing, Heading, Paragraph, Table
from relab.report.by_relation import relation_blocks
from relab.sequential import arm_standings
from relab.spec import written
from relab.verdicts import Verdict, judge

SHOWN = 10
"""Points of a search that a report shows."""


def study_blocks(study: StudyStore, figures: Sequence[Drawing] = ()) -> list[Block]:
    """The report of one study.

    Args:
        study: one that has been run, to its end or not.
        figures: what was drawn of it.
    """
    described, frame = study.description(), study.frame()
    blocks: list[Block] = [Heading(study.name, 1), Paragraph(_about(study, described, frame))]
    if described.kind == "sweep":
        blocks += _search_blocks(described, frame)
    else:
        blocks += _winner_blocks(described)
        blocks += _arm_blocks(described, frame)
        blocks += _sentence_blocks(study, described, frame)
        blocks += _verdict_blocks(verdicts(study))
        blocks += relation_blocks(study, frame)
        found = beside(study, frame)
        blocks += [] if found is None else published_blocks(found)
    blocks += [Heading("Figures"), *figures] if figures else []
    return [*blocks, *_failure_blocks(study, frame), *_cost_blocks(frame), *_again_blocks(described, frame)]


def side_by_side(studies: Iterable[StudyStore]) -> list[Block]:
    """The arms of several studies in one table, each on its study's objective."""
    rows = []
    for study in studies:
        described, frame = study.description(), study.frame()
        metric = headline(described, frame)
        shared = [study.name, described.method, described.corpus.partition(":")[0], metric]
        if described.kind == "sweep":
            ranking = search_ranking(frame, _objective(described))
            best = f"{ranking['value'][0]:.4f}" if len(ranking) else ""
            rows.append([*shared, f"best of {len(ranking)}", "1", best, "", "", ""])
            continue
        for each in summarise_arms(frame, metric, described.against, described.looks):
            rows.append([*shared, each.arm, str(each.seeds), *_score_cells(each), *_difference_cells(each.difference)])
    words, numbers = ("study", "method", "corpus", "metric", "arm"), ("seeds", "mean", "sd", "difference")
    columns = (
        *map(Column, words),
        *(Column(name, number=True) for name in numbers),
        Column("95 % interval", number=True),
    )
    note = (
        "Differences are those within a study, to its own full model. Scores of different corpora or metrics are not "
    )
    return [Heading("Side by side"), Table(columns, rows), Paragraph(f"{note}to be compared.")]


def verdicts(study: StudyStore) -> list[Verdict]:
    """What the study's results say of its claims."""
    described = study.description()
    return judge(study.frame(), described.claims, described.objective, described.looks) if described.claims else []


def study_effects(described: Description, frame: pl.DataFrame) -> list[Effect]:
    """What each component does by itself, and each two together, where the design can tell."""
    if described.spec.get("design") not in FACTORIAL:
        return []
    scores = by_seed(frame, described.objective)
    return effects(
        {frozenset(described.off[arm]): own for arm, own in scores.items() if arm in described.off}, described.mode
    )


def _objective(described: Description) -> Objective:
    return Objective(described.objective, described.mode)


def _about(study: StudyStore, described: Description, frame: pl.DataFrame) -> str:
    states = ", ".join(f"{number} {state}" for state, number in sorted(frame["state"].value_counts().rows())) or "none"
    return (
        f"{described.kind} of `{described.method}` on {described.corpus}. "
        f"Objective: `{described.objective}` ({described.mode}). Test split: {_test_split(study, described)}. "
        f"Trials: {states}."
    )


def _test_split(study: StudyStore, described: Description) -> str:
    """Whether and how the test split was opened."""
    if described.protocol == "paper":
        return "opened: the test score is that of the epoch best on dev"
    found = study.confirmation()
    if found is None:
        return "not opened"
    opening = found.opening
    when = time.strftime("%Y-%m-%d", time.localtime(opening.opened))
    parts = [f"opened once, by `relab confirm` on {when}, for {len(opening.trials)} trials"]
    if opening.failed:
        parts.append(f"{len(opening.failed)} had failed and are left out")
    if opening.before:
        parts.append(f"the test split of these data was open before, in {', '.join(opening.before)}")
    return "; ".join(parts)


def _winner_blocks(described: Description) -> list[Block]:
    """The settings that the searches of a tuned study have found."""
    rows = [[search, settings_text(found)] for search, found in described.spec.get("winners", {}).items()]
    if not rows:
        return []
    return [
        Table((Column("search"), Column("best settings")), rows, title=f"tuned: {described.spec['tune']}", aside=True)
    ]


# a search


def _search_blocks(described: Description, frame: pl.DataFrame) -> list[Block]:
    ranking = search_ranking(frame, _objective(described))
    if not len(ranking):
        return [Paragraph("No trial has finished yet.", aside=False)]
    names, best = list(best_parameters(ranking)), best_parameters(ranking)
    rows = []
    for row in ranking.head(SHOWN).iter_rows(named=True):
        values = json.loads(row["parameters"])
        settings = [value_text(values[name]) for name in names]
        rows.append([str(row["rank"]), f"{row['value']:.4f}", *settings, duration(row["seconds"])])
    columns = [Column(name, number=True) for name in ("rank", described.objective, *shortened(names), "time")]
    stopped = int((frame["state"] == "pruned").sum())
    counted = f"{len(ranking)} settings finished" + (f", {stopped} stopped early" if stopped else "")
    typed = " ".join(f"--set {name}={shlex.quote(json.dumps(value))}" for name, value in best.items())
    return [
        Table(tuple(columns), rows),
        Paragraph(f"{counted}.", aside=False),
        Command("best", typed, aside=False),
        *_importance_blocks(described, ranking),
    ]


def _importance_blocks(described: Description, ranking: pl.DataFrame) -> list[Block]:
    from relab.importance import importance  # loads Optuna, which a report of arms does not need

    found = importance(described, ranking)
    rows = [[name, f"{share:.2f}"] for name, share in found.items()]
    if not rows:
        return []
    return [
        Heading("Which fields mattered"),
        Table((Column("field"), Column("share of the variance", number=True)), rows, aside=True),
        Paragraph(
            "By functional ANOVA (Hutter, Hoos & Leyton-Brown, ICML 2014, as in Optuna) over the finished settings: of "
            "what the searched range makes of the score, not of the method in general."
        ),
    ]


# arms


def _arm_blocks(described: Description, frame: pl.DataFrame) -> list[Block]:
    blocks: list[Block] = []
    shown = metrics_shown(described, frame)
    for metric in shown:
        summaries = summarise_arms(frame, metric, described.against, described.looks)
        blocks.append(_arms_table(described, summaries, metric, failed_cells(frame)))
    if any(isinstance(block, Table) and block.rows for block in blocks):
        blocks += [Paragraph(text) for text in _arm_notes(described, frame, shown)]
    blocks.append(_standings_table(described, frame))
    blocks.append(_effects_table(study_effects(described, frame)))
    return blocks


def _arms_table(
    described: Description, summaries: Sequence[ArmSummary], metric: str, cells: Mapping[str, ArmCells]
) -> Table:
    number = {"number": True}
    columns = [
        Column("arm"), Column("changes", aside=True), Column("seeds", **number), Column("mean", **number),
        Column("sd", **number), Column("difference", **number), *([Column("to")] if described.against else []),
        Column("95 % interval", **number), Column("adjusted p", **number), Column("effect size", **number, aside=True),
        Column("correlation", **number, aside=True),
    ]  # fmt: skip
    rows: list[list[str | Cell]] = []
    for each in summaries:
        difference, interval = _difference_cells(each.difference)
        found = each.comparison
        rows.append(
            [
                each.arm,
                settings_text(described.arms.get(each.arm, {})),
                _seeds(each, cells[each.arm]),
                *_score_cells(each),
                Cell(difference, "strong" if each.settled else "plain"),
                *([each.against if difference else ""] if described.against else []),
                interval,
                "" if found is None or found.p is None else p_text(each.adjusted),
                "" if found is None or found.effect_size is None else f"{found.effect_size:+.2f}",
                "" if found is None or found.correlation is None else f"{found.correlation:.2f}",
            ]
        )
    return Table(tuple(columns), rows, title=metric)


def _seeds(summary: ArmSummary, cells: ArmCells) -> str | Cell:
    """How many seeds an arm has; where some failed, of how many, and why."""
    return Cell(str(cells), "bad") if cells.failed else str(summary.seeds)


def _arm_notes(described: Description, frame: pl.DataFrame, shown: Iterable[str]) -> list[str]:
    interval = "the interval is Student's t over the seeds"
    if described.looks:
        interval = "intervals are repeated ones and p-values sequential ones, since the seeds are adaptive"
    notes = [
        f"Differences are taken within the seed; {interval}. Adjusted p: Holm over the arms; bold below {LEVEL}. "
        "Effect size: in standard deviations of the difference, after Hedges. Correlation: of the arm's scores with "
        "those that it is compared with, over the seeds."
    ]
    for metric in shown:
        for each in summarise_arms(frame, metric, described.against, described.looks):
            if each.comparison is not None and each.comparison.flip_p is not None:
                notes.append(
                    f"**Skewed**: the differences of {each.arm} on `{metric}` lie far to one side, and a t-test is to "
                    f"be read with care; the sign-flip test gives p = {p_text(each.comparison.flip_p)}."
                )
    return notes


def _sentence_blocks(study: StudyStore, described: Description, frame: pl.DataFrame) -> list[Block]:
    """What the size of the split leaves uncertain, where the trials have kept counts per sentence."""
    metric = headline(described, frame)
    found = over_sentences(study, frame, metric, described.against)
    if not found:
        return []
    rows = [[arm, *_difference_cells(interval)] for arm, interval in found.items()]
    columns = (Column("arm"), Column("difference", number=True), Column("95 % interval", number=True))
    return [
        Heading("What the split's size leaves uncertain", 3),
        Table(columns, rows, title=f"{metric}, sentences resampled", aside=True),
        Paragraph(
            "A bootstrap over the sentences, the same ones for all arms, with the seeds as they are: another split of "
            "this size would move a difference this far. It does not replace the interval over the seeds."
        ),
    ]


def _standings_table(described: Description, frame: pl.DataFrame) -> Table:
    """How the arms of a study with adaptive seeds stand on its objective."""
    rows: list[list[str]] = []
    if described.looks:
        scores = by_seed(frame, described.objective)
        found = arm_standings(scores, described.arms, described.against, described.looks)
        rows = [[arm, str(each.seeds), p_text(each.p), p_text(each.adjusted), each.outcome]
                for arm, each in found.items()]  # fmt: skip
    numbers = (Column(name, number=True) for name in ("seeds looked at", "sequential p", "adjusted p"))
    return Table((Column("arm"), *numbers, Column("outcome")), rows)


def _effects_table(found: Iterable[Effect]) -> Table:
    rows = [
        [" × ".join(each.components), str(each.seeds), *_difference_cells(each.change), p_text(each.adjusted),
         each.sentence]
        for each in found
    ]  # fmt: skip
    columns = (Column("effect"), Column("seeds", number=True), Column("change", number=True),
               Column("95 % interval", number=True), Column("adjusted p", number=True), Column("in words"))  # fmt: skip
    return Table(columns, rows)


def _verdict_blocks(judged: Sequence[Verdict]) -> list[Block]:
    if not judged:
        return []
    tones: Mapping[str, Any] = {"held": "good", "reversed": "bad"}
    rows: list[list[str | Cell]] = [
        [str(each.claim), str(each.pairs), *_difference_cells(each.difference), p_text(each.p), p_text(each.adjusted),
         Cell(each.outcome, tones.get(each.outcome, "plain"))]
        for each in judged
    ]  # fmt: skip
    columns = (Column("claim"), Column("pairs", number=True), Column("difference", number=True),
               Column("95 % interval", number=True), Column("p", number=True), Column("adjusted p", number=True),
               Column("verdict"))  # fmt: skip
    return [
        Heading("Claims"),
        Table(columns, rows),
        Paragraph(
            "Difference: the first arm minus the second, within the seed. p: two-sided, Student's t. Adjusted: Holm "
            f"over these {len(judged)} claims. Held or reversed: adjusted p below {LEVEL}; undecided says neither."
        ),
    ]


# how it went, and how to do it again


def _failure_blocks(study: StudyStore, frame: pl.DataFrame) -> list[Block]:
    rows: list[list[str | Cell]] = []
    for row in frame.filter(pl.col("state") == "failed").iter_rows(named=True):
        last = study.store.failures(row["key"])[-1]
        rows.append([str(row["number"]), row["arm"], str(row["seed"]), Cell(last.kind, "bad"), last.message])
    columns = (Column("trial", number=True), Column("arm"), Column("seed", number=True), Column("class"),
               Column("message"))  # fmt: skip
    return [Heading("Failed trials"), Table(columns, rows, aside=True)] if rows else []


def _cost_blocks(frame: pl.DataFrame) -> list[Block]:
    rows = []
    for (arm,), trials in frame.group_by(["arm"], maintain_order=True):
        taken = cost(trials)
        if taken is not None:
            memory = f"{taken.peak_memory / 2**30:.2f} GiB"
            each, all_of_them = duration(taken.seconds_per_trial), duration(taken.seconds)
            rows.append([str(arm), str(taken.trials), each, all_of_them, memory])
    if not rows:
        return []
    numbers = ("trials", "each (median)", "in all", "peak memory")
    columns = (Column("arm"), *(Column(name, number=True) for name in numbers))
    return [Heading("Cost"), Table(columns, rows, aside=True)]


def _again_blocks(described: Description, frame: pl.DataFrame) -> list[Block]:
    """What the results were made with, a warning where that differs between them, and the spec."""
    blocks: list[Block] = [Heading("Made with")]
    ended = frame.filter(pl.col("code").is_not_null()) if "code" in frame.columns else frame.clear()
    lines = []
    named = {"code": "code digest", "commit": "commit", "packages": "packages", "device": "device"}
    for column, what in named.items():
        values = [value for value in ended[column].unique().sort() if value] if len(ended) else []
        if values:
            shown = "; ".join(value[:12] if column == "code" else value for value in values)
            lines.append(f"- {what}: {shown}" + (" (**the cells differ in this**)" if len(values) > 1 else ""))
    if len(frame):
        lines.append(f"- corpus fingerprint: {', '.join(sorted(frame['corpus'].unique()))}")
        seeds = sorted(frame["seed"].unique())
        lines.append(f"- seeds: {', '.join(map(str, seeds))}")
    if lines:
        blocks.append(Paragraph("\n".join(lines)))
    spec = written(described.spec)
    if spec:
        verb = {"sweep": "sweep", "ablation": "ablate", "training": "train"}[described.kind]
        name = f"{described.spec.get('name') or 'spec'}.yaml"
        blocks.append(Command(f"To run it again, save this as `{name}` and type `relab {verb} {name}`", spec))
    return blocks


# cells


def p_text(p: float | None) -> str:
    """A p-value as a table prints it."""
    return "" if p is None else f"{p:.4f}" if p >= 0.00005 else "< 0.0001"


def _score_cells(row: ArmSummary) -> list[str]:
    """Mean, standard deviation."""
    return [f"{row.mean:.4f}", "" if row.deviation is None else f"{row.deviation:.4f}"]


def _difference_cells(difference: Interval | None) -> tuple[str, str]:
    """Difference, interval."""
    if difference is None:
        return "", ""
    low, high = difference.low, difference.high
    return f"{difference.mean:+.4f}", "one seed" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"
