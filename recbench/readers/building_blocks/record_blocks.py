"""Delimited text to blocks of whole records, each with as many fields as the header."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import Source
from recbench.readers.building_blocks.layout import Layout, check_names
from recbench.sources.text_blocks import LONGEST_LINE, read_blocks

ABSENT = "\x1e"  # a byte that no text uses: as separator it keeps each line whole
UNFINISHED = "unexpected end of data"  # what the csv module says of a quote that is not closed


@dataclass(frozen=True)
class RecordBlock:
    """Some whole records of a file, below its header."""

    path: Path
    content: bytes
    names: list[str]  # of all fields, each once
    numbers: Sequence[int]  # of the line on which each record begins


def read_records(path: Path, layout: Layout, source: Source) -> Iterator[RecordBlock]:
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
            yield RecordBlock(path, whole, names, numbers)
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


def _undecodable(path: Path, content: bytes, first: int, error: Exception) -> DataError:
    try:
        content.decode()
    except UnicodeDecodeError as wrong:
        line = first + content.count(b"\n", 0, wrong.start)
        byte = content[wrong.start]
        return DataError(f"{path}, line {line}: not UTF-8 text (byte 0x{byte:02x}); convert it, or set `encoding`")
    return DataError(f"{path}: not readable as delimited text ({str(error).splitlines()[0]})")


@dataclass(frozen=True)
class Records:
    """Records of a block as text that can be read field by field."""

    content: bytes  # every field in quotes
    lines: list[int]  # on which each record begins
    blank: int  # number of the blank line that the block ends with, 0 if there is none
    rest: bytes  # what follows the last complete record


def rewrite_records(
    path: Path, content: bytes, separator: str, quote: str, width: int, first: int, blank: int, final: bool
) -> Records:
    """Return the records of a block whose first line has the number `first`; every one has `width` fields.

    `blank` is the number of a blank line before the block, 0 if there is none; `final` says that nothing follows it.
    Raises DataError for a quote that does not close, text after a closing quote, a blank line between records, and
    another number of fields.
    """
    csv.field_size_limit(LONGEST_LINE)
    text = content.decode()
    lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, strict=True)
    output = io.StringIO()
    writer = csv.writer(output, delimiter=separator, quotechar=quote, quoting=csv.QUOTE_ALL, lineterminator="\n")
    begins: list[int] = []
    done = 0  # lines of complete records
    try:
        for fields in reader:
            line, done = first + done, reader.line_num
            if not fields:
                blank = blank or line
                continue
            if blank:
                raise bad_line(path, blank, "blank line")
            if len(fields) != width:
                raise bad_width(path, line, separator, width, len(fields))
            writer.writerow(fields)
            begins.append(line)
    except csv.Error as error:
        line = first + done
        if str(error) != UNFINISHED:
            raise bad_line(path, line, f'{error}; double a quote inside quotes, or set quote = ""') from None
        rest = "".join(lines[done:]).encode()
        if final or len(rest) > LONGEST_LINE:
            raise bad_line(path, line, "a quote opens and does not close") from None
        return Records(output.getvalue().encode(), begins, blank, rest)
    return Records(output.getvalue().encode(), begins, blank, b"")


def bad_width(path: Path, line: int, separator: str, width: int, fields: int) -> DataError:
    """Return the error for a line with too many or too few fields."""
    shown = {"\x1f": "::", "\t": "tab"}.get(separator, separator)
    return bad_line(path, line, f"expected {width} fields separated by `{shown}`, found {fields}")


def bad_line(path: Path, line: int, reason: str) -> DataError:
    """Return the error for a line that is not as it should be."""
    return DataError(f"{path}, line {line}: {reason}; correct the line or download the file again")
