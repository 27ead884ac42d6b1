"""The entities of one side as the log names them, numbered in the order in which they appear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.errors import DataError
from recbench.preparation.frame_file import FrameFile
from recbench.preparation.hash_index import Hashes, HashIndex

CODE = "\tcode"  # the column of codes: a name that no column of a dataset has
SEEDS = (1, 2)  # of the two hashes that stand for a row


class Keys:
    """The distinct rows of the identity columns, each with a code 0, 1, … by first appearance in file order.

    They are known by 128 bits of hash; the columns themselves go to `features`, a file with the column `code`.
    """

    def __init__(self, identity: tuple[str, ...], path: Path) -> None:
        self.identity = identity
        self.features = FrameFile(path)
        self._index = HashIndex()

    def __len__(self) -> int:
        return len(self._index)

    @property
    def single(self) -> bool:
        """Whether one column is the identity."""
        return len(self.identity) == 1

    def code(self, block: pl.DataFrame) -> pl.Series:
        """Return the code of each row [R] uint32, giving new ones to entities that have none yet.

        Raises DataError for a missing column.
        """
        for name in self.identity:
            if name not in block.columns:
                raise DataError(f"no column `{name}` among {', '.join(block.columns)}; correct the catalogue")
        start, which = _hashes(block.select(self.identity))
        code = self._index.find(start, which)
        lacking = np.flatnonzero(code < 0)
        if len(lacking):
            first = lacking[_first_of_each(start[lacking], which[lacking])]
            codes = pl.Series(CODE, np.arange(len(self), len(self) + len(first), dtype=np.uint32))
            self._index.add(start[first], which[first])
            self.features.append(block.select(pl.col(self.identity).gather(first)).with_columns(codes))
            code[lacking] = self._index.find(start[lacking], which[lacking])
        return pl.Series(CODE, code.view(np.uint32))

    def find(self, rows: pl.DataFrame) -> NDArray[np.int32]:
        """Return the code of each row of identity columns, typed as in `features`, -1 for one that has none, [R]."""
        return self._index.find(*_hashes(rows))

    def order(self, first: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return all codes, those of `first` [entities] before the rest, each group by key, or else by appearance."""
        if not self.single:
            return np.argsort(~first, kind="stable")
        known = pl.concat(list(self.features.frames([*self.identity, CODE])))
        keys = known.with_columns(last=~pl.Series(first)[known[CODE]])
        return keys.sort("last", *self.identity, nulls_last=True)[CODE].cast(pl.Int64).to_numpy()


def _hashes(rows: pl.DataFrame) -> tuple[Hashes, Hashes]:
    """Return 128 bits for each row, as two hashes, [R] each."""
    start, which = (rows.hash_rows(seed).to_numpy() for seed in SEEDS)
    return start, which


def _first_of_each(start: Hashes, which: Hashes) -> NDArray[np.int64]:
    """Return the place of the first of each distinct key [R], ascending."""
    keys = pl.DataFrame({"start": start, "which": which}).with_row_index("place")
    return np.sort(keys.unique(["start", "which"], keep="first")["place"].to_numpy()).astype(np.int64)
