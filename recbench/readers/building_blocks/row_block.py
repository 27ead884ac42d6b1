"""Some rows of a file, and where in it each of them stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl


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
