"""Printed numbers with ours below them."""

from relab.beside import Beside, Cell, Line
from relab.report import blocks
from relab.report.blocks import Block, Column, Heading, Paragraph, Table, Tone

HERE = "here: "
"""Marks our arms among the rows of a paper."""

TONES: dict[str, Tone] = {"inside": "good", "above": "bad", "below": "bad"}


def published_blocks(found: Beside) -> list[Block]:
    """A table of a paper in percent: below a printed row our arm of the same system, and where it was expected."""
    paper, entry = found.paper, found.entry
    rows: list[list[str | blocks.Cell]] = []
    for line in found.lines:
        rows.append(
            [line.system, "yes" if line.tools else "", *(_printed(cell, entry.decimals) for cell in line.cells)]
        )
        if any(cell.mean is not None for cell in line.cells):
            rows.append([blocks.Cell(f"{HERE}{line.arm}", "strong"), "", *map(_ours, line.cells)])
            if not found.apart:
                rows.append(["expected", "", *map(_expected, line.cells)])
    columns = (Column("system"), Column("tools"), *(Column(name, number=True) for name in entry.metrics))
    return [
        Heading("Published numbers"),
        Paragraph(
            f"[{paper.paper}]({paper.url}), {paper.table}: {entry.title}, in percent. Tools: features of external NLP "
            "tools. Ours: mean over the seeds ± standard deviation."
        ),
        Table(columns, rows, title=f"{paper.cite}, {paper.table}, {entry.title}: %"),
        Paragraph(_basis(found), aside=False),
        Paragraph("\n".join(f"- {remark}" for remark in (*entry.remarks, *paper.remarks))),
    ]


def _printed(cell: Cell, decimals: int) -> blocks.Cell:
    spread = "" if cell.spread is None else f" ± {cell.spread:.{decimals}f}"
    return blocks.Cell(f"{cell.printed:.{decimals}f}", more=spread)


def _ours(cell: Cell) -> blocks.Cell:
    if cell.mean is None:
        return blocks.Cell("")
    return blocks.Cell(f"{cell.mean:.2f}", more="" if cell.deviation is None else f" ± {cell.deviation:.2f}")


def _expected(cell: Cell) -> blocks.Cell:
    """The interval that our mean was expected in, and where it lies."""
    if cell.expected is None:
        return blocks.Cell(cell.verdict or "")
    low, high = cell.expected
    return blocks.Cell(f"{low:.2f} to {high:.2f}: {cell.verdict}", TONES.get(str(cell.verdict), "plain"))


def _basis(found: Beside) -> str:
    """What a verdict rests on, or why there is none."""
    ours = max((cell.seeds for line in found.lines for cell in line.cells), default=0)
    runs = f"Seeds: {ours} / {'not said' if found.entry.runs is None else found.entry.runs}."
    if found.apart:
        return f"Not comparable in level. What differs (here / there): {'; '.join(found.apart)}. {runs}"
    taken = (
        " Where a paper does not say how many runs a number stands for, one is taken." if _unsaid(found.lines) else ""
    )
    return (
        "Comparable (here / there): same corpus, folds, word vectors and settings. Expected: where our mean lies in 95 "
        f"of 100 cases if both do the same.{taken} {runs}"
    )


def _unsaid(lines: tuple[Line, ...]) -> bool:
    return any(line.arm and line.runs is None for line in lines)
