"""A table as LaTeX with booktabs, for a paper."""

from relab.report.blocks import Cell, Table, text_of, tone_of

CHECK = "✓"
"""A component that is on."""

NEEDED = r"\usepackage{booktabs,amssymb}"

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "ε": r"$\varepsilon$", "α": r"$\alpha$",
    "β": r"$\beta$", "γ": r"$\gamma$", "θ": r"$\theta$", "λ": r"$\lambda$", CHECK: r"$\checkmark$",
}  # fmt: skip
"""Characters that mean something to LaTeX, or that a font of pdfLaTeX lacks."""


def render(table: Table, caption: str, label: str, note: str = "") -> str:
    r"""A ``table`` environment that ``\input`` takes.

    Args:
        table: its title is left out, the caption says more.
        caption: plain text.
        label: for ``\ref``, after ``tab:``.
        note: plain text below the rows.
    """
    columns = "".join("r" if column.number else "l" for column in table.columns)
    lines = [
        f"% needs {NEEDED}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(caption)}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        "    " + " & ".join(escape(column.name) for column in table.columns) + r" \\",
        r"    \midrule",
        *("    " + " & ".join(_cell(cell) for cell in row) + r" \\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *([rf"  \par\smallskip\footnotesize {escape(note)}"] if note else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX sets as it stands."""
    return "".join(SPECIAL.get(character, character) for character in text)


def _cell(cell: str | Cell) -> str:
    text = escape(text_of(cell))
    return rf"\textbf{{{text}}}" if text and tone_of(cell) == "strong" else text
