"""What is planned and how far it is, for the terminal."""

import json
from collections.abc import Mapping
from types import MappingProxyType

import polars as pl
from rich.console import Group, RenderableType
from rich.text import Text

from relab.estimate import Estimate
from relab.fields import settings_text
from relab.plan import SWEEP, Plan
from relab.progress import duration
from relab.records import Holder, StudyStore
from relab.report.blocks import Column, Table
from relab.report.terminal import render
from relab.spec import Spec


def render_plan(
    spec: Spec,
    plan: Plan,
    impossible: Mapping[str, str] = MappingProxyType({}),
    expected: Estimate | None = None,
    dropped: int = 0,
) -> RenderableType:
    """One row per arm: what it changes, how many of its trials are finished; below, what is left and what it takes."""
    rows = []
    frame = plan.frame()
    for (arm,), trials in frame.group_by(["arm"], maintain_order=True):
        changes = "" if arm == SWEEP else settings_text(json.loads(trials["parameters"][0]))
        rows.append([str(arm), changes, str(len(trials)), str((trials["state"] == "finished").sum())])
    if plan.to_draw:
        rows.append([SWEEP, "drawn by the search", str(plan.to_draw), ""])
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
    columns = (Column("arm"), Column("changes"), Column("trials", number=True), Column("finished", number=True))
    table = Table(columns, rows, title=f"{spec.name}: {spec.kind} of {spec.method}")
    return Group(*render([table]), *(Text(line) for line in lines))


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
