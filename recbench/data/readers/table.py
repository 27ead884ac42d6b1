"""One's own log: CSV or Parquet files with the same columns, features of users and items on every row."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from recbench.data.catalog import Spec
from recbench.data.readers import Raw, Source
from recbench.data.readers.delimited import Kind, check_readable, missing_column, read_delimited
from recbench.errors import DataError


def read(spec: Spec, source: Source) -> Raw:
    """Read the files one after another; `--split given` needs a column `split` of train, valid and test.

    Raises DataError for bad files.
    """
    logs = [_read_file(path, spec, source.split) for path in source.files.values()]
    try:
        log = pl.concat(logs, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        names = ", ".join(source.files)
        raise DataError(
            f"{spec.name}: {names} have columns of different kinds ({str(error).splitlines()[0]})"
        ) from None
    if spec.time is None:
        return Raw(log)
    return Raw(log.with_columns(_epoch(log[spec.time], spec)))


def _read_file(path: Path, spec: Spec, split: str) -> pl.DataFrame:
    kinds: dict[str, Kind] = dict.fromkeys((*spec.user.identity, *spec.item.identity), "key")
    kinds |= {name: "guess" for name in spec.log_columns if name not in kinds}
    kinds |= dict.fromkeys((*spec.user.bag, *spec.item.bag), "text")
    kinds |= dict.fromkeys((*spec.user.numeric, *spec.item.numeric), "float")
    required = [name for name in (spec.user.key, spec.item.key, spec.time) if name]
    if split == "given":
        kinds["split"] = "text"
        required.append("split")
    if check_readable(path).startswith(b"PAR1"):
        return _read_parquet(path, spec, list(kinds), required)
    return read_delimited(path, kinds, header=True, required=required, separator=spec.separator, encoding=spec.encoding)


def _read_parquet(path: Path, spec: Spec, columns: list[str], required: list[str]) -> pl.DataFrame:
    try:
        names = list(pl.read_parquet_schema(path))
        for name in columns:
            if name not in names:
                raise missing_column(path, name, names)
        frame = pl.read_parquet(path, columns=columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: damaged Parquet file ({str(error).splitlines()[0]})") from None
    for name in required:
        if frame[name].null_count():
            row = (frame[name].is_null().arg_max() or 0) + 1
            raise DataError(f"{path}, row {row}, column `{name}`: empty; every row needs a value here")
    for name in (*spec.user.numeric, *spec.item.numeric):
        if not frame.schema[name].is_numeric():
            raise DataError(f"{path}, column `{name}`: expected numbers, found {frame.schema[name]}")
    lists = [name for name, kind in frame.schema.items() if kind.base_type() == pl.List]
    return frame.with_columns(pl.col(lists).cast(pl.List(pl.String)).list.join(spec.bag_separator))


def _epoch(time: pl.Series, spec: Spec) -> pl.Series:
    unit: Literal["ms", "s"] = "ms" if spec.time_unit == "ms" else "s"
    if time.dtype.is_numeric():
        if time.dtype.is_float() and not time.is_finite().all():
            row = (~time.is_finite()).arg_max() or 0
            raise DataError(
                f"{spec.name}: time column `{spec.time}`, row {row + 1}: expected a number, found {time[row]}"
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
                f"{spec.name}: time column `{spec.time}`, row {row + 1}: expected a number of seconds or "
                f"an ISO date like 2024-05-01 10:00:00, found `{time[row]}`"
            )
        time = parsed
    if not time.dtype.is_temporal():
        raise DataError(f"{spec.name}: time column `{spec.time}`: expected numbers or dates, found {time.dtype}")
    return time.dt.epoch(unit).cast(pl.Int64).alias(time.name)
