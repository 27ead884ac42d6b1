"""Some rows of a file, and where in it each of them stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from recbench.errors import DataError


@dataclass(frozen=True)
class RowBlock:
    """Consecutive rows of one file."""

    path: Path
    frame: pl.DataFrame
    numbers: Sequence[int]  # of the line on which each row begins, or of the row itself, from 1
    unit: Literal["line", "row"]

    def place(self, row: int, column: str) -> str:
        """Return where a value stands, as messages begin."""
        return f"{self.path}, {self.unit} {self.numbers[row]}, column `{column}`"


def check_distinct(blocks: Sequence[RowBlock], column: str, message: str) -> None:
    """Raise DataError for the first value of a column that stands on an earlier row too; `message` follows the value.

    All blocks are looked at together, since to look up each among those before costs the blocks times the rows.
    """
    if not blocks:
        return
    values = pl.concat([block.frame[column] for block in blocks])
    if values.is_unique().all():
        return
    row = values.is_first_distinct().arg_min() or 0
    value = values[row]
    for block in blocks:
        if row < len(block.frame):
            raise DataError(f"{block.place(row, column)}: {value} {message}")
        row -= len(block.frame)
