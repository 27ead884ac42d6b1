"""Delimited text to blocks of typed columns; bad input is one DataError that names file, line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import Source
from recbench.sources.text_blocks import ignore_progress, read_blocks

Kind = Literal["int", "float", "text", "key", "guess"]

ABSENT = "\x1e"  # a byte that no text uses: as separator it keeps each line whole
INNER = "\x1f"  # stands in for a separator of two characters
BOM = b"\xef\xbb\xbf"
EXPECTED = {"int": "a whole number", "float": "a number"}
TYPES: dict[str, type[pl.DataType]] = {"int": pl.Int64, "float": pl.Float64, "text": pl.String}


@dataclass(frozen=True)
class Layout:
    """How a file is written, and which of its columns are wanted.

    Without a header, `columns` names every field of a line, in order; with one, the columns wanted, in any order.
    Kind "key" is int where every value of the file is written as one, else text; "guess" may also be float.
    """

    columns: Mapping[str, Kind]
    header: bool
    keep: Sequence[str] | None = None  # default: all of `columns`
    required: Sequence[str] = ()  # columns without empty fields
    unique: str | None = None  # a column without repeated values
    separator: str = ","
    encoding: str = "utf-8"
    quoted: bool = True  # quoted fields may hold separators, but no line breaks


def scan_delimited(path: Path, layout: Layout, source: Source) -> Iterator[pl.DataFrame]:
    """Yield the wanted columns in file order, block by block, an empty field as null.

    Raises DataError for a file that is missing, empty, not text or ragged, a missing column, a value of the wrong
    kind, an empty field of a `required` column, and a value of `unique` that repeats.
    """
    layout = resolve_kinds([path], layout, source)
    rows, parts = 0, []
    for block in _texts(path, layout, source):
        frame = block.typed(layout)
        for name in layout.required:
            if frame[name].null_count():
                line = block.first + (frame[name].is_null().arg_max() or 0)
                raise DataError(f"{_at(path, line, name)}: empty; every row needs a value here")
        if layout.unique is not None:
            parts.append(frame[layout.unique])
        rows += len(frame)
        if len(frame):
            yield frame
    if not rows:
        raise DataError(f"{path}: no rows below the header; download or write it again")
    if layout.unique is not None:
        _check_unique(path, layout, pl.concat(parts))


def read_delimited(path: Path, layout: Layout, source: Source) -> pl.DataFrame:
    """Return a whole file that is known to be small; raises DataError as `scan_delimited` does."""
    return pl.concat(list(scan_delimited(path, layout, source)))


@dataclass(frozen=True)
class _Text:
    """Some whole lines of a file, below its header."""

    path: Path
    content: bytes
    names: list[str]  # of all fields
    separator: str  # one byte
    first: int  # number of the first line

    def strings(self, layout: Layout, wanted: Sequence[str]) -> pl.DataFrame:
        return self._read(layout, wanted, dict.fromkeys(wanted, pl.String))

    def typed(self, layout: Layout) -> pl.DataFrame:
        wanted = sorted(layout.columns if layout.keep is None else layout.keep, key=self.names.index)
        try:
            return self._read(layout, wanted, {name: TYPES[layout.columns[name]] for name in wanted})
        except pl.exceptions.PolarsError:  # the slow way knows which line it is, and takes 9.0 and blanks
            text = self.strings(layout, wanted)
            return text.select(self._cast(text[name], layout.columns[name]) for name in wanted)

    def _read(self, layout: Layout, wanted: Sequence[str], kinds: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
        if not self.content:
            return pl.DataFrame(schema=dict(kinds))
        frame = pl.read_csv(
            self.content,
            has_header=False,
            separator=self.separator,
            quote_char='"' if layout.quoted else None,
            columns=[self.names.index(name) for name in wanted],
            schema={name: kinds.get(name, pl.String) for name in self.names},
        )
        return frame.select(wanted)

    def _cast(self, text: pl.Series, kind: Kind) -> pl.Series:
        if kind == "text":
            return text
        number = text.str.strip_chars().cast(TYPES[kind], strict=False)
        if number.null_count() == text.null_count():
            return number
        if kind == "int":  # 9.0 is a whole number too
            number = text.str.strip_chars().str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
            if number.null_count() == text.null_count():
                return number
        row = (number.is_null() & text.is_not_null()).arg_max() or 0
        raise DataError(
            f"{_at(self.path, self.first + row, text.name)}: expected {EXPECTED[kind]}, found `{text[row][:40]}`; "
            "correct the line or download the file again"
        )


def _texts(path: Path, layout: Layout, source: Source) -> Iterator[_Text]:
    """Yield the lines below the header in blocks of checked shape; blank lines at the end of the file are dropped."""
    separator = layout.separator if len(layout.separator.encode()) == 1 else INNER
    names: list[str] = [] if layout.header else list(layout.columns)
    line, blank, anything = 1, 0, False
    for piece in read_blocks(path, source.block, source.advance):
        content = _decode(path, piece, layout, separator, line)
        if line == 1:
            content = content.removeprefix(BOM)
        try:
            if not names:
                head, _, content = content.partition(b"\n")
                if not head.strip():
                    raise DataError(f"{path}, line 1: blank, where the names of the columns are expected")
                names = _header(path, head, separator, layout)
                line, anything = 2, True
            kept, count = _check_lines(path, content, separator, layout.quoted, len(names), line, blank)
        except pl.exceptions.PolarsError as error:
            raise _undecodable(path, content, line, error) from None
        anything = anything or kept > 0
        if kept < count and not blank:
            blank = line + kept
        if kept:
            whole = content if kept == count else content.rstrip(b"\r\n")
            yield _Text(path, whole, names, separator, line)
        line += count
    if not anything:
        raise DataError(f"{path}: only blank lines; download or write it again")


def _decode(path: Path, piece: bytes, layout: Layout, separator: str, line: int) -> bytes:
    if separator == layout.separator and layout.encoding.lower() in ("utf-8", "utf8"):
        return piece
    try:
        text = piece.decode(layout.encoding)
    except LookupError:
        raise DataError(f"{path}: `{layout.encoding}` is not an encoding; use utf-8 or iso-8859-1, say") from None
    except UnicodeDecodeError as error:
        raise _undecodable(path, piece, line, error) from None
    return text.replace(layout.separator, separator).encode()


def _check_lines(
    path: Path, content: bytes, separator: str, quoted: bool, width: int, first: int, blank: int
) -> tuple[int, int]:
    """Return the number of lines without blank ones at the end, and with them; every line has as many fields.

    `blank` is the number of a blank line that earlier blocks ended with, 0 if there is none.
    """
    if not content:
        return 0, 0
    line = pl.col("line").fill_null("")
    quoted = quoted and b'"' in content
    bare = line.str.replace_all(r'"[^"]*"', "") if quoted else line
    lines = pl.read_csv(
        content,
        has_header=False,
        separator=ABSENT,
        quote_char=None,
        schema={"line": pl.String},
        truncate_ragged_lines=True,
    ).select(
        blank=line.str.strip_chars_end("\r") == "",
        fields=bare.str.count_matches(separator, literal=True) + 1,
        open=bare.str.contains('"', literal=True) if quoted else pl.lit(False),
    )
    count = len(lines)
    kept = count - (lines["blank"].reverse().arg_min() or 0) if not lines["blank"].all() else 0
    if kept and blank:
        raise DataError(f"{path}, line {blank}: blank line; correct the line or download the file again")
    ill = pl.col("open") | pl.col("blank") | (pl.col("fields") != width)
    wrong = lines.head(kept).with_row_index("row").filter(ill)
    if len(wrong):
        row, empty, fields, unclosed = wrong.row(0)
        shown = {INNER: "::", "\t": "tab"}.get(separator, separator)
        reason = (
            "blank line"
            if empty
            else "a quote opens and does not close"
            if unclosed
            else f"expected {width} fields separated by `{shown}`, found {fields}"
        )
        raise DataError(f"{path}, line {first + row}: {reason}; correct the line or download the file again")
    return kept, count


def _header(path: Path, head: bytes, separator: str, layout: Layout) -> list[str]:
    quote = '"' if layout.quoted else None
    names = pl.read_csv(head + b"\n", separator=separator, quote_char=quote, n_rows=0, infer_schema=False).columns
    for name in layout.columns:
        if name not in names:
            raise missing_column(path, name, names)
    return names


def missing_column(path: Path, name: str, names: Sequence[str]) -> DataError:
    """Return the error for a column that a file should have."""
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return DataError(f"{path}, line 1: no column `{name}`; {guess}it has {', '.join(names)}")


def resolve_kinds(paths: Sequence[Path], layout: Layout, source: Source) -> Layout:
    """Return the layout with "key" and "guess" replaced by what all values of all files allow."""
    whole = {name: kind for name, kind in layout.columns.items() if kind in ("key", "guess")}
    if not whole:
        return layout
    number = {name for name, kind in whole.items() if kind == "guess"}
    integer = set(whole)
    for path in paths:
        for block in _texts(path, layout, replace(source, advance=ignore_progress)):
            text = block.strings(layout, list(whole))
            integer = {name for name in integer if _canonical(text[name])}
            number = {name for name in number if _numeric(text[name])}
    kinds: dict[str, Kind] = {
        name: "int" if name in integer else "float" if name in number else "text" for name in whole
    }
    return replace(layout, columns={**layout.columns, **kinds})


def _canonical(text: pl.Series) -> bool:
    """Return whether the integers are the text: else 007 and 7 would become one key."""
    return text.cast(pl.Int64, strict=False).cast(pl.String).equals(text, null_equal=True)


def _numeric(text: pl.Series) -> bool:
    number = text.cast(pl.Float64, strict=False)
    return number.null_count() == text.null_count() and not text.str.contains(r"^[+-]?0\d").any()


def _check_unique(path: Path, layout: Layout, values: pl.Series) -> None:
    if not values.is_unique().all():
        row = values.is_first_distinct().arg_min() or 0
        where = _at(path, row + 1 + layout.header, values.name)
        raise DataError(f"{where}: {values[row]} stands on an earlier line too; keep one of them")


def _undecodable(path: Path, content: bytes, first: int, error: Exception) -> DataError:
    try:
        content.decode()
    except UnicodeDecodeError as wrong:
        line = first + content.count(b"\n", 0, wrong.start)
        byte = content[wrong.start]
        return DataError(f"{path}, line {line}: not UTF-8 text (byte 0x{byte:02x}); convert it, or set `encoding`")
    return DataError(f"{path}: not readable as delimited text ({str(error).splitlines()[0]})")


def _at(path: Path, line: int, column: str) -> str:
    return f"{path}, line {line}, column `{column}`"
