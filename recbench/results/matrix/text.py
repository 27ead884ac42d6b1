"""Matrices of methods by datasets as text: for the terminal, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.results.csv_text import as_csv
from recbench.results.leaderboard import markdown_row, markdown_text
from recbench.results.leaderboard_latex import PACKAGE, escaped, latex_row, latex_table
from recbench.results.matrix.methods_by_datasets import Matrix, MatrixColumn
from recbench.results.matrix.pairwise_wins import (
    NOBODY,
    TITLE,
    note_of_left,
    pairwise_wins,
    wins_latex,
    wins_markdown,
    wins_notes,
    wins_rows,
)
from recbench.results.matrix.rank_block import RankBlock, rank_block
from recbench.terminal import GAP, clean_line, columns_that_fit, empty_table, encodable

MARKS = {"better": "▲", "worse": "▼", "even": "", "": ""}
UNTESTED = {"▲": "△", "▼": "▽", "": ""}
STYLES = {"better": "blue", "worse": "yellow", "even": "", "": ""}
NAMES = 16  # cells that names of methods keep at least
HEADING = 18  # cells of a line of a heading at most
MEAN_RANK = "mean rank"
REFITTED = "*"


def markdown(matrices: Sequence[Matrix]) -> str:
    """Return the matrices as Markdown."""
    lines = []
    for matrix in matrices:
        block = rank_block(matrix)
        columns = matrix.columns
        lines += [f"## {markdown_text(matrix.metric)}\n"]
        headings = [f"{column.title} {column.column.feedback}" for column in columns]
        lines += [markdown_row(["method", *map(markdown_text, headings), MEAN_RANK])]
        lines += [markdown_row(["---", *["---:"] * (len(columns) + 1)])]
        for name in matrix.methods:
            numbers = []
            for column in columns:
                words, cell = markdown_text(cell_words(column, name)), column.cells.get(name)
                numbers.append(f"**{words}**" if cell and cell.row.best else words)
            lines.append(markdown_row([markdown_text(name), *numbers, _mean_rank(block, name)]))
        lines += ["", *(f"{markdown_text(note)}\n" for note in _notes(matrix, block)), *wins_markdown(matrix)]
    return "\n".join(lines)


def latex(matrices: Sequence[Matrix]) -> str:
    """Return the matrices as LaTeX tables, which need the package booktabs."""
    tables = ("\n".join(lines(matrix)) for matrix in matrices for lines in (_latex_table, wins_latex))
    return "\n\n".join([PACKAGE, *filter(None, tables)]) + "\n"


def csv(matrices: Sequence[Matrix]) -> str:
    """Return a line per number: its method and dataset, rank, difference to the best baseline, interval."""
    return as_csv(records(matrices))


def records(matrices: Sequence[Matrix]) -> list[dict[str, Any]]:
    """Return the numbers of the matrices, each with where it comes from."""
    return [
        {
            "metric": matrix.metric,
            "dataset": column.column.dataset,
            "split": column.column.split,
            "fingerprint": column.column.fingerprint,
            "feedback": column.column.feedback,
            "loss": cell.row.loss,
            "backbone": cell.row.backbone,
            "settings": cell.row.settings,
            "mean": cell.row.mean,
            "sd": cell.row.sd,
            "seeds": cell.row.seeds,
            "rank": cell.rank,
            "methods": len(column.ranked),
            "baseline": cell.baseline,
            "difference": cell.difference,
            "low": cell.interval and cell.interval[0],
            "high": cell.interval and cell.interval[1],
            "verdict": cell.verdict,
            "signature": cell.row.signature,
            "run": cell.row.run,
        }
        for matrix in matrices
        for column in matrix.columns
        for cell in column.cells.values()
    ]


def cell_words(column: MatrixColumn, name: str) -> str:
    """Return the difference to the best baseline, or else the value, and the rank: "▲ +0.0121 (1)", "0.2125 (2)"."""
    cell = column.cells.get(name)
    if cell is None:
        return "-"
    number = f"{cell.row.mean:.4f}" if cell.difference is None else f"{cell.difference:+.4f}"
    mark = MARKS[cell.verdict] if cell.interval else UNTESTED[MARKS[cell.verdict]]
    star = REFITTED if name in column.refitted else ""
    rank = "" if cell.rank is None else f" ({cell.rank:g})"
    return f"{mark}{' ' if mark else ''}{number}{star}{rank}"


def _mean_rank(block: RankBlock | None, name: str) -> str:
    return f"{block.mean_ranks[name]:.2f}" if block and name in block.mean_ranks else "-"


def _notes(matrix: Matrix, block: RankBlock | None) -> Iterator[str]:
    """Yield what the numbers and marks mean."""
    compared = [cell for column in matrix.columns for cell in column.cells.values() if cell.verdict]
    if compared:
        yield "a number with a sign is the difference to the best baseline, which shows its own value; (rank)"
        if matrix.tested:
            yield "▲ better and ▼ worse beyond chance: a test over users and seeds, corrected for the number of methods"
        if not all(cell.interval for cell in compared):
            yield "△ better and ▽ worse, but not tested, because the scores of single users are not kept"
    else:
        yield "value (rank among the methods of the column); there is no baseline"
    if any(column.refitted for column in matrix.columns):
        yield f"{REFITTED} learned from the validation rows too, and is compared with baselines that did"
        yield "a rank is among the methods that learned from the same rows; the fewer of a column have none"
    if block:
        yield block.words
    else:
        yield "no two methods stand on the same two datasets, so that there are no mean ranks"


def _latex_table(matrix: Matrix) -> Iterator[str]:
    block = rank_block(matrix)
    caption = escaped("; ".join([matrix.metric, *_notes(matrix, block)]))
    headings = [
        ["Method", *(escaped(column.title) for column in matrix.columns), "Mean rank"],
        ["", *(escaped(column.column.feedback) for column in matrix.columns), ""],
    ]
    return latex_table(caption, "l" + "r" * (len(matrix.columns) + 1), headings, _latex_rows(matrix, block))


def _latex_rows(matrix: Matrix, block: RankBlock | None) -> Iterator[str]:
    for name in matrix.methods:
        numbers = []
        for column in matrix.columns:
            words, cell = escaped(cell_words(column, name)), column.cells.get(name)
            numbers.append(rf"\textbf{{{words}}}" if cell and cell.row.best else words)
        yield latex_row([escaped(name), *numbers, _mean_rank(block, name)])


class TerminalMatrices:
    """The matrices for a rich console: tables that break into several where it is too narrow for all datasets."""

    def __init__(self, matrices: Sequence[Matrix]) -> None:
        self.matrices = matrices

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for matrix in self.matrices:
            block = rank_block(matrix)
            yield Text(clean_line(f"{matrix.metric}: methods by datasets"), style="bold")
            for part, columns in enumerate(_fitting(matrix, options.max_width)):
                yield _grid(matrix, columns, block if part == 0 else None, options.ascii_only)
                yield Text()
            for note in _notes(matrix, block):
                yield Text(encodable(clean_line(note), options.ascii_only), style="dim")
            yield Text()
            yield from _wins(matrix, options)
            if matrix is not self.matrices[-1]:
                yield Text()


def _wins(matrix: Matrix, options: ConsoleOptions) -> Iterator[RenderableType]:
    """Yield how often one method beats another, in tables no wider than the console, or why that is not counted."""
    found = pairwise_wins(matrix)
    if found is None:
        yield Text(NOBODY, style="dim")
        return
    yield Text(clean_line(f"{matrix.metric}: {TITLE}"), style="bold")
    rows = list(wins_rows(found))
    widths = {place: max(len(cells[place]) for _, cells in rows) for place in range(len(rows))}
    for places in columns_that_fit(widths, options.max_width - NAMES):
        grid = empty_table(encodable("loss × backbone", options.ascii_only))
        for place in places:
            grid.add_column(str(place + 1), justify="right", no_wrap=True)
        for name, cells in rows:
            grid.add_row(Text(encodable(clean_line(name), options.ascii_only)), *(cells[place] for place in places))
        yield grid
        yield Text()
    for note in [*wins_notes(found), *note_of_left(found)]:
        yield Text(note, style="dim")


def _fitting(matrix: Matrix, width: int) -> Iterator[list[MatrixColumn]]:
    """Yield the columns that fit the width beside the names of methods."""
    widths = {}
    for place, column in enumerate(matrix.columns):
        words = [*_heading(column), *(cell_words(column, name) for name in column.cells)]
        widths[place] = max(map(cell_len, words))
    for places in columns_that_fit(widths, width - NAMES - GAP - len(MEAN_RANK)):
        yield [matrix.columns[place] for place in places]


def _heading(column: MatrixColumn) -> list[str]:
    """Return dataset, split and feedback on short lines."""
    dataset, _, split = clean_line(column.title).partition("/")
    return [line for word in (dataset, split, clean_line(column.column.feedback)) for line in wrap(word, HEADING)]


def _grid(matrix: Matrix, columns: Sequence[MatrixColumn], block: RankBlock | None, ascii_only: bool) -> Table:
    grid = empty_table(encodable("loss × backbone", ascii_only))
    for column in columns:
        grid.add_column(Text("\n".join(_heading(column))), justify="right", no_wrap=True, overflow="fold")
    if block:
        grid.add_column(MEAN_RANK, justify="right", no_wrap=True)
    for name in matrix.methods:
        if any(name in column.cells for column in columns):
            numbers = []
            for column in columns:
                cell = column.cells.get(name)
                style = f"{STYLES[cell.verdict]} {'bold' if cell.row.best else ''}".strip() if cell else ""
                numbers.append(Text(encodable(cell_words(column, name), ascii_only), style=style))
            mean = [_mean_rank(block, name)] if block else []
            grid.add_row(Text(encodable(clean_line(name), ascii_only)), *numbers, *mean)
    return grid
