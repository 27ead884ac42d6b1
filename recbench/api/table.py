"""A result that prints as the commands do, and is a data frame to programs."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

from recbench.terminal import TerminalConsole

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType

WIDTH = 120  # characters of a line


class Table:
    """Rows of results. `print` shows what the command of the same name prints; a notebook shows the data frame."""

    def __init__(self, frame: pl.DataFrame, text: RenderableType) -> None:
        self._frame = frame
        self._text = text

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a data frame."""
        return self._frame

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return self._frame.to_dicts()

    def __len__(self) -> int:
        return len(self._frame)

    def __repr__(self) -> str:
        text = StringIO()
        TerminalConsole(file=text, width=WIDTH).print(self._text)
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        return self._frame._repr_html_()
