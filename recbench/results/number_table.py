"""A table whose words and numbers are never cut."""

from __future__ import annotations

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

NARROWEST = 8  # cells of a column that may break words


class NumberTable(Table):
    """A rich table that is shown as a block of lines for each row where the console is too narrow for its columns."""

    def __init__(
        self,
        *headers: Column | str,
        show_edge: bool = False,
        padding: tuple[int, int] | tuple[int, int, int, int] = (0, 1),
    ) -> None:
        super().__init__(*headers, box=box.SIMPLE_HEAD, show_edge=show_edge, pad_edge=show_edge, padding=padding)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table, or a line for each cell with the heading of its column, and an empty one between rows."""
        needed = self._extra_width + sum(self._narrowest(column, console, options) for column in self.columns)
        if needed <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        lines = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        lines.add_column(overflow="fold")
        lines.add_column(overflow="fold")
        for row in zip(*(column.cells for column in self.columns), strict=True):
            for column, cell in zip(self.columns, row, strict=True):
                lines.add_row(Text(" ".join(str(column.header).split())), cell)
            lines.add_row()
        yield lines

    def _narrowest(self, column: Column, console: Console, options: ConsoleOptions) -> int:
        """Return the width below which a column would be cut."""
        left, right = self.padding[3], self.padding[1]
        sizes = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
        width = max(size.maximum if column.no_wrap else size.minimum for size in sizes)
        return left + right + (min(width, NARROWEST) if column.overflow == "fold" and not column.no_wrap else width)
