"""How the arms do on each relation: an arm that gives the rare ones up can look better on all of them together."""

import polars as pl

from relab.comparison import headline
from relab.designs import FULL
from relab.records import StudyStore
from relab.report.blocks import Block, Column, Heading, Paragraph, Table

TABLE = "relations"
"""Of the tables that a method keeps of a split: a row per relation."""
COUNTS, SCORES = ("gold", "positives"), ("f1", "average_precision")
"""The columns of such a table that are read, the first of each that is there: how many there are, how well it does."""
MOST = 40
"""Relations shown, the most frequent first."""


def relation_blocks(study: StudyStore, frame: pl.DataFrame) -> list[Block]:
    """A row per relation, a column per arm, means over the seeds; nothing where the trials kept no such table."""
    split = headline(study.description(), frame).partition("/")[0]
    rows = study.table(f"{split}_{TABLE}")
    count = next((name for name in COUNTS if name in rows.columns), None)
    score = next((name for name in SCORES if name in rows.columns), None)
    if count is None or score is None:
        return []
    means = rows.group_by("relation", "arm").agg(pl.col(count).mean(), pl.col(score).mean())
    order = means.group_by("relation").agg(pl.col(count).mean()).sort(count, "relation", descending=[True, False])
    arms = sorted(rows["arm"].unique(maintain_order=True), key=lambda arm: arm != FULL)
    found = {(relation, arm): value for relation, arm, value in means.select("relation", "arm", score).iter_rows()}
    shown = [
        [relation, f"{number:.0f}", *(_score(found.get((relation, arm))) for arm in arms)]
        for relation, number in order.head(MOST).iter_rows()
    ]
    columns = (Column("relation"), *(Column(name, number=True) for name in (count, *arms)))
    left_out = f" The {MOST} most frequent of {len(order)}." if len(order) > MOST else ""
    return [
        Heading("By relation", 3),
        Table(columns, shown, title=f"{split}, {score}", aside=True),
        Paragraph(f"Means over the seeds, each relation by itself.{left_out}"),
    ]


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
