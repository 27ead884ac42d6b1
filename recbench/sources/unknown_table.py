"""An unknown log as a frame, with text as text: how its file is written is found out from its start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recbench.errors import DataError
from recbench.sources.decompress import open_unpacked

LOOK = 1_000_000  # rows that are looked at
NULL_WORDS = ("NA", "N/A", "NULL", "null", "NaN", "nan", "None", "\\N", "-")
SEPARATORS = ("\t", "::", ";", "|", ",")
UNITS = {"s": 1e9, "ms": 1e12, "us": 1e15, "ns": 1e18}  # the least number of each since 2001
MOST_STEPS = 21  # of a scale of ratings


@dataclass
class Guess:
    """A table of the catalogue, as a mapping of TOML values, and how it came about, a line each."""

    table: dict[str, object] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def read_start_of_table(path: Path, guess: Guess) -> pl.DataFrame:
    """Return the first rows with text as text, and note in `guess` how the file is written.

    Raises DataError if it cannot be read.
    """
    try:
        with open_unpacked(path) as file:
            start = file.read(1 << 16)
        if start.startswith(b"PAR1"):
            return pl.scan_parquet(path).head(LOOK).collect()
        if start.lstrip()[:1] == b"{":
            return pl.read_ndjson(path, n_rows=LOOK, infer_schema_length=None)
        lines = start.decode("utf-8-sig", errors="replace").splitlines()[:50]
        separator = _separator(lines)
        header = not any(_is_number(word) for word in lines[0].split(separator)) if lines else True
        frame = _delimited(path, separator, header, lines)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be read as a table ({str(error).splitlines()[0]})") from None
    if separator != ",":
        guess.table["separator"] = separator
    if not header:
        frame = _named(frame)
        guess.table["columns"] = frame.columns
        guess.lines.append(f"no header; the columns are called {', '.join(frame.columns)}")
    nulls = [word for word in NULL_WORDS if any((frame[name] == word).any() for name in frame.columns)]
    if nulls:
        guess.table["null_values"] = nulls
        frame = frame.with_columns(
            pl.when(pl.col(pl.String).is_in(nulls)).then(None).otherwise(pl.col(pl.String)).name.keep()
        )
        guess.lines.append(f"empty: {', '.join(nulls)}")
    return frame


def _delimited(path: Path, separator: str, header: bool, lines: Sequence[str]) -> pl.DataFrame:
    if len(separator) == 1:
        return pl.read_csv(
            path, separator=separator, has_header=header, infer_schema=False, n_rows=LOOK, truncate_ragged_lines=True
        )
    whole = pl.read_csv(path, separator="\n", has_header=False, infer_schema=False, n_rows=LOOK, quote_char=None)
    width = len(lines[0].split(separator))
    fields = whole.to_series().str.split(separator).list.to_struct(fields=[f"column_{n + 1}" for n in range(width)])
    return fields.struct.unnest()


def _separator(lines: Sequence[str]) -> str:
    """Return what separates the same number of fields on the most lines."""

    def evenness(separator: str) -> tuple[bool, int]:
        counts = [line.count(separator) for line in lines if line]
        return bool(counts) and min(counts) > 0, -len(set(counts))

    return max(SEPARATORS, key=evenness)


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """Name the columns of a file without a header: by their values, or by their place."""
    names: list[str] = []
    for name in frame.columns:
        numbers = numbers_of(frame[name])
        if numbers is not None and unit_of(numbers) and "time" not in names:
            names.append("time")
        elif numbers is not None and frame[name].n_unique() <= MOST_STEPS and "rating" not in names:
            names.append("rating")
        else:
            names.append(next((word for word in ("user", "item") if word not in names), name))
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def unit_of(numbers: pl.Series) -> str | None:
    """Return the unit of times since 1970 if all lie between 2001 and 2065, or for seconds between 1980 and 2065."""
    low, high = numbers.min(), numbers.max()
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return None
    for unit, least in UNITS.items():
        if (0.3 if unit == "s" else 1) * least <= low and high <= 3 * least:
            return unit
    return None


def numbers_of(column: pl.Series) -> pl.Series | None:
    """Return a column as numbers if all its values are."""
    if column.dtype.is_numeric():
        return column.drop_nulls()
    if column.dtype != pl.String:
        return None
    filled = column.drop_nulls()
    numbers = filled.cast(pl.Float64, strict=False)
    return numbers if len(filled) and not numbers.null_count() else None


def _is_number(word: str) -> bool:
    try:
        float(word.strip('"'))
    except ValueError:
        return False
    return True
