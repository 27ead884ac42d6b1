"""Delimited text to blocks of typed columns; bad input is one DataError that names file, line and column."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import Source
from recbench.readers.building_blocks.quoted_records import bad_line, bad_width, rewrite_records
from recbench.readers.building_blocks.row_block import RowBlock
from recbench.sources.text_blocks import ignore_progress, read_blocks

Kind = Literal["int", "float", "text", "number id", "key", "guess"]

ABSENT = "\x1e"  # a byte that no text uses: as separator it keeps each line whole
INNER = "\x1f"  # stands in for a separator of two characters
EXPECTED = {"int": "a whole number", "float": "a number"}
TYPES: dict[str, type[pl.DataType]] = {
    "int": pl.Int64,
    "float": pl.Float64,
    "text": pl.String,
    "number id": pl.String,
}


@dataclass(frozen=True)
class Layout:
    """How a file is written, and which of its columns are wanted.

    Without a header, `columns` names every field of a line, in order; with one, the columns wanted, in any order.
    Kind "key" is int where every value of the file is written as one, else text, of which NaN is empty where all
    values are numbers ("number id"); "guess" may also be float.
    """

    columns: Mapping[str, Kind]
    header: bool
    keep: Sequence[str] | None = None  # default: all of `columns`
    required: Sequence[str] = ()  # columns without empty fields
    unique: str | None = None  # a column without repeated values
    separator: str = ","
    encoding: str = "utf-8"
    quote: str = '"'  # around fields that hold separators, line breaks or quotes; "" if there is no such thing
    decimal: str = "."  # before the fraction of a number
    null_values: Sequence[str] = ()  # what stands for an empty field, beside nothing

    @property
    def delimiter(self) -> str:
        """One byte between the fields, once the text is decoded."""
        return self.separator if len(self.separator.encode()) == 1 else INNER

    @property
    def wanted(self) -> Sequence[str]:
        """The columns to return."""
        return list(self.columns) if self.keep is None else self.keep


def scan_delimited(path: Path, layout: Layout, source: Source) -> Iterator[pl.DataFrame]:
    """Yield the wanted columns in file order, block by block, an empty field as null, in quotes or not.

    Raises DataError for a file that is missing, empty, not text or ragged, a missing column or one that stands twice,
    a value of the wrong kind, an empty field of a `required` column, and a value of `unique` that repeats.
    """
    return (block.frame for block in scan_row_blocks(path, layout, source))


def scan_row_blocks(path: Path, layout: Layout, source: Source) -> Iterator[RowBlock]:
    """Yield what `scan_delimited` yields, with the numbers of the lines."""
    layout = resolve_kinds([path], layout, source)
    rows, values, numbers = 0, [], []
    for text in _text_blocks(path, layout, source):
        block = text.typed(layout)
        for name in layout.required:
            if block.frame[name].null_count():
                row = block.frame[name].is_null().arg_max() or 0
                raise DataError(f"{block.place(row, name)}: empty; every row needs a value here")
        if layout.unique is not None:
            values.append(block.frame[layout.unique])
            numbers.append(pl.Series(block.numbers))
        rows += len(block.frame)
        if len(block.frame):
            yield block
    if not rows:
        raise DataError(f"{path}: no rows below the header; download or write it again")
    if layout.unique is not None:
        _check_unique(path, pl.concat(values), pl.concat(numbers))


def read_delimited(path: Path, layout: Layout, source: Source) -> pl.DataFrame:
    """Return a whole file that is known to be small; raises DataError as `scan_delimited` does."""
    return pl.concat(list(scan_delimited(path, layout, source)))


def resolve_kinds(paths: Sequence[Path], layout: Layout, source: Source) -> Layout:
    """Return the layout with "key" and "guess" replaced by what all values of all files allow."""
    unresolved = {name: kind for name, kind in layout.columns.items() if kind in ("key", "guess")}
    if not unresolved:
        return layout
    number, integer = set(unresolved), set(unresolved)
    for path in paths:
        for block in _text_blocks(path, layout, replace(source, advance=ignore_progress)):
            text = block.strings(layout, list(unresolved))
            integer = {name for name in integer if _is_canonical(text[name])}
            number = {name for name in number if _is_numeric(text[name], layout.decimal)}

    def kind(name: str) -> Kind:
        if name in integer:
            return "int"
        if name not in number:
            return "text"
        return "float" if unresolved[name] == "guess" else "number id"

    return replace(layout, columns={**layout.columns, **{name: kind(name) for name in unresolved}})


def missing_column(path: Path, name: str, names: Sequence[str]) -> DataError:
    """Return the error for a column that a file should have."""
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return DataError(f"{path}, line 1: no column `{name}`; {guess}it has {', '.join(names)}")


def check_names(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise DataError for a wanted column that a file lacks, or has twice."""
    for name in wanted:
        if name not in names:
            raise missing_column(path, name, names)
        if names.count(name) > 1:
            raise DataError(f"{path}, line 1: `{name}` stands twice; rename or remove one of the two columns")


