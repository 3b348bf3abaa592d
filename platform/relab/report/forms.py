"""The whole report of a study, or of several beside each other, in the form that is asked for."""

from collections.abc import Sequence

from rich.console import RenderableType

from relab.records import StudyStore
from relab.report import html as html_page
from relab.report import markdown as markdown_page
from relab.report import terminal
from relab.report.blocks import Block, Drawing, Heading
from relab.report.content import side_by_side, study_blocks

Drawings = Sequence[Sequence[Drawing]]
"""The figures of each study."""


def study_tables(study: StudyStore) -> list[RenderableType]:
    """The answer of a study, for the terminal."""
    return terminal.render(study_blocks(study))


def markdown(*studies: StudyStore, figures: Drawings = ()) -> str:
    """The report of one study or several: the tables, what was done, what the results were made with."""
    return markdown_page.render(_blocks(studies, figures))


def html(*studies: StudyStore, figures: Drawings = ()) -> str:
    """The same as one HTML file that needs nothing else."""
    return html_page.render(_blocks(studies, figures), ", ".join(study.name for study in studies))


def _blocks(studies: Sequence[StudyStore], figures: Drawings) -> list[Block]:
    drawn = [*figures, *([()] * (len(studies) - len(figures)))]
    each = [block for study, own in zip(studies, drawn, strict=True) for block in study_blocks(study, own)]
    if len(studies) == 1:
        return each
    return [Heading(" and ".join(study.name for study in studies), 1), *side_by_side(studies), *each]
