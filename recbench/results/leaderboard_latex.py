"""The leaderboard as LaTeX: a table per dataset and feedback, in the style of booktabs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from recbench.results.leaderboard_rows import LeaderboardRow
from recbench.results.leaderboard_tables import (
    BRACKETS,
    DatasetTables,
    FeedbackTable,
    arrange,
    interval,
    meaning_of_bold,
    number_of_seeds,
    titles,
    with_most_seeds,
)
from recbench.results.number_words import clock
from recbench.terminal import clean_line

PACKAGE = "% \\usepackage{booktabs}"
MIDRULE = r"\midrule"
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
    "△": r"$\triangle$",
    "▽": r"$\bigtriangledown$",
    "<": r"$<$",
    ">": r"$>$",
}


def latex(rows: Sequence[LeaderboardRow], note: str = "", beside: Sequence[str] = ("settings",)) -> str:
    """Return the rows of `collect_rows` as LaTeX tables, which need the package booktabs, and a note as a comment.

    `beside` names what of BESIDE stands beside the metrics. The best of a column, and what a test does not tell apart
    from it, is bold; ± is the standard deviation over seeds. The caption says so.
    """
    datasets = arrange(rows)
    parts = [
        "\n".join(_table(title, dataset, table, beside))
        for title, dataset in zip(titles(datasets), datasets, strict=True)
        for table in dataset.tables.values()
    ]
    return "\n\n".join([PACKAGE, *parts, *([f"% {note}"] if note else [])]) + "\n"


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is, on one line."""
    return "".join(ESCAPES.get(character, character) for character in clean_line(text))


def latex_table(caption: str, alignment: str, headings: Iterable[Sequence[str]], rows: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a table in the style of booktabs; all text is `escaped`."""
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{caption}}}"
    yield rf"\begin{{tabular}}{{{alignment}}}"
    yield r"\toprule"
    yield from map(latex_row, headings)
    yield MIDRULE
    yield from rows
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def latex_row(cells: Sequence[str]) -> str:
    """Return one row of a LaTeX table."""
    return " & ".join(cells) + r" \\"


def _table(title: str, dataset: DatasetTables, table: FeedbackTable, beside: Sequence[str]) -> Iterator[str]:
    seeds = sorted({row.seeds for rows in table.columns.values() for row in rows})
    means = f"mean over {'--'.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seed{'s' if seeds[-1] > 1 else ''}"
    shared = f" All trained methods: {escaped(dataset.shared_settings)}." if dataset.shared_settings else ""
    remarks = "".join(f" {escaped(remark[0].upper() + remark[1:])}." for remark in dataset.remarks)
    caption = f"{escaped(f'{title}: {table.feedback}')}, {means}.{shared}{remarks}{''.join(_marks(table, beside))}"
    settings = "settings" in beside
    after = [name for name in ("time", "seeds") if name in beside]
    metrics = (escaped(column.metric) for column in table.columns)
    heading = ["Method", *["Settings"] * settings, *metrics, *(name.capitalize() for name in after)]
    alignment = "l" * (1 + settings) + "r" * (len(heading) - 1 - settings)
    yield from latex_table(caption, alignment, [heading], _rows(dataset, table, beside))
    for signature in dict.fromkeys(column.signature for column in table.columns):
        yield f"% {clean_line(signature)}"


def _rows(dataset: DatasetTables, table: FeedbackTable, beside: Sequence[str]) -> Iterator[str]:
    for method, cells in table.methods.items():
        settings = [escaped(dataset.own_settings(method))] * ("settings" in beside)
        numbers = [_number(cells.get(column), "interval" in beside) for column in table.columns]
        time = [clock(with_most_seeds(cells).seconds)] * ("time" in beside)
        seeds = [number_of_seeds(list(cells.values()))] * ("seeds" in beside)
        yield latex_row([escaped(method.name), *settings, *numbers, *time, *seeds])
    if table.bounds:
        bounds = (f"{table.bounds[column]:.4f}" if column in table.bounds else "" for column in table.columns)
        empty = [""] * len({"time", "seeds"}.intersection(beside))
        yield MIDRULE
        yield latex_row(["True probability", *[""] * ("settings" in beside), *bounds, *empty])


def _marks(table: FeedbackTable, beside: Sequence[str]) -> Iterator[str]:
    rows = [row for rows in table.columns.values() for row in rows]
    if bold := meaning_of_bold(rows):
        yield f" Bold: {bold}."
    if any(row.below for row in rows):
        yield r" $\downarrow$: worse than the best baseline."
    if "interval" in beside and any(interval(row) for row in rows):
        yield f" In brackets: {BRACKETS}.".replace("95 %", r"95\,\%")
    if "time" in beside:
        yield " Time: of training, in minutes and seconds."


def _number(row: LeaderboardRow | None, with_interval: bool) -> str:
    if row is None or row.mean is None:
        return "--"
    spread = "" if row.sd is None else rf" {{\scriptsize $\pm$ {row.sd:.4f}}}"
    if with_interval and (words := interval(row)):
        spread += rf" {{\scriptsize ${words}$}}"
    mean = f"{row.mean:.4f}"
    below = r"$\downarrow$ " if row.below else ""
    return below + (rf"\textbf{{{mean}}}" if row.best else mean) + spread
