"""Files of delimited text, JSON Lines or Parquet, read one after the other as one table.

A delimited file without a header has its columns named in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recbench.errors import DataError
from recbench.readers.base import Source
from recbench.readers.building_blocks.delimited import resolve_kinds, scan_row_blocks
from recbench.readers.building_blocks.json_lines import json_schema, scan_json_lines
from recbench.readers.building_blocks.layout import Kind, Layout, check_names
from recbench.readers.building_blocks.row_block import RowBlock
from recbench.readers.building_blocks.times import Times
from recbench.readers.building_blocks.typed_columns import ColumnRoles, check_vectors, plain_columns
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.decompress import open_unpacked
from recbench.sources.text_blocks import BYTE_ORDER_MARKS, ignore_progress, read_start

BATCH = 1 << 17  # rows of a Parquet file at once
LOOK = 4096  # bytes that tell JSON Lines from delimited text


@dataclass(frozen=True)
class _Table:
    """What is wanted of the files."""

    spec: DatasetSpec
    source: Source

    @cached_property
    def required(self) -> list[str]:
        """Columns in which no row may be empty."""
        part = ["split"] if self.source.shipped_parts else []
        return [name for name in (self.spec.user.key, self.spec.item.key, self.spec.time) if name] + part

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The wanted columns and how they are read from text."""
        spec = self.spec
        kinds: dict[str, Kind] = dict.fromkeys((*spec.user.identity, *spec.item.identity), "key")
        kinds |= {name: "guess" for name in spec.log_columns if name not in kinds}
        kinds |= dict.fromkeys((*spec.user.bag, *spec.item.bag, *spec.user.vector, *spec.item.vector), "text")
        kinds |= dict.fromkeys((*spec.user.numeric, *spec.item.numeric), "float")
        if spec.time is not None and spec.time_format is not None:
            kinds[spec.time] = "text"
        if self.source.shipped_parts:
            kinds["split"] = "text"
        types: Mapping[str, Kind] = {name: kind for name, kind in spec.types.items() if name in kinds}
        return kinds | dict(types)

    @cached_property
    def layout(self) -> Layout:
        """How the delimited files are written."""
        spec = self.spec
        return Layout(
            columns={**dict.fromkeys(spec.columns, "text"), **self.kinds},
            header=not spec.columns,
            keep=list(self.kinds),
            separator=spec.separator,
            encoding=spec.encoding,
            quote=spec.quote,
            decimal=spec.decimal,
            null_values=spec.null_values,
        )

    def form(self, path: Path) -> str:
        """Return `parquet`, `json` or `delimited`, by the first bytes of a file."""
        if read_start(path).startswith(b"PAR1"):
            return "parquet"
        with open_unpacked(path) as file:
            raw = file.read(LOOK)
        if raw.startswith(b"PAR1"):
            raise DataError(f"{path}: a packed Parquet file; unpack it first")
        start = _first_text(raw, self.spec.encoding)
        if self.spec.columns or start[:1] not in (b"{", b"["):
            return "delimited"
        if start.startswith(b"["):
            raise DataError(f"{path}: a JSON array, where one object a line is expected; write it as JSON Lines")
        return "json"


def read_row_blocks(spec: DatasetSpec, source: Source) -> Iterator[RowBlock]:
    """Yield what the user and item side, the feedback, the filter and the time of `spec` need of the files of `source`.

    Times are Int64 in the unit of the catalogue. Raises DataError for bad files.
    """
    table = _Table(spec, source)
    forms = {path: table.form(path) for path in source.files.values()}
    layout = resolve_kinds([path for path, form in forms.items() if form == "delimited"], table.layout, source)
    roles = ColumnRoles.of(spec)
    quiet = replace(source, advance=ignore_progress)
    schemas = {
        path: json_schema(path, list(table.kinds), quiet, spec.encoding)
        for path, form in forms.items()
        if form == "json"
    }
    common = _CommonSchema(spec.time, roles.ids)
    for path, form in forms.items():
        if form == "delimited":
            common.add(path, pl.Schema({name: _text_type(layout.columns[name]) for name in table.kinds}))
        else:
            schema = schemas[path] if form == "json" else _parquet_schema(path, list(table.kinds))
            empty = RowBlock(path, pl.DataFrame(schema=schema), [], "row")
            common.add(path, plain_columns(empty, roles).frame.schema)
    for path, form in forms.items():
        times = Times(spec)
        if form == "delimited":
            blocks = scan_row_blocks(path, layout, source)
        elif form == "json":
            blocks = scan_json_lines(path, schemas[path], source, spec.encoding)
        else:
            blocks = _scan_parquet(path, list(table.kinds))
        for block in blocks:
            block = block if form == "delimited" else plain_columns(block, roles)
            frame = block.frame.select(list(common.types))
            if spec.decimal != ".":
                frame = frame.with_columns(pl.col(roles.vectors).str.replace_all(spec.decimal, ".", literal=True))
            if spec.time is not None:
                frame = frame.with_columns(times.read(block))
            frame = common.cast(frame, path)
            block = replace(block, frame=frame)
            check_vectors(block, roles.vectors, spec.bag_separator)
            _check_required(block, table)
            yield block


