"""Delimited text that has to be read character by character: line breaks in quotes and stray quotes (RFC 4180)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from recbench.errors import DataError
from recbench.sources.text_blocks import LONGEST_LINE

UNFINISHED = "unexpected end of data"  # what the csv module says of a quote that is not closed


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
