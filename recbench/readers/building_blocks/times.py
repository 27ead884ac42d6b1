"""The time of each row as a whole number of units since 1970, from numbers, dates or text."""

from __future__ import annotations

from typing import Literal, cast

import polars as pl

from recbench.errors import DataError
from recbench.readers.building_blocks.row_block import RowBlock
from recbench.sources.dataset_spec import DatasetSpec

Unit = Literal["s", "ms", "us", "ns"]

NUMBER = r"^\s*[+-]?\d+(\.\d*)?\s*$"
ZONED = r"\d(Z|[+-]\d\d:?\d\d)\s*$"
DATE = r"^\s*\d{4}-\d\d-\d\d"


class Times:
    """Reads the time column of one file; it must be written in one way throughout, since units cannot be told apart."""

    def __init__(self, spec: DatasetSpec) -> None:
        self._spec = spec
        self._numbers: bool | None = None  # whether text in this file has been numbers so far

    def read(self, block: RowBlock) -> pl.Series:
        """Return the times [rows] in the unit of the catalogue, null where there is none.

        Raises DataError that names the first row which is neither a number nor a date as the catalogue says.
        """
        time = block.frame[self._spec.time or ""]
        if self._spec.time_format is not None and not time.dtype.is_temporal():
            return self._epoch(block, self._formatted(block, time.cast(pl.String)))
        if time.dtype == pl.String:
            time = self._from_text(block, time)
        if time.dtype.is_numeric():
            return _whole(block, time)
        if not isinstance(time.dtype, pl.Date | pl.Datetime):
            raise DataError(
                f"{block.path}, column `{time.name}`: expected numbers or dates as time, found {time.dtype}"
            )
        return self._epoch(block, time)

    def _from_text(self, block: RowBlock, text: pl.Series) -> pl.Series:
        given = text.drop_nulls()
        if self._numbers is None and len(given):
            self._numbers = bool(given.str.contains(NUMBER)[0])
        if self._numbers:
            number = text.str.strip_chars().str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
            if number.null_count() > text.null_count():
                number = text.str.strip_chars().cast(pl.Float64, strict=False)
            _refuse(
                block,
                text,
                text.is_not_null() & ~text.str.contains(NUMBER),
                f"a number of {UNITS[self._spec.time_unit]}",
            )
            return number
        try:
            parsed = text.str.to_datetime(strict=False)
        except pl.exceptions.PolarsError:
            parsed = pl.Series([None] * len(text), dtype=pl.Datetime)
        wrong = text.is_not_null() & (parsed.is_null() | ~text.str.contains(DATE))
        zoned = text.str.contains(ZONED)
        if wrong.any() and zoned.any() and (text.is_not_null() & ~zoned).any():
            _refuse(block, text, wrong, "times that all name a zone, as in 10:00:00Z, or none")
        _refuse(
            block, text, wrong, f"a number of {UNITS[self._spec.time_unit]} or an ISO date like 2024-05-01 10:00:00"
        )
        return parsed.alias(text.name)

    def _formatted(self, block: RowBlock, text: pl.Series) -> pl.Series:
        form = self._spec.time_format or ""
        try:
            parsed = text.str.strip_chars().str.to_datetime(form, strict=False)
        except pl.exceptions.PolarsError:
            parsed = pl.Series([None] * len(text), dtype=pl.Datetime)
        _refuse(block, text, text.is_not_null() & parsed.is_null(), f"a time like time_format = {form!r}")
        return parsed.alias(text.name)

    def _epoch(self, block: RowBlock, time: pl.Series) -> pl.Series:
        zone = self._spec.time_zone
        if time.dtype == pl.Date:
            time = time.cast(pl.Datetime("us"))
        if zone is not None and isinstance(time.dtype, pl.Datetime) and time.dtype.time_zone is None:
            local = time
            time = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            _refuse(block, local, local.is_not_null() & time.is_null(), f"a time that exists in {zone}")
        unit = cast("Unit", self._spec.time_unit)
        epoch = time.dt.epoch(unit)
        _refuse(block, time, time.is_not_null() & epoch.is_null(), f"a time that {UNITS[unit]} in 64 bits can hold")
        return epoch.cast(pl.Int64).alias(time.name)


UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def _whole(block: RowBlock, time: pl.Series) -> pl.Series:
    if time.dtype.is_float():
        time = time.fill_nan(None)
        _refuse(block, time, time.is_infinite().fill_null(value=False), "a number")
    number = time.cast(pl.Int64, strict=False)
    _refuse(block, time, time.is_not_null() & number.is_null(), "a whole number below 2^63")
    return number


def _refuse(block: RowBlock, time: pl.Series, wrong: pl.Series, expected: str) -> None:
    if wrong.any():
        row = wrong.arg_max() or 0
        found = time[row : row + 1].cast(pl.String)[0] or ""  # Python has no dates beyond the year 9999
        raise DataError(f"{block.place(row, time.name)}: expected {expected}, found `{found[:40]}`")