def _check_required(block: RowBlock, table: _Table) -> None:
    """Raise DataError for an empty value of a required column, unless the filter drops its row."""
    frame = block.frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))
    for name in table.required:
        empty = frame[name].is_null()
        if empty.any() and table.spec.filter is not None:
            try:
                kept = frame.select(pl.sql_expr(table.spec.filter).alias("kept"))["kept"]
                empty &= kept.fill_null(value=False) if kept.dtype == pl.Boolean and len(kept) == len(frame) else True
            except pl.exceptions.PolarsError:  # which is reported where the filter is applied
                pass
        if empty.any():
            raise DataError(f"{block.place(empty.arg_max() or 0, name)}: empty; every row needs a value here")


class _CommonSchema:
    """The types that hold the columns of all files: they may differ in width, and be empty in some of the files."""

    def __init__(self, time: str | None, ids: Sequence[str]) -> None:
        self._time, self._ids = time, ids
        self.types: dict[str, pl.DataType | type[pl.DataType]] = {}
        self._first: Path | None = None

    def add(self, path: Path, schema: pl.Schema) -> None:
        """Add the columns of a file; raises DataError for one of another kind than in the first file."""
        if self._first is None:
            self._first, self.types = path, dict(schema)
        for name, kind in self.types.items():
            other = schema[name]
            if kind == pl.Null:
                self.types[name] = other
            elif other not in (kind, pl.Null) and name != self._time:
                whole = kind.is_integer() and other.is_integer()
                if not whole and (name in self._ids or not (kind.is_numeric() and other.is_numeric())):
                    raise DataError(
                        f"{path}, column `{name}`: {other}, but {kind} in {self._first}; the files of a log must have "
                        "columns of one kind"
                    )
                self.types[name] = pl.Int64 if whole else pl.Float64

    def cast(self, frame: pl.DataFrame, path: Path) -> pl.DataFrame:
        """Return the frame with these types; raises DataError for a number that does not fit."""
        try:
            return frame.cast({name: kind for name, kind in self.types.items() if name != self._time})
        except pl.exceptions.InvalidOperationError as error:
            raise DataError(
                f"{path}: {str(error).splitlines()[0]}; the files of a log must have columns of one kind"
            ) from None


def _first_text(start: bytes, encoding: str) -> bytes:
    """Return the start of a file as UTF-8, without blanks before it, as far as it can be decoded."""
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), encoding)
    try:
        text = start.decode(marked, errors="ignore")
    except (LookupError, ValueError):  # which is reported where the whole file is read
        return start
    return text.removeprefix("\ufeff").lstrip().encode()


def _text_type(kind: Kind) -> type[pl.DataType]:
    return {"int": pl.Int64, "float": pl.Float64}.get(kind, pl.String)


def _parquet_schema(path: Path, wanted: Sequence[str]) -> pl.Schema:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = list(file.schema_arrow.names)
            check_names(path, wanted, names)
            fields = [_in_utc(file.schema_arrow.field(name)) for name in wanted]
        frame = pl.from_arrow(pa.schema(fields).empty_table())
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise _damaged_parquet(path, error) from None
    assert isinstance(frame, pl.DataFrame)
    return frame.schema


def _scan_parquet(path: Path, wanted: Sequence[str]) -> Iterator[RowBlock]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            first = 1
            for batch in file.iter_batches(BATCH, columns=list(wanted)):
                frame = pl.from_arrow(batch.cast(pa.schema(_in_utc(field) for field in batch.schema)))
                assert isinstance(frame, pl.DataFrame)
                yield RowBlock(path, frame.select(wanted), range(first, first + len(frame)), "row")
                first += len(frame)
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise _damaged_parquet(path, error) from None


def _in_utc(field: pa.Field) -> pa.Field:
    """Return a field whose zone, if it has one, has a name: polars knows no offsets such as +05:30."""
    kind = field.type
    zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    return field.with_type(pa.timestamp(kind.unit, "UTC")) if zoned else field


def _damaged_parquet(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: damaged Parquet file ({str(error).splitlines()[0]})")
