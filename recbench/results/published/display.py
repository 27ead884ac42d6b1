"""A published table for the terminal: methods by metrics, what to train, and how the numbers came about."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.results.published.tables import PublishedCell, PublishedMethod, PublishedTable, cells
from recbench.terminal import columns_that_fit, empty_table

PROTOCOL = (
    "unit",
    "definition",
    "candidates",
    "seen",
    "split",
    "feedback",
    "selection",
    "seeds",
    "backbone",
    "training",
)


def terminal_table(table: PublishedTable) -> RenderableType:
    """Return a table for a rich console: methods by metrics, then what to train, and how the numbers came about."""
    return Group(
        Text(f"{table.name}: {table.title}", style="bold"),
        Text(f"{table.compares}; section {table.section} of {table.citation}\n", style="dim"),
        _NumberGrids(table),
        _recipes(table),
        Text(),
        _facts(table),
    )


class _NumberGrids:
    """Methods by metrics of datasets, in several tables where the console is too narrow for one."""

    def __init__(self, table: PublishedTable) -> None:
        self.printed: dict[str, dict[str, str]] = {}  # method → heading → number as printed
        widths: dict[str, int] = {}
        for cell in cells(table):
            feedback = f"\n{cell.feedback}" if len(table.datasets[cell.dataset].feedback) > 1 else ""
            heading = f"{cell.dataset}\n{cell.metric}{feedback}"
            self.printed.setdefault(_method(table, cell), {})[heading] = cell.printed
            words = [cell.printed, *heading.split("\n")]
            widths[heading] = max(widths.get(heading, 0), *map(cell_len, words))
        order = list(table.datasets)
        headings = sorted(widths, key=lambda heading: order.index(heading.partition("\n")[0]))
        self.widths = {heading: widths[heading] for heading in headings}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for headings in columns_that_fit(self.widths, options.max_width - max(map(cell_len, self.printed))):
            grid = empty_table("method")
            for heading in headings:
                grid.add_column(Text(heading), justify="right", no_wrap=True)
            for name, by_heading in self.printed.items():
                numbers = [by_heading.get(heading, "") for heading in headings]
                if any(numbers):
                    grid.add_row(Text(name), *numbers)
            yield grid
            yield Text()


def _recipes(table: PublishedTable) -> Table:
    grid = empty_table("method", "--loss", "--set", "on")
    for row in table.rows:
        settings = " ".join(row.settings)
        grid.add_row(Text(_method(table, row)), row.loss or "-", Text(settings), ", ".join(row.values))
    return grid


def _facts(table: PublishedTable) -> Table:
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name in PROTOCOL:
        grid.add_row(name, Text(str(getattr(table.protocol, name) or "not reported")))
    for name, data in table.datasets.items():
        rule = f", rule {data.rule}" if data.rule else ""
        grid.add_row(name, Text(f"split {data.split}{rule}; trained on {', '.join(data.feedback)}"))
        for reason in data.incomparable:
            grid.add_row("  caution", Text(reason))
    if table.protocol.selected_on_test:
        grid.add_row("caution", Text(f"not comparable: {table.protocol.selected_on_test}"))
    for reason in table.protocol.incomparable:
        grid.add_row("caution", Text(reason))
    for note in table.notes:
        grid.add_row("note", Text(note))
    return grid


def _method(table: PublishedTable, named: PublishedMethod | PublishedCell) -> str:
    """Return the name in the paper, with the backbone if the table has several."""
    several = len({row.backbone for row in table.rows}) > 1
    return f"{named.method} × {named.backbone}" if several else named.method
