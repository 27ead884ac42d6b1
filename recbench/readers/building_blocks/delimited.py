"""Delimited text to blocks of typed columns; bad input is one DataError that names file, line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import Source
from recbench.readers.building_blocks.layout import INNER, TYPES, Kind, Layout
from recbench.readers.building_blocks.record_blocks import RecordBlock, read_records
from recbench.readers.building_blocks.row_block import RowBlock, check_distinct
from recbench.sources.text_blocks import ignore_progress, map_ahead

EXPECTED = {"int": "a whole number", "float": "a number"}


def scan_delimited(path: Path, layout: Layout, source: Source) -> Iterator[pl.DataFrame]:
    """Yield the wanted columns in file order, block by block, an empty field as null, in quotes or not.

    Raises DataError for a file that is missing, empty, not text or ragged, a missing column or one that stands twice,
    a value of the wrong kind, an empty field of a `required` column, and a value of `unique` that repeats.
    """
    return (block.frame for block in scan_row_blocks(path, layout, source))


def scan_row_blocks(path: Path, layout: Layout, source: Source) -> Iterator[RowBlock]:
    """Yield what `scan_delimited` yields, with the numbers of the lines."""
    layout = resolve_kinds([path], layout, source)
    rows, unique = 0, list[RowBlock]()
    for block in map_ahead(lambda records: _typed(records, layout), read_records(path, layout, source)):
        for name in layout.required:
            if block.frame[name].null_count():
                row = block.frame[name].is_null().arg_max() or 0
                raise DataError(f"{block.place(row, name)}: empty; every row needs a value here")
        if layout.unique is not None:
            unique.append(replace(block, frame=block.frame.select(layout.unique)))
        rows += len(block.frame)
        if len(block.frame):
            yield block
    if not rows:
        raise DataError(f"{path}: no rows below the header; download or write it again")
    if layout.unique is not None:
        check_distinct(unique, layout.unique, "stands on an earlier line too; keep one of them")


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
        for block in read_records(path, layout, replace(source, advance=ignore_progress)):
            text = _strings(block, layout, list(unresolved))
            integer = {name for name in integer if _is_canonical(text[name])}
            number = {name for name in number if _is_numeric(text[name], layout.decimal)}

    def kind(name: str) -> Kind:
        if name in integer:
            return "int"
        if name not in number:
            return "text"
        return "float" if unresolved[name] == "guess" else "number id"

    return replace(layout, columns={**layout.columns, **{name: kind(name) for name in unresolved}})


def _strings(block: RecordBlock, layout: Layout, wanted: Sequence[str]) -> pl.DataFrame:
    """Return columns as they are written, [rows]; raises DataError for a record whose quotes cannot be meant."""
    try:
        return _read(block, layout, wanted, dict.fromkeys(wanted, pl.String))
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{block.path}, lines {block.numbers[0]} to {block.numbers[-1]}: {str(error).splitlines()[0]}; "
            "inside quotes a quote is written twice, and nothing stands beside them"
        ) from None


def _typed(block: RecordBlock, layout: Layout) -> RowBlock:
    """Return the wanted columns as their kinds say; raises DataError for a value of another kind."""
    wanted = sorted(layout.wanted, key=block.names.index)
    try:
        frame = _read(block, layout, wanted, {name: TYPES[layout.columns[name]] for name in wanted})
    except pl.exceptions.PolarsError:  # the slow way knows which line it is, and takes 9.0 and blanks
        text = RowBlock(block.path, _strings(block, layout, wanted), block.numbers, "line")
        frame = text.frame.select(cast_text(text, name, layout.columns[name], layout.decimal) for name in wanted)
    ids = [name for name in wanted if layout.columns[name] == "number id"]
    if ids:
        frame = frame.with_columns(pl.when(pl.col(ids).str.strip_chars().str.to_lowercase() != "nan").then(pl.col(ids)))
    return RowBlock(block.path, frame, block.numbers, "line")


def _read(
    block: RecordBlock, layout: Layout, wanted: Sequence[str], kinds: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    if not block.content:
        return pl.DataFrame(schema=dict(kinds))
    frame = pl.read_csv(
        block.content,
        has_header=False,
        separator=layout.delimiter,
        quote_char=layout.quote or None,
        decimal_comma=layout.decimal == ",",
        null_values=list(layout.null_values) or None,
        columns=[block.names.index(name) for name in wanted],
        schema={name: kinds.get(name, pl.String) for name in block.names},
    ).select(wanted)
    texts = [name for name in wanted if kinds[name] == pl.String]
    if not layout.quote or not texts or layout.quote.encode() not in block.content:
        return frame
    if 2 * layout.quote.encode() in block.content:  # an empty field may stand in quotes
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


def _is_canonical(text: pl.Series) -> bool:
    """Return whether the integers are the text: else 007 and 7 would become one key."""
    return text.cast(pl.Int64, strict=False).cast(pl.String).equals(text, null_equal=True)


def _is_numeric(text: pl.Series, decimal: str) -> bool:
    if decimal != ".":
        text = text.str.replace(decimal, ".", literal=True)
    number = text.cast(pl.Float64, strict=False)
    return number.null_count() == text.null_count() and not text.str.contains(r"^[+-]?0\d").any()
