"""Blocks on a terminal."""

from collections.abc import Iterable

from rich import table as rich_table
from rich.console import RenderableType
from rich.text import Text

from relab.report.blocks import Block, Cell, Command, Heading, Paragraph, Table, tone_of

STYLES = {"plain": "", "strong": "bold", "good": "green", "bad": "red"}


def render(blocks: Iterable[Block]) -> list[RenderableType]:
    """The blocks that are meant for a terminal, for ``rich.print``."""
    shown: list[RenderableType] = []
    for block in blocks:
        if block.aside:
            continue
        match block:
            case Table(rows=rows) if rows:
                shown.append(_table(block))
            case Paragraph(text=text) | Heading(text=text):
                shown.append(Text(text.replace("`", "").replace("**", "")))
            case Command(label=label, text=text):
                shown.append(Text.assemble((f"{label}: ", "bold"), text))
            case _:
                continue
    return shown


def _table(block: Table) -> RenderableType:
    """A table whose first column, and one of changes, wrap at words where the terminal is narrow."""
    table = rich_table.Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title=block.title or None, title_justify="left"
    )
    kept = [place for place, column in enumerate(block.columns) if not column.aside]
    for place in kept:
        column = block.columns[place]
        wraps = place == 0 or column.name == "changes"
        least = 16 if place == 0 and column.name and not column.number else None
        table.add_column(column.name, no_wrap=not wraps, overflow="fold", min_width=least)
    for row in block.rows:
        table.add_row(*(_text(row[place]) for place in kept))
    return table


def _text(cell: str | Cell) -> Text:
    return Text(cell if isinstance(cell, str) else cell.text, style=STYLES[tone_of(cell)])
