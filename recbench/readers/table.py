"""A log of one's own, or any that is like it: CSV or Parquet files, features of users and items on every row.

A file without a header has its columns named in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.readers.building_blocks.delimited import Kind, Layout, missing_column, resolve_kinds, scan_delimited
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import read_start

BATCH = 1 << 17  # rows of a Parquet file at once


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read the files one after another; `--split given` needs a column `split` of train, valid and test.

    Raises DataError for bad files.
    """
    return RawTables(_log(spec, source))


def _log(spec: DatasetSpec, source: Source) -> Iterator[pl.DataFrame]:
    kinds: dict[str, Kind] = dict.fromkeys((*spec.user.identity, *spec.item.identity), "key")
    kinds |= {name: "guess" for name in spec.log_columns if name not in kinds}
    kinds |= dict.fromkeys((*spec.user.bag, *spec.item.bag, *spec.user.vector, *spec.item.vector), "text")
    kinds |= dict.fromkeys((*spec.user.numeric, *spec.item.numeric), "float")
    required = [name for name in (spec.user.key, spec.item.key, spec.time) if name]
    if source.split == "given":
        kinds["split"] = "text"
        required.append("split")
    paths = list(source.files.values())
    delimited = [path for path in paths if not read_start(path).startswith(b"PAR1")]
    kinds |= {name: kind for name, kind in spec.types.items() if name in kinds}
    layout = Layout(
        columns={**dict.fromkeys(spec.columns, "text"), **kinds},
        header=not spec.columns,
        keep=list(kinds),
        required=required,
        separator=spec.separator,
        encoding=spec.encoding,
        quoted=not spec.columns,
    )
    layout = resolve_kinds(delimited, layout, source)
    schema: pl.Schema | None = None
    for path in paths:
        blocks = scan_delimited(path, layout, source) if path in delimited else _parquet(path, spec, kinds, required)
        first = 0
        for block in blocks:
            if schema is not None and block.schema != schema:
                name = next(name for name in schema if block.schema[name] != schema[name])
                raise DataError(
                    f"{path}, column `{name}`: {block.schema[name]}, but {schema[name]} in {paths[0]}; "
                    "the files of a log must have columns of one kind"
                )
            schema = block.schema
            yield block if spec.time is None else block.with_columns(_epoch(block[spec.time], spec, path, first))
            first += len(block)


def _parquet(
    path: Path, spec: DatasetSpec, columns: Mapping[str, Kind], required: Sequence[str]
) -> Iterator[pl.DataFrame]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = list(file.schema_arrow.names)
            for name in columns:
                if name not in names:
                    raise missing_column(path, name, names)
            first = 0
            for batch in file.iter_batches(BATCH, columns=list(columns)):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield _plain(path, frame.select(list(columns)), spec, required, first)
                first += len(frame)
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: damaged Parquet file ({str(error).splitlines()[0]})") from None


def _plain(path: Path, frame: pl.DataFrame, spec: DatasetSpec, required: Sequence[str], first: int) -> pl.DataFrame:
    for name in required:
        if frame[name].null_count():
            row = first + (frame[name].is_null().arg_max() or 0) + 1
            raise DataError(f"{path}, row {row}, column `{name}`: empty; every row needs a value here")
    for name in (*spec.user.numeric, *spec.item.numeric):
        if not frame.schema[name].is_numeric():
            raise DataError(f"{path}, column `{name}`: expected numbers, found {frame.schema[name]}")
    lists = [name for name, kind in frame.schema.items() if kind.base_type() == pl.List]
    return frame.with_columns(pl.col(lists).cast(pl.List(pl.String)).list.join(spec.bag_separator))


def _epoch(time: pl.Series, spec: DatasetSpec, path: Path, first: int) -> pl.Series:
    unit: Literal["ms", "s"] = "ms" if spec.time_unit == "ms" else "s"
    if time.dtype.is_numeric():
        if time.dtype.is_float() and not time.is_finite().all():
            row = first + ((~time.is_finite()).arg_max() or 0)
            raise DataError(
                f"{path}: time column `{spec.time}`, row {row + 1}: expected a number, found {time[row - first]}"
            )
        return time.cast(pl.Int64)
    if time.dtype == pl.String:
        try:
            parsed = time.str.to_datetime(strict=False)
        except pl.exceptions.PolarsError:
            parsed = pl.Series([None] * len(time), dtype=pl.Datetime)
        wrong = parsed.is_null() | ~time.str.contains(r"^\s*\d{4}-\d\d-\d\d")
        if wrong.any():
            row = wrong.arg_max() or 0
            raise DataError(
                f"{path}: time column `{spec.time}`, row {first + row + 1}: expected a number of seconds or "
                f"an ISO date like 2024-05-01 10:00:00, found `{time[row]}`"
            )
        time = parsed
    if not time.dtype.is_temporal():
        raise DataError(f"{spec.name}: time column `{spec.time}`: expected numbers or dates, found {time.dtype}")
    return time.dt.epoch(unit).cast(pl.Int64).alias(time.name)
