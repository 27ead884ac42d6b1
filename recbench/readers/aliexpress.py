"""AliExpress search logs: a row per page view of a user, and a row per item shown on it; numbers without header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.readers.building_blocks.delimited import read_delimited, scan_delimited
from recbench.readers.building_blocks.layout import Kind, Layout
from recbench.sources.dataset_spec import DatasetSpec

PAGE = "pv_id"
USER = (
    *(PAGE, *(f"feature_{n}" for n in range(1, 8)), *(f"mu1_dim{n}" for n in range(1, 4))),
    *(f"mu2_dim{n}" for n in range(1, 6)),
    *(f"mu3_dim{n}" for n in range(1, 11)),
    *(f"mu4_dim{n}" for n in range(1, 4)),
    *("feature_29", "feature_30", "feature_31", "feature_32"),
)
USER_WHOLE = (PAGE, *(f"feature_{n}" for n in range(1, 8)), "feature_31", "feature_32")
ITEM = (PAGE, *(f"item_feature_{n}" for n in range(47)), "rating")
ITEM_WHOLE = (PAGE, *(f"item_feature_{n}" for n in (17, 32, 33, 34, 38, 39, 40)), "rating")


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read the items shown, train first, each with the features of its page view; raises DataError for bad files.

    `rating` is 0 for shown, 1 for clicked, 2 for bought. A page view of which no item was shown makes no row.
    """
    return RawTables(_log(source))


def _log(source: Source) -> Iterator[pl.DataFrame]:
    for part in ("train", "test"):
        pages = _named(source, f"_user_{part}.csv")
        users = read_delimited(pages, _layout(USER, USER_WHOLE, unique=PAGE), source)
        users = users.with_columns(pl.col(pl.Float64).cast(pl.Float32), known=pl.lit(True))
        path = _named(source, f"_item_{part}.csv")
        first = 1
        for block in scan_delimited(path, _layout(ITEM, ITEM_WHOLE), source):
            joined = block.join(users, on=PAGE, how="left", maintain_order="left")
            unknown = joined["known"].is_null()
            if unknown.any():
                row = unknown.arg_max() or 0
                raise DataError(f"{path}, line {first + row}: page view {joined[PAGE][row]} is not in {pages}")
            strange = ~joined["rating"].is_between(0, 2)
            if strange.any():
                row = strange.arg_max() or 0
                raise DataError(
                    f"{path}, line {first + row}, column `rating`: expected 0, 1 or 2, found {joined['rating'][row]}"
                )
            yield joined.drop("known").with_columns(split=pl.lit(part))
            first += len(block)


def _layout(columns: tuple[str, ...], whole: tuple[str, ...], unique: str | None = None) -> Layout:
    kinds: Mapping[str, Kind] = {name: "int" if name in whole else "float" for name in columns}
    return Layout(kinds, header=False, required=columns, unique=unique, quote="")


def _named(source: Source, ending: str) -> Path:
    """Return the file whose name ends so: the country comes first."""
    return source.file(next((name for name in source.files if name.endswith(ending)), f"xx{ending}"))
