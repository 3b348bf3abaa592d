"""What a report is made of, whatever it is shown on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "strong", "good", "bad"]


@dataclass(frozen=True)
class Heading:
    """The beginning of a section; level 1 is the report's own."""

    text: str
    level: int = 2
    aside: bool = True
    """Not for the terminal, which shows the answer alone."""


@dataclass(frozen=True)
class Paragraph:
    """Text with inline Markdown: code, bold, links; lines that begin with ``- `` are a list."""

    text: str
    aside: bool = True


@dataclass(frozen=True)
class Command:
    """Something to type, or to save as a file."""

    label: str
    text: str
    aside: bool = True


@dataclass(frozen=True)
class Cell:
    """A cell that stands out."""

    text: str
    tone: Tone = "plain"
    more: str = ""
    """Behind the text, where there is room."""


@dataclass(frozen=True)
class Column:
    """A table's column."""

    name: str
    number: bool = False
    """Set to the right."""
    aside: bool = False
    """Not for the terminal, which is narrow."""


@dataclass(frozen=True)
class Table:
    """Rows of cells; nothing is shown of a table without rows."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[str | Cell]]
    title: str = ""
    aside: bool = False


@dataclass(frozen=True)
class Drawing:
    """A figure that lies beside the report, or is carried inside it."""

    file: str
    """Its name beside the report, or its content as a ``data:`` address."""
    caption: str
    aside: bool = True

    @property
    def alternative(self) -> str:
        """What the figure is, for those who do not see it."""
        return self.caption.partition(":")[0].replace("`", "")


Block = Heading | Paragraph | Command | Table | Drawing


def text_of(cell: str | Cell) -> str:
    """The words of a cell, all of them."""
    return cell if isinstance(cell, str) else cell.text + cell.more


def tone_of(cell: str | Cell) -> Tone:
    """How a cell stands out."""
    return "plain" if isinstance(cell, str) else cell.tone
