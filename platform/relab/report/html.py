"""Blocks as one HTML file that needs nothing else: light and dark, on a phone and on paper."""

from collections.abc import Iterable
from html import escape

from markdown_it import MarkdownIt

from relab.report.blocks import Block, Cell, Command, Drawing, Heading, Paragraph, Table, text_of, tone_of

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --soft: #666; --line: #ddd; --code: #f4f4f2;
  --good: #00703c; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #16181a; --soft: #9aa0a6; --line: #3a3d40;
  --code: #222528; --good: #5fd08c; --bad: #ff8a80; } img { filter: invert(1) hue-rotate(180deg); } }
* { box-sizing: border-box; }
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; max-width: 76rem;
  margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid var(--ink); font-weight: 600; white-space: nowrap; }
td { border-bottom: 1px solid var(--line); }
th.number, td.number { text-align: right; white-space: nowrap; }
.strong { font-weight: 700; } .good { color: var(--good); } .bad { color: var(--bad); }
code, pre { background: var(--code); font: .875em ui-monospace, monospace; } code { padding: 0 .2em; }
pre { padding: .7rem; overflow-x: auto; }
figure { display: inline-block; vertical-align: top; width: min(100%, 35rem); margin: 1rem 1rem 1rem 0; }
img { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .875rem; }
a { color: inherit; }
"""


def render(blocks: Iterable[Block], title: str) -> str:
    """The whole file. Figures are to be given as ``data:`` addresses, so that it can be sent and kept."""
    body = "\n".join(part for part in map(_block, blocks) if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading(text=text, level=level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(text=text):
            return _words(text)
        case Command(label=label, text=text):
            return f"{_words(f'{label}:')}\n<pre>{escape(text)}</pre>"
        case Drawing():
            image = f'<img src="{escape(block.file)}" alt="{escape(block.alternative)}">'
            return f"<figure>{image}<figcaption>{_words(block.caption)}</figcaption></figure>"
        case Table(rows=rows) if rows:
            return _table(block)
        case Table():
            return ""


def _words(text: str) -> str:
    """Inline Markdown; HTML inside it is shown, not obeyed: names of arms and messages of errors come from outside."""
    return str(MarkdownIt("commonmark", {"html": False}).render(text)).rstrip()


def _table(table: Table) -> str:
    kinds = ["number" if column.number else "" for column in table.columns]
    head = "".join(
        f"<th{_classes(kind)}>{escape(column.name)}</th>" for column, kind in zip(table.columns, kinds, strict=True)
    )
    rows = "\n".join(
        "<tr>" + "".join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    return (
        f'<div class="wide"><table>{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _cell(cell: str | Cell, kind: str) -> str:
    tone = tone_of(cell)
    return f"<td{_classes(kind, '' if tone == 'plain' else tone)}>{escape(text_of(cell))}</td>"


def _classes(*names: str) -> str:
    given = " ".join(name for name in names if name)
    return f' class="{given}"' if given else ""
