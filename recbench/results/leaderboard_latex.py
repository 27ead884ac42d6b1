"""The leaderboard as LaTeX: a table per dataset and feedback, in the style of booktabs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recbench.results.leaderboard_rows import LeaderboardRow, meaning_of_bold
from recbench.results.leaderboard_tables import DatasetTables, FeedbackTable, arrange, titles
from recbench.terminal import clean_line

ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    "▲": r"$\uparrow$",
    "▼": r"$\downarrow$",
    "<": r"$<$",
    ">": r"$>$",
}


def latex(rows: Sequence[LeaderboardRow], note: str = "") -> str:
    """Return the rows of `collect_rows` as LaTeX tables, which need the package booktabs, and a note as a comment.

    The best of a column, and what a test does not tell from it, is bold; ± is the standard deviation over seeds.
    The caption says so.
    """
    datasets = arrange(rows)
    parts = [
        "\n".join(_table(title, dataset, table))
        for title, dataset in zip(titles(datasets), datasets, strict=True)
        for table in dataset.tables.values()
    ]
    return "\n\n".join(["% \\usepackage{booktabs}", *parts, *([f"% {note}"] if note else [])]) + "\n"


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is, on one line."""
    return "".join(ESCAPES.get(character, character) for character in clean_line(text))


def _table(title: str, dataset: DatasetTables, table: FeedbackTable) -> Iterator[str]:
    seeds = sorted({row.seeds for rows in table.columns.values() for row in rows})
    means = f"mean over {'--'.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seed{'s' if seeds[-1] > 1 else ''}"
    shared = f" All trained methods: {escaped(dataset.shared_settings)}." if dataset.shared_settings else ""
    yield r"\begin{table}"
    yield r"\centering"
    caption = f"{escaped(f'{title}: {table.feedback}')}, {means}.{shared}{''.join(_marks(table))}"
    yield rf"\caption{{{caption}}}"
    yield rf"\begin{{tabular}}{{ll{'r' * len(table.columns)}}}"
    yield r"\toprule"
    yield _line(["Method", "Settings", *(escaped(column.metric) for column in table.columns)])
    yield r"\midrule"
    for method, cells in table.methods.items():
        numbers = (_number(cells.get(column)) for column in table.columns)
        yield _line([escaped(method.name), escaped(dataset.own_settings(method)), *numbers])
    if table.bounds:
        bounds = (f"{table.bounds[column]:.4f}" if column in table.bounds else "" for column in table.columns)
        yield r"\midrule"
        yield _line(["True probability", "", *bounds])
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"
    for signature in dict.fromkeys(column.signature for column in table.columns):
        yield f"% {clean_line(signature)}"


def _marks(table: FeedbackTable) -> Iterator[str]:
    rows = [row for rows in table.columns.values() for row in rows]
    if bold := meaning_of_bold(rows):
        yield f" Bold: {bold}."
    if any(row.below for row in rows):
        yield r" $\downarrow$: worse than the best baseline."


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _number(row: LeaderboardRow | None) -> str:
    if row is None or row.mean is None:
        return "--"
    spread = "" if row.sd is None else rf" {{\scriptsize $\pm$ {row.sd:.4f}}}"
    mean = f"{row.mean:.4f}"
    below = r"$\downarrow$ " if row.below else ""
    return below + (rf"\textbf{{{mean}}}" if row.best else mean) + spread
