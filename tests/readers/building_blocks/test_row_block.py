from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recbench.errors import DataError
from recbench.readers.building_blocks.row_block import RowBlock, check_distinct


def test_the_first_repeated_value_is_named_with_its_place() -> None:
    """Values of a block of another file count, and of two repeated values the one that is met first."""
    blocks = [
        RowBlock(Path("a.csv"), pl.DataFrame({"id": ["x", "y"]}), range(2, 4), "line"),
        RowBlock(Path("a.csv"), pl.DataFrame({"id": ["z"]}), [7], "line"),
        RowBlock(Path("b.parquet"), pl.DataFrame({"id": ["w", "z", "x"]}), range(1, 4), "row"),
    ]
    with pytest.raises(DataError, match="^b.parquet, row 2, column `id`: z stands there twice$"):
        check_distinct(blocks, "id", "stands there twice")
    check_distinct(blocks[:2], "id", "stands there twice")
    check_distinct([], "id", "stands there twice")
