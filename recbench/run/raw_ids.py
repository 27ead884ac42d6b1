"""Files of the user's with raw ids, and the rows of the tables that these name."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Literal

import polars as pl
import torch

from recbench.data.dataset import Dataset
from recbench.data.manifest_file import read_manifest
from recbench.errors import DataError
from recbench.sources.dataset_spec import Side

FILES = (".parquet", ".csv")  # ends of names of files


def side_options(data: Dataset, side: Literal["user", "item"]) -> Side:
    """Return what the catalogue entry of a dataset says of its users or items."""
    options = read_manifest(data.folder).options
    return options.user if side == "user" else options.item


def read_content(path: Path) -> bytes:
    """Return the content of a file; raises DataError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def parse_frame(path: Path, content: bytes) -> pl.DataFrame:
    """Return a CSV file, all columns as text, or a Parquet file; raises DataError if it is none."""
    held = BytesIO(content)
    try:
        return pl.read_csv(held, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(held)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(
            path, error, "" if path.suffix in FILES else f"; expected a name that ends in {' or '.join(FILES)}"
        ) from None


def read_frame(path: Path) -> pl.DataFrame:
    """Return a Parquet or CSV file, the columns of CSV as text; raises DataError if it is none."""
    return parse_frame(path, read_content(path))


def rows_of(
    path: Path, ids: pl.Series, side: Literal["user", "item"], data: Dataset, otherwise: str = ""
) -> torch.Tensor:
    """Return the rows [P] of the users or items with these raw ids; raises DataError for one that is not there."""
    row = known_rows(path, ids, side, data, otherwise)
    if row.has_nulls():
        unknown = ids.filter(row.is_null())
        more = f" (nor are {len(unknown) - 1:,} further rows)" if len(unknown) > 1 else ""
        raise DataError(f"{path}: {side} `{unknown[0]}` is not in {data.name}{more}; leave such rows out")
    return torch.from_numpy(row.cast(pl.Int64).to_numpy().copy())


def known_rows(
    path: Path, ids: pl.Series, side: Literal["user", "item"], data: Dataset, otherwise: str = ""
) -> pl.Series:
    """Return the rows [P] of the users or items with these raw ids, null for one that is not there.

    Raises DataError where one column cannot say which user or item is meant; `otherwise` is what to do then.
    """
    vocabulary = data.raw_ids(side)
    names = [name for name in vocabulary.columns if name != "row"]
    key = names[0] if len(names) == 1 else side_options(data, side).key
    if key is None or vocabulary[key].is_duplicated().any():
        raise DataError(
            f"{path}: a {side} of {data.name} is identified by {', '.join(names)} together, which a column {side} "
            f'cannot say; {otherwise}set changing = "last" in `{side}` '
            "of its catalogue entry"
        )
    vocabulary = vocabulary.select("row", pl.col(key).alias("id"))
    wanted = _cast_ids(path, ids, vocabulary["id"].dtype).alias("id").to_frame()
    return wanted.join(vocabulary, on="id", how="left", maintain_order="left")["row"]


def _cast_ids(path: Path, ids: pl.Series, kind: pl.DataType) -> pl.Series:
    """Return raw ids as the type of the vocabulary, null where they are not of it; 0.5 is not item 0."""
    try:
        cast = ids.cast(kind, strict=False)
        whole = cast.cast(ids.dtype) == ids if ids.dtype.is_float() and kind.is_integer() else None
    except pl.exceptions.PolarsError:
        raise DataError(f"{path}, column `{ids.name}`: expected one raw id a row, found {ids.dtype}") from None
    return cast if whole is None else cast.set(~whole.fill_null(value=False), None)


def _unreadable(path: Path, error: Exception, remedy: str = "") -> DataError:
    form = "CSV" if path.suffix == ".csv" else "Parquet"
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return DataError(f"{path}: cannot be read as {form} ({reason}){remedy}")