@dataclass(frozen=True)
class _TextBlock:
    """Some whole records of a file, below its header."""

    path: Path
    content: bytes
    names: list[str]  # of all fields, each once
    numbers: Sequence[int]  # of the line on which each record begins

    def strings(self, layout: Layout, wanted: Sequence[str]) -> pl.DataFrame:
        """Return columns as they are written, [rows]."""
        return self._read(layout, wanted, dict.fromkeys(wanted, pl.String))

    def typed(self, layout: Layout) -> RowBlock:
        """Return the wanted columns as their kinds say; raises DataError for a value of another kind."""
        wanted = sorted(layout.wanted, key=self.names.index)
        try:
            frame = self._read(layout, wanted, {name: TYPES[layout.columns[name]] for name in wanted})
        except pl.exceptions.PolarsError:  # the slow way knows which line it is, and takes 9.0 and blanks
            text = RowBlock(self.path, self.strings(layout, wanted), self.numbers, "line")
            frame = text.frame.select(cast_text(text, name, layout.columns[name], layout.decimal) for name in wanted)
        ids = [name for name in wanted if layout.columns[name] == "number id"]
        if ids:
            frame = frame.with_columns(
                pl.when(pl.col(ids).str.strip_chars().str.to_lowercase() != "nan").then(pl.col(ids))
            )
        return RowBlock(self.path, frame, self.numbers, "line")

    def _read(self, layout: Layout, wanted: Sequence[str], kinds: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
        if not self.content:
            return pl.DataFrame(schema=dict(kinds))
        frame = pl.read_csv(
            self.content,
            has_header=False,
            separator=layout.delimiter,
            quote_char=layout.quote or None,
            decimal_comma=layout.decimal == ",",
            null_values=list(layout.null_values) or None,
            columns=[self.names.index(name) for name in wanted],
            schema={name: kinds.get(name, pl.String) for name in self.names},
        ).select(wanted)
        texts = [name for name in wanted if kinds[name] == pl.String]
        if not layout.quote or not texts or layout.quote.encode() not in self.content:
            return frame
        if 2 * layout.quote.encode() in self.content:  # an empty field may stand in quotes
            frame = frame.with_columns(pl.when(pl.col(texts) != "").then(pl.col(texts)))
        if layout.delimiter == INNER:
            frame = frame.with_columns(pl.col(texts).str.replace_all(INNER, layout.separator, literal=True))
        return frame


def cast_text(block: RowBlock, name: str, kind: Kind, decimal: str = ".") -> pl.Series:
    """Return a column of text as numbers [rows] if its kind says so; raises DataError for what is not such a number."""
    text = block.frame[name]
    if kind not in EXPECTED:
        return text
    plain = text.str.strip_chars()
    if kind == "float" and decimal != ".":
        plain = plain.str.replace(decimal, ".", literal=True)
    number = plain.cast(TYPES[kind], strict=False)
    if number.null_count() > text.null_count() and kind == "int":  # 9.0 is a whole number too
        number = plain.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    if number.null_count() == text.null_count():
        return number
    row = (number.is_null() & text.is_not_null()).arg_max() or 0
    raise DataError(
        f"{block.place(row, name)}: expected {EXPECTED[kind]}, found `{text[row][:40]}`; "
        "correct the line or download the file again"
    )


def _text_blocks(path: Path, layout: Layout, source: Source) -> Iterator[_TextBlock]:
    """Yield the records below the header in blocks of checked shape; blank lines at the end of the file are dropped."""
    names: list[str] = [] if layout.header else list(layout.columns)
    line, blank, anything = 1, 0, False
    pending = b""  # the beginning of a record that is not complete
    pieces = read_blocks(path, source.block, source.advance, layout.encoding)
    following = next(pieces, None)
    while following is not None:
        piece, following = following, next(pieces, None)
        content = pending + piece
        pending = b""
        if layout.delimiter != layout.separator:
            content = content.replace(layout.separator.encode(), layout.delimiter.encode())
        try:
            if not names:
                names, header, content = _header(path, content, layout)
                line, anything = line + header, True
            checked = _check_lines(path, content, layout, len(names), line, blank)
            if checked is not None:
                kept, count = checked
                whole = content if kept == count else content.rstrip(b"\r\n")
                numbers: Sequence[int] = range(line, line + kept)
                blank = blank or (line + kept if kept < count else 0)
            else:
                final = following is None
                records = rewrite_records(
                    path, content, layout.delimiter, layout.quote, len(names), line, blank, final=final
                )
                whole, numbers, blank, pending = records.content, records.lines, records.blank, records.rest
                kept = len(numbers)
                content = content[: len(content) - len(pending)] if pending else content
                count = content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
        except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
            raise _undecodable(path, content, line, error) from None
        anything = anything or kept > 0
        if kept:
            yield _TextBlock(path, whole, names, numbers)
        line += count
    if not anything:
        raise DataError(f"{path}: only blank lines; download or write it again")


def _check_lines(
    path: Path, content: bytes, layout: Layout, width: int, first: int, blank: int
) -> tuple[int, int] | None:
    """Return the number of lines without blank ones at the end, and with them; every line has as many fields.

    `blank` is the number of a blank line that earlier blocks ended with, 0 if there is none. None if there are quotes
    that do not stand around fields of one line: then lines are no records.
    """
    if not content:
        return 0, 0
    line = pl.col("line").fill_null("")
    quoted = bool(layout.quote) and layout.quote.encode() in content
    quote = pl.lit(layout.quote)
    bare = line.str.replace_all(f"[{layout.quote}][^{layout.quote}]*[{layout.quote}]", "") if quoted else line
    lines = pl.read_csv(
        content,
        has_header=False,
        separator=ABSENT,
        quote_char=None,
        schema={"line": pl.String},
        truncate_ragged_lines=True,
    ).select(
        blank=line.str.strip_chars_end("\r") == "",
        fields=bare.str.count_matches(layout.delimiter, literal=True) + 1,
        open=bare.str.contains(quote, literal=True) if quoted else pl.lit(False),
    )
    count = len(lines)
    kept = count - (lines["blank"].reverse().arg_min() or 0) if not lines["blank"].all() else 0
    if kept and blank:
        raise bad_line(path, blank, "blank line")
    wrong = pl.col("open") | pl.col("blank") | (pl.col("fields") != width)
    bad = lines.head(kept).with_row_index("row").filter(wrong)
    if not len(bad):
        return kept, count
    if quoted:
        return None
    row, empty, fields, _ = bad.row(0)
    raise (
        bad_line(path, first + row, "blank line")
        if empty
        else bad_width(path, first + row, layout.delimiter, width, fields)
    )


def _header(path: Path, content: bytes, layout: Layout) -> tuple[list[str], int, bytes]:
    """Return the name of each field, how many lines the header takes, and what follows it."""
    text, lines = b"", 0
    while content and (not lines or (layout.quote and text.count(layout.quote.encode()) % 2)):
        line, _, content = content.partition(b"\n")
        text, lines = text + line + b"\n", lines + 1
    if not text.strip():
        raise DataError(f"{path}, line 1: blank, where the names of the columns are expected")
    reader = csv.reader(
        text.decode().rstrip("\r\n").splitlines(keepends=True),
        delimiter=layout.delimiter,
        quotechar=layout.quote or None,
        quoting=csv.QUOTE_MINIMAL if layout.quote else csv.QUOTE_NONE,
    )
    names = next(reader)
    check_names(path, list(layout.columns), names)
    repeated = {name for name, count in Counter(names).items() if count > 1}
    return [f"{name} ({place})" if name in repeated else name for place, name in enumerate(names)], lines, content


def _is_canonical(text: pl.Series) -> bool:
    """Return whether the integers are the text: else 007 and 7 would become one key."""
    return text.cast(pl.Int64, strict=False).cast(pl.String).equals(text, null_equal=True)


def _is_numeric(text: pl.Series, decimal: str) -> bool:
    if decimal != ".":
        text = text.str.replace(decimal, ".", literal=True)
    number = text.cast(pl.Float64, strict=False)
    return number.null_count() == text.null_count() and not text.str.contains(r"^[+-]?0\d").any()


def _check_unique(path: Path, values: pl.Series, lines: pl.Series) -> None:
    if not values.is_unique().all():
        row = values.is_first_distinct().arg_min() or 0
        where = f"{path}, line {lines[row]}, column `{values.name}`"
        raise DataError(f"{where}: {values[row]} stands on an earlier line too; keep one of them")


def _undecodable(path: Path, content: bytes, first: int, error: Exception) -> DataError:
    try:
        content.decode()
    except UnicodeDecodeError as wrong:
        line = first + content.count(b"\n", 0, wrong.start)
        byte = content[wrong.start]
        return DataError(f"{path}, line {line}: not UTF-8 text (byte 0x{byte:02x}); convert it, or set `encoding`")
    return DataError(f"{path}: not readable as delimited text ({str(error).splitlines()[0]})")
