"""Delimited text to typed columns; bad input is one DataError that names file, line and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from io import BytesIO
from pathlib import Path
from typing import Literal

import polars as pl

from recbench.errors import DataError

Kind = Literal["int", "float", "text", "key", "guess"]

ABSENT = "\x1e"  # a byte that no text uses: as separator it keeps each line whole
INNER = "\x1f"  # stands in for a separator of two characters
ARCHIVES = {b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "a gzip archive", b"PAR1": "a Parquet file"}
EXPECTED = {"int": "a whole number", "float": "a number"}


def read_delimited(
    path: Path,
    columns: Mapping[str, Kind],
    *,
    header: bool,
    keep: Sequence[str] | None = None,
    required: Sequence[str] = (),
    unique: str | None = None,
    separator: str = ",",
    encoding: str = "utf-8",
    quoted: bool = True,
) -> pl.DataFrame:
    """Read the columns in `keep` (default: all of `columns`), in file order, an empty field as null.

    Without a header, `columns` names every field of a line, in order; with one, the columns wanted, in any order.
    Kind "key" is int where every value is written as one, else text; "guess" may also be float. Quoted fields may hold
    separators but no line breaks. Raises DataError for a file that is missing, empty, not text or ragged, a missing
    column, a value of the wrong kind, an empty field of a `required` column, and a value of `unique` that repeats.
    """
    source = _source(path, separator, encoding)
    separator = separator if len(separator.encode()) == 1 else INNER
    try:
        width = None if header else len(columns)
        lines = _check_lines(path, source, separator, width, quoted)
        names = _header(path, source, separator, quoted, columns) if header else list(columns)
        wanted = sorted(columns if keep is None else keep, key=names.index)
        text = pl.read_csv(
            source,
            has_header=header,
            separator=separator,
            quote_char='"' if quoted else None,
            columns=[names.index(name) for name in wanted],
            infer_schema=False,
        )
    except pl.exceptions.PolarsError as error:
        raise _undecodable(path, error) from None
    text = text.rename(dict(zip(text.columns, wanted, strict=True))).head(lines - header)
    if not len(text):
        raise DataError(f"{path}: no rows below the header; download or write it again")
    frame = text.select(_typed(path, text[name], columns[name], 1 + header) for name in wanted)
    for name in required:
        if frame[name].null_count():
            row = frame[name].is_null().arg_max() or 0
            raise DataError(f"{_at(path, row + 1 + header, name)}: empty; every row needs a value here")
    if unique is not None and not frame[unique].is_unique().all():
        row = frame[unique].is_first_distinct().arg_min() or 0
        value = frame[unique][row]
        raise DataError(
            f"{_at(path, row + 1 + header, unique)}: {value} stands on an earlier line too; keep one of them"
        )
    return frame


def check_readable(path: Path) -> bytes:
    """Return the first 4096 bytes of a file; raises DataError if it is missing, a folder, empty or unreadable."""
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, where a file is expected") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if not start:
        raise DataError(f"{path}: empty file; download or write it again")
    return start


def _source(path: Path, separator: str, encoding: str) -> Path | BytesIO:
    start = check_readable(path)
    for magic, what in ARCHIVES.items():
        if start.startswith(magic):
            raise DataError(f"{path}: {what}, where delimited text is expected; unpack or convert it first")
    if b"\0" in start:
        raise DataError(f"{path}: a binary file, where delimited text is expected; download it again")
    if len(separator.encode()) == 1 and encoding.lower() in ("utf-8", "utf8"):
        return path
    try:
        text = path.read_bytes().decode(encoding)
    except LookupError:
        raise DataError(f"{path}: `{encoding}` is not an encoding; use utf-8 or iso-8859-1, say") from None
    except UnicodeDecodeError as error:
        raise _undecodable(path, error) from None
    return BytesIO(text.replace(separator, separator if len(separator.encode()) == 1 else INNER).encode())


def _check_lines(path: Path, source: Path | BytesIO, separator: str, width: int | None, quoted: bool) -> int:
    """Return the number of lines, without blank ones at the end; every line must have as many fields."""
    line = pl.col("line").fill_null("")
    bare = line.str.replace_all(r'"[^"]*"', "") if quoted else line
    lines = pl.scan_csv(
        source,
        has_header=False,
        separator=ABSENT,
        quote_char=None,
        schema={"line": pl.String},
        truncate_ragged_lines=True,
    ).select(
        number=pl.int_range(1, pl.len() + 1),
        blank=line.str.strip_chars_end("\r") == "",
        fields=bare.str.count_matches(separator, literal=True) + 1,
        open=bare.str.contains('"', literal=True) if quoted else pl.lit(False),
    )
    if width is None:
        width = int(lines.select("fields").head(1).collect().item())
    wrong = pl.col("open") | (pl.col("fields") != width) | pl.col("blank")
    last = pl.col("number").filter(~pl.col("blank")).max()
    bad = lines.filter(wrong, pl.col("number") <= last).head(1)
    found, end = pl.collect_all([bad, lines.select(last)])
    if end.item() is None:
        raise DataError(f"{path}: only blank lines; download or write it again")
    if len(found):
        number, blank, fields, unclosed = found.row(0)
        shown = {INNER: "::", "\t": "tab"}.get(separator, separator)
        reason = (
            "blank line"
            if blank
            else "a quote opens and does not close"
            if unclosed
            else f"expected {width} fields separated by `{shown}`, found {fields}"
        )
        raise DataError(f"{path}, line {number}: {reason}; correct the line or download the file again")
    return int(end.item())


def _header(path: Path, source: Path | BytesIO, separator: str, quoted: bool, wanted: Mapping[str, Kind]) -> list[str]:
    quote = '"' if quoted else None
    names = pl.read_csv(source, separator=separator, quote_char=quote, n_rows=0, infer_schema=False).columns
    for name in wanted:
        if name not in names:
            raise missing_column(path, name, names)
    return names


def missing_column(path: Path, name: str, names: Sequence[str]) -> DataError:
    """Return the error for a column that a file should have."""
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return DataError(f"{path}, line 1: no column `{name}`; {guess}it has {', '.join(names)}")


def _typed(path: Path, text: pl.Series, kind: Kind, first: int) -> pl.Series:
    if kind == "text":
        return text
    if kind in ("key", "guess"):
        return _guessed(text, numbers=kind == "guess")
    number = text.str.strip_chars().cast(pl.Float64 if kind == "float" else pl.Int64, strict=False)
    if number.null_count() == text.null_count():
        return number
    if kind == "int":  # 9.0 is a whole number too
        number = text.str.strip_chars().str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
        if number.null_count() == text.null_count():
            return number
    row = (number.is_null() & text.is_not_null()).arg_max() or 0
    raise DataError(
        f"{_at(path, row + first, text.name)}: expected {EXPECTED[kind]}, found `{text[row][:40]}`; "
        "correct the line or download the file again"
    )


def _guessed(text: pl.Series, numbers: bool) -> pl.Series:
    whole = text.cast(pl.Int64, strict=False)
    if whole.cast(pl.String).equals(text, null_equal=True):  # else 007 and 7 would become one key
        return whole
    if not numbers:  # 1.10 and 1.1 are two keys, and so are two that differ beyond the 16th digit
        return text
    number = text.cast(pl.Float64, strict=False)
    return number if number.null_count() == text.null_count() and _plain(text) else text


def _plain(text: pl.Series) -> bool:
    return not text.str.contains(r"^[+-]?0\d").any()


def _undecodable(path: Path, error: Exception) -> DataError:
    content = path.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        byte = content[wrong.start]
        return DataError(f"{path}, line {line}: not UTF-8 text (byte 0x{byte:02x}); convert it, or set `encoding`")
    return DataError(f"{path}: not readable as delimited text ({str(error).splitlines()[0]})")


def _at(path: Path, line: int, column: str) -> str:
    return f"{path}, line {line}, column `{column}`"
