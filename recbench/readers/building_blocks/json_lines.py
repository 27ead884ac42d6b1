"""JSON Lines to frames: one object a line, its keys the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import Source
from recbench.readers.building_blocks.layout import check_names
from recbench.readers.building_blocks.row_block import RowBlock
from recbench.sources.text_blocks import read_numbered_blocks

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def json_schema(path: Path, wanted: Sequence[str], source: Source, encoding: str) -> dict[str, pl.DataType]:
    """Return the type that holds all values of each wanted key; raises DataError for a key that no line has."""
    schema, names = pl.DataFrame(), dict[str, None]()
    for first, piece in read_numbered_blocks(path, source.block, source.advance, encoding):
        frame = _parse(path, piece, None, first)
        names |= dict.fromkeys(frame.columns)
        frame = frame.select(name for name in frame.columns if name in wanted).clear()
        schema = pl.concat([schema, frame], how="diagonal_relaxed")
    check_names(path, wanted, list(names))
    return {name: schema.schema[name] for name in wanted}


def scan_json_lines(
    path: Path, schema: dict[str, pl.DataType], source: Source, encoding: str = "utf-8"
) -> Iterator[RowBlock]:
    """Yield the keys of `schema` block by block, null where a line lacks one.

    Raises DataError that names the first line which is not an object, or whose value is of another type.
    """
    rows = 0
    for first, piece in read_numbered_blocks(path, source.block, source.advance, encoding):
        frame = _parse(path, piece, schema, first)
        rows += len(frame)
        if len(frame):
            yield RowBlock(path, frame.select(list(schema)), range(first, first + len(frame)), "line")
    if not rows:
        raise DataError(f"{path}: no rows; download or write it again")


def bad_json_line(
    path: Path, piece: bytes, first: int, schema: Mapping[str, pl.DataType] = MappingProxyType({})
) -> DataError:
    """Return the error for the first line of a piece that does not fit the others, or for all of them.

    Raises DataError for the first line that is not a JSON object.
    """
    is_list = {name: isinstance(kind, pl.List) for name, kind in schema.items()}
    for number, line in enumerate(piece.splitlines(), first):
        where = f"{path}, line {number}"
        for name, cell in json_object(where, line).items():
            if cell is not None and is_list.setdefault(name, isinstance(cell, list)) != isinstance(cell, list):
                this, others = ("one value", "lists") if is_list[name] else ("a list", "one value")
                return DataError(f"{where}, column `{name}`: {this}, where other lines have {others}; correct the line")
    return DataError(f"{path}, lines from {first}: not readable as JSON lines; download the file again")


def json_object(where: str, line: bytes) -> dict[str, Any]:
    """Return the object on one line; raises DataError that begins with `where` if there is none."""
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
        reason = "" if isinstance(value, dict) else "not a JSON object"
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as error:
        reason = f"not a JSON object ({error})"
    if reason:
        raise DataError(f"{where}: {reason}; correct the line or download the file again")
    return cast(dict[str, Any], value)


def _check_first_line(path: Path, text: bytes, first: int) -> None:
    """Raise DataError for a key that stands twice in the first line; other lines are written by the same program."""
    line = text.partition(b"\n")[0]

    def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        repeated = next((key for key in keys if keys.count(key) > 1), None)
        if repeated is not None:
            raise DataError(f"{path}, line {first}: `{repeated}` stands twice; rename or remove one of the two keys")
        return dict(pairs)

    with suppress(ValueError, RecursionError):  # which are reported with the other lines
        json.loads(line, object_pairs_hook=refuse_repeats)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _parse(path: Path, piece: bytes, schema: dict[str, pl.DataType] | None, first: int) -> pl.DataFrame:
    text = piece.rstrip()
    lines = text.count(b"\n") + 1 if text else 0
    if not lines:
        return pl.DataFrame(schema=schema)
    _check_first_line(path, text, first)
    try:
        frame = pl.read_ndjson(text, schema=schema, infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError, OverflowError):
        raise bad_json_line(path, text, first, schema or {}) from None
    if len(frame) != lines:
        raise bad_json_line(path, text, first)
    if SURROGATE.search(text):
        _check_surrogates(path, text, first)
    return frame


def _check_surrogates(path: Path, piece: bytes, first: int) -> None:
    """Raise DataError for half of a character, which polars reads as another one."""
    for number, line in enumerate(piece.split(b"\n"), first):
        if SURROGATE.search(line):
            try:
                json.dumps(json_object(f"{path}, line {number}", line), ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise DataError(f"{path}, line {number}: half of a character (\\ud800 to \\udfff)") from None
