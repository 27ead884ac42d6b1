"""The entities of one side as the log names them, numbered in the order in which they appear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.errors import DataError
from recbench.preparation.frame_file import FrameFile

CODE = "\tcode"  # the column of codes: a name that no column of a dataset has
SEEDS = (1, 2)  # of the two hashes that stand for a row of several columns


class Keys:
    """The distinct rows of the identity columns, each with a code 0, 1, … by first appearance in file order.

    Memory grows with the number of entities: about 40 bytes each, since rows of several columns are known by 128 bits
    of hash. The columns themselves go to `features`, a file with the column `code`.
    """

    def __init__(self, identity: tuple[str, ...], path: Path) -> None:
        self.identity = identity
        self.features = FrameFile(path)
        self._known: pl.DataFrame | None = None
        self._fresh: list[pl.DataFrame] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

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
        key = self._key(block)
        columns = key.columns
        distinct = key.with_row_index("first").unique(columns, keep="first", maintain_order=True)
        known = self._known_among(distinct, columns)
        fresh = distinct.join(known, on=columns, how="anti", nulls_equal=True, maintain_order="left")
        fresh = fresh.with_columns(pl.int_range(self._count, self._count + len(fresh), dtype=pl.UInt32).alias(CODE))
        self._remember(block, fresh)
        both = pl.concat([known, fresh]).select(*columns, CODE)
        return key.join(both, on=columns, how="left", nulls_equal=True, maintain_order="left")[CODE]

    def order(self, first: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return all codes, those of `first` [entities] before the rest, each group by key, or else by appearance."""
        if not self.single:
            return np.argsort(~first, kind="stable")
        known = self._all_known()
        keys = known.select("k0", CODE).with_columns(last=~pl.Series(first)[known[CODE]])
        return keys.sort("last", "k0", nulls_last=True)[CODE].cast(pl.Int64).to_numpy()

    def _key(self, block: pl.DataFrame) -> pl.DataFrame:
        if self.single:
            return block.select(pl.col(self.identity[0]).alias("k0"))
        columns = block.select(self.identity)
        return pl.DataFrame({f"k{place}": columns.hash_rows(seed) for place, seed in enumerate(SEEDS)})

    def _known_among(self, distinct: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
        known = self._all_known() if self._count else distinct.head(0).with_columns(pl.lit(0, pl.UInt32).alias(CODE))
        matches = distinct.join(known.drop("first", strict=False), on=columns, how="inner", nulls_equal=True)
        return matches.select("first", *columns, CODE)

    def _remember(self, block: pl.DataFrame, fresh: pl.DataFrame) -> None:
        if len(fresh):
            self._fresh.append(fresh.drop("first"))
            self._count += len(fresh)
            rows = block.select(pl.col(self.identity).gather(fresh["first"])).with_columns(fresh[CODE])
            self.features.append(rows)

    def _all_known(self) -> pl.DataFrame:
        """Return all known keys and their codes in one frame."""
        parts = ([] if self._known is None else [self._known]) + self._fresh
        if len(parts) > 1 or self._known is None:
            self._known, self._fresh = pl.concat(parts), []
        return self._known
