"""Blocks as Markdown."""

from collections.abc import Iterable

from relab.report.blocks import Block, Cell, Command, Drawing, Heading, Paragraph, Table, text_of, tone_of


def render(blocks: Iterable[Block]) -> str:
    """One Markdown page, for a repository or a notebook."""
    return "\n\n".join(part for part in map(_block, blocks) if part) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text=text, level=level):
            return f"{'#' * level} {text}"
        case Paragraph(text=text):
            return text
        case Command(label=label, text=text):
            return f"{label}:\n\n```\n{text}\n```"
        case Drawing():
            return f"![{block.alternative}]({block.file})\n\n{block.caption}"
        case Table(rows=rows) if rows:
            return _table(block)
        case Table():
            return ""


def _table(table: Table) -> str:
    lines = [
        [column.name for column in table.columns],
        ["---:" if column.number else "---" for column in table.columns],
        *([_cell(cell) for cell in row] for row in table.rows),
    ]
    title = f"**{table.title}**\n\n" if table.title else ""
    return title + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(cell: str | Cell) -> str:
    text = text_of(cell).replace("|", "\\|")
    return f"**{text}**" if text and tone_of(cell) == "strong" else text
