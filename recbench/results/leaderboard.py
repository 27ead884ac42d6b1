"""The leaderboard for people: a terminal table, and Markdown; every number goes with its signature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from recbench.errors import UsageError
from recbench.results.files import write_atomically
from recbench.results.leaderboard_rows import Column, LeaderboardRow, collect_rows
from recbench.results.leaderboard_selection import note_of_hidden, worth_showing
from recbench.results.leaderboard_tables import (
    BOUND,
    BRACKETS,
    DatasetTables,
    FeedbackTable,
    arrange,
    interval,
    number,
    number_of_seeds,
    titles,
    with_most_seeds,
)
from recbench.results.number_words import clock, sparkline
from recbench.results.store import Store
from recbench.terminal import GAP, clean_line, columns_that_fit, empty_table, encodable

MARKDOWN = "leaderboard.md"
CURVES = "curve: validation metric by epoch, scaled from the lowest to the highest value of each row"
NARROWEST = 16  # cells that the column of methods may be squeezed to


@dataclass(frozen=True)
class _Part:
    """The columns of a table that fit side by side."""

    columns: list[Column]
    time: bool = False
    curve: bool = False


def terminal_table(rows: Sequence[LeaderboardRow], note: str = "") -> RenderableType:
    """Return the rows of `collect_rows` for a rich console, in tables no wider than it, and a note below them."""
    tables = _TerminalTables(arrange(rows))
    return Group(tables, Text(note, style="dim")) if note else tables


def markdown(
    rows: Sequence[LeaderboardRow], note: str = "", beside: Sequence[str] = ("settings", "time", "seeds")
) -> str:
    """Return the rows of `collect_rows` as Markdown, one table per dataset, split and feedback, and a note.

    `beside` names what of BESIDE stands beside the metrics.
    """
    datasets = arrange(rows)
    lines = [
        line
        for title, dataset in zip(titles(datasets), datasets, strict=True)
        for line in _markdown_lines(title, dataset, beside)
    ]
    return "\n".join([*lines, f"{markdown_text(note)}\n"] if note else lines)


def write_markdown(store: Store) -> None:
    """Write the whole leaderboard to `leaderboard.md`, atomically.

    Each writer looks again after writing and repeats if more came, so the last one has seen everything.
    Raises UsageError if nothing was evaluated.
    """
    head = "# Leaderboard\n\nMade from `runs/` by recbench; do not edit.\n\n"
    written, listing = None, store.listing()
    while written != listing:
        written = listing
        rows = collect_rows(store)
        shown = worth_showing(rows, metrics_asked=False)
        content = head + markdown(shown, note_of_hidden(rows, shown))
        write_atomically(store.root / MARKDOWN, content)
        listing = store.listing()


def update_markdown(store: Store) -> None:
    """Write `leaderboard.md` again if there is one; take it away if no run is left to stand on it."""
    path = store.root / MARKDOWN
    if path.exists():
        try:
            write_markdown(store)
        except UsageError:
            path.unlink(missing_ok=True)


def markdown_row(cells: Sequence[str]) -> str:
    """Return one row of a Markdown table, its cells shown as they are."""
    return f"| {' | '.join(cells)} |"


def markdown_text(text: str) -> str:
    """Return text that Markdown shows as it is, on one line: no links, no formulas, no columns of a table."""
    text = (
        clean_line(text)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace("://", "&#58;//")
        .replace("www.", "www&#46;")
    )
    return "".join(f"\\{character}" if character in r"\|*_`[]~$" else character for character in text)


def _markdown_lines(title: str, dataset: DatasetTables, beside: Sequence[str]) -> Iterator[str]:
    if dataset.shared_settings:
        yield f"All trained methods on {markdown_text(title)}: {markdown_text(dataset.shared_settings)}.\n"
    before = ["loss", "backbone", *(name for name in ("settings",) if name in beside)]
    after = [name for name in ("time", "seeds") if name in beside]
    for table in dataset.tables.values():
        metrics = [dataset.heading(column) for column in table.columns]
        headings = [*before, *metrics, *after]
        yield f"## {markdown_text(f'{title}: {table.feedback}')}\n"
        yield markdown_row([markdown_text(heading) for heading in headings])
        yield markdown_row(["---"] * len(before) + ["---:"] * (len(headings) - len(before)))
        for method, cells in table.methods.items():
            names = (method.loss, method.backbone, dataset.own_settings(method))[: len(before)]
            numbers = [_markdown_number(cells.get(column), "interval" in beside) for column in table.columns]
            said = {"time": clock(with_most_seeds(cells).seconds), "seeds": number_of_seeds(list(cells.values()))}
            yield markdown_row([*map(markdown_text, names), *numbers, *(said[name] for name in after)])
        if table.bounds:
            bounds = _bounds(table, table.columns)
            yield markdown_row([BOUND, *[""] * (len(before) - 1), *bounds, *[""] * len(after)])
        yield ""
        for note in filter(None, dataset.notes(table)):
            yield f"{markdown_text(note)}\n"
        if "interval" in beside and any(interval(row) for rows in table.columns.values() for row in rows):
            yield f"in brackets: {BRACKETS}\n"
    for signature, letter in dataset.letters.items():
        yield f"({letter}) {markdown_text(signature)}\n"
    for note in [*dataset.remarks, dataset.runs_tested()]:
        yield f"{markdown_text(note)}\n"


def _markdown_number(row: LeaderboardRow | None, with_interval: bool) -> str:
    words = f"**{number(row)}**" if row and row.best else number(row)
    return f"{words} {markdown_text(interval(row))}".rstrip() if with_interval else words


def _bounds(table: FeedbackTable, columns: Sequence[Column] | dict[Column, list[LeaderboardRow]]) -> list[str]:
    return [f"{table.bounds[column]:.4f}" if column in table.bounds else "" for column in columns]


class _TerminalTables:
    """Tables that break into several where the console is too narrow for all metrics."""

    def __init__(self, datasets: list[DatasetTables]) -> None:
        self.datasets = datasets

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for position, (title, dataset) in enumerate(zip(titles(self.datasets), self.datasets, strict=True)):
            if position:
                yield Text()
            yield from self._dataset(title, dataset, console, options)

    def _dataset(
        self, title: str, dataset: DatasetTables, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        ascii_only, curves = options.ascii_only, False
        last = list(dataset.tables.values())[-1]
        if dataset.shared_settings:
            yield Text(clean_line(f"{title}, all trained methods: {dataset.shared_settings}"), style="dim")
            yield Text()
        for table in dataset.tables.values():
            yield Text(clean_line(f"{title}: {table.feedback}"), style="bold")
            for part in _fit(dataset, table, options.max_width, ascii_only):
                yield _grid(dataset, table, part, ascii_only)
                yield Text()
                curves |= part.curve
            bold, below = dataset.notes(table)
            notes = [note for note in (bold if console.is_terminal else "", below) if note]  # bold is lost elsewhere
            for note in notes:
                yield Text(encodable(clean_line(note), ascii_only), style="dim")
            if notes and table is not last:
                yield Text()
        for signature, letter in dataset.letters.items():
            yield Text(f"({letter}) {clean_line(signature)}", style="dim")
        if curves:
            yield Text(CURVES, style="dim")
        for note in [*dataset.remarks, dataset.runs_tested()]:
            yield Text(encodable(clean_line(note), ascii_only), style="dim")


def _fit(dataset: DatasetTables, table: FeedbackTable, width: int, ascii_only: bool) -> Iterator[_Part]:
    """Split the columns so that each table fits the width, names of methods folded if need be.

    The last one has the times and the curves if there is room beside whole names; curves are the first to go.
    """
    names = max(cell_len(method.name) for method in table.methods)
    free = width - min(names, NARROWEST) - len("  seeds")
    widths = {
        column: max(cell_len(dataset.heading(column)), *(_cell(row, ascii_only).cell_len for row in rows))
        for column, rows in table.columns.items()
    }
    *others, columns = columns_that_fit(widths, free)
    for part in others:
        yield _Part(part)
    room = free - sum(GAP + widths[column] for column in columns) - max(names - NARROWEST, 0)
    longest = [with_most_seeds(cells) for cells in table.methods.values()]
    room -= 2 + max(cell_len(clock(row.seconds)) for row in longest)
    curve = 2 + max(len("curve"), *(len(sparkline(row.curve)) for row in longest))
    drawn = not ascii_only and any(sparkline(row.curve) for row in longest)
    yield _Part(columns, time=room >= 0, curve=drawn and room >= curve)


def _grid(dataset: DatasetTables, table: FeedbackTable, part: _Part, ascii_only: bool) -> Table:
    grid = empty_table(encodable("loss × backbone", ascii_only))
    for column in part.columns:
        heading = Text(clean_line(dataset.heading(column)))
        grid.add_column(heading, justify="right", no_wrap=True, overflow="fold")
    if part.curve:
        grid.add_column("curve", no_wrap=True)
    if part.time:
        grid.add_column("time", justify="right", no_wrap=True)
    grid.add_column("seeds", justify="right", no_wrap=True)
    for method, cells in table.methods.items():
        numbers = [_cell(cells.get(column), ascii_only) for column in part.columns]
        shown = [cells[column] for column in part.columns if column in cells]
        if not shown:
            continue
        longest = with_most_seeds(cells)
        curve = [sparkline(longest.curve)] if part.curve else []
        time = [clock(longest.seconds)] if part.time else []
        grid.add_row(
            _method(method.name, dataset.own_settings(method), ascii_only),
            *numbers,
            *curve,
            *time,
            number_of_seeds(shown),
        )
    if table.bounds.keys() & set(part.columns):
        grid.add_row(BOUND, *_bounds(table, part.columns), *[""] * (1 + part.time + part.curve), style="dim")
    return grid


def _method(name: str, settings: str, ascii_only: bool) -> RenderableType:
    title = Text(encodable(clean_line(name), ascii_only))
    words = Text(clean_line(settings), style="dim")
    return Group(title, Padding(words, (0, 0, 0, 2))) if settings else title


def _cell(row: LeaderboardRow | None, ascii_only: bool) -> Text:
    return Text(encodable(number(row), ascii_only), style="bold" if row and row.best else "")
