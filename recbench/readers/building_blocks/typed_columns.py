"""Columns of Parquet and JSON Lines as those of delimited text: ids, numbers, and lists joined to text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from recbench.errors import DataError
from recbench.readers.building_blocks.delimited import cast_text
from recbench.readers.building_blocks.layout import TYPES, Kind
from recbench.readers.building_blocks.row_block import RowBlock
from recbench.sources.dataset_spec import DatasetSpec

MOST_DIGITS = 18  # of a number that surely fits into Int64
LONGEST_TEXT = 1 << 20  # bytes of one value


@dataclass(frozen=True)
class ColumnRoles:
    """What the wanted columns of a table are to be."""

    ids: tuple[str, ...]  # keys and categorical features
    numbers: tuple[str, ...]
    bags: tuple[str, ...]
    vectors: tuple[str, ...]
    types: Mapping[str, Kind]  # of those that the catalogue gives a type
    separator: str  # between the values of a bag or vector
    null_values: tuple[str, ...]
    decimal: str  # before the fraction of a number that is text

    @classmethod
    def of(cls, spec: DatasetSpec) -> ColumnRoles:
        """Return the roles that the catalogue gives."""
        user, item = spec.user, spec.item
        keys = tuple(key for key in (user.key, item.key) if key)
        return cls(
            ids=tuple(dict.fromkeys((*keys, *user.categorical, *item.categorical))),
            numbers=(*user.numeric, *item.numeric),
            bags=(*user.bag, *item.bag),
            vectors=(*user.vector, *item.vector),
            types=dict(spec.types),
            separator=spec.bag_separator,
            null_values=spec.null_values,
            decimal=spec.decimal,
        )


def plain_columns(block: RowBlock, roles: ColumnRoles) -> RowBlock:
    """Return a block whose columns are Int64, Float64, String, Boolean or times, and lists joined to text.

    Raises DataError that names the first value which does not fit its column.
    """
    columns = []
    for name in block.frame.columns:
        try:
            columns.append(_plain(block, name, roles).alias(name))
        except pl.exceptions.PolarsError as error:
            kind, reason = block.frame[name].dtype, str(error).splitlines()[0]
            raise DataError(f"{block.path}, column `{name}`: {kind} cannot be read here ({reason})") from None
    return RowBlock(block.path, pl.DataFrame(columns), block.numbers, block.unit)


def _plain(block: RowBlock, name: str, roles: ColumnRoles) -> pl.Series:
    column = _simple(block, name, roles)
    if name in roles.bags or name in roles.vectors:
        return _joined(block, column, roles)
    if name in roles.types:
        return _typed(block, column, roles.types[name], roles.decimal)
    if name in roles.numbers:
        return _typed(block, column, "float", roles.decimal)
    if isinstance(column.dtype, pl.List | pl.Struct):
        kind = "a list; name it as `bag` or `vector`" if isinstance(column.dtype, pl.List) else "nested values"
        raise DataError(f"{block.path}, column `{name}`: expected one value a row, found {kind}")
    if name in roles.ids and (column.dtype.is_temporal() or column.dtype == pl.Null):
        return column.cast(pl.String)
    return column


def check_vectors(block: RowBlock, names: Sequence[str], separator: str) -> None:
    """Raise DataError that names the first vector (numbers joined to text) with a value that is no finite float32."""
    for name in names:
        text = block.frame[name]
        numbers = text.str.split(separator).list.eval(pl.element().str.strip_chars().cast(pl.Float32, strict=False))
        finite = numbers.list.eval(pl.element().is_finite().fill_null(value=False)).list.all()
        wrong = text.is_not_null() & ~finite.fill_null(value=True)
        if wrong.any():
            row = wrong.arg_max() or 0
            raise DataError(
                f"{block.place(row, name)}: expected finite numbers joined by `{separator}`, found `{text[row][:60]}`; "
                "correct them, or leave the vector empty"
            )


def _simple(block: RowBlock, name: str, roles: ColumnRoles) -> pl.Series:
    """Return a column without the types that say the same as a simpler one."""
    column = block.frame[name]
    kind = column.dtype
    if isinstance(kind, pl.Array):
        return column.arr.to_list()
    if name in roles.ids and (isinstance(kind, pl.Decimal) or kind == pl.Int128):
        column = _exact(column)
    elif kind.is_integer() and kind != pl.Int128:
        column = column if kind == pl.UInt64 else column.cast(pl.Int64)
    elif kind.is_numeric():  # floats, decimals and what is beyond 64 bits
        column = column.cast(pl.Float64)
    elif isinstance(kind, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    elif kind == pl.Binary:
        try:
            column = column.cast(pl.String)
        except pl.exceptions.PolarsError:
            raise DataError(
                f"{block.path}, column `{name}`: expected text, found bytes that are not UTF-8; write them as text, "
                "as in `3f2a`"
            ) from None
    if column.dtype == pl.String:
        _check_length(block, column)
    if roles.null_values and (column.dtype == pl.String or column.dtype.is_integer()):
        absent = column.cast(pl.String).is_in(roles.null_values).fill_null(value=False)
        column = column.set(absent, None)
    if column.dtype.is_float():
        column = column.set(column.is_in(_numbers(roles.null_values)).fill_null(value=False), None)
    if name in roles.ids and column.dtype == pl.String:
        column = column.set((column == "").fill_null(value=False), None)
    return column


def _exact(column: pl.Series) -> pl.Series:
    """Return decimals and integers of 128 bits as Int64 where their type fits into it, else as text."""
    kind = column.dtype
    if isinstance(kind, pl.Decimal) and kind.scale == 0 and (kind.precision or MOST_DIGITS + 1) <= MOST_DIGITS:
        return column.cast(pl.Int64)
    text = column.cast(pl.String)
    return text.str.strip_chars_end("0").str.strip_chars_end(".") if getattr(kind, "scale", 0) else text


def _numbers(words: Sequence[str]) -> list[float]:
    """Return the numbers among the words."""
    return pl.Series(words, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls().to_list()


def _check_length(block: RowBlock, text: pl.Series) -> None:
    longest = text.str.len_bytes()
    if (longest.max() or 0) > LONGEST_TEXT:  # type: ignore[operator]  # a number
        row = longest.arg_max() or 0
        raise DataError(
            f"{block.place(row, text.name)}: a text of {longest[row]:,} bytes; up to {LONGEST_TEXT:,} are read"
        )


def _typed(block: RowBlock, column: pl.Series, kind: Kind, decimal: str) -> pl.Series:
    if isinstance(column.dtype, pl.List | pl.Struct) or column.dtype.is_temporal():
        raise DataError(f"{block.path}, column `{column.name}`: expected {kind} values, found {column.dtype}")
    if kind == "int" and column.dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        wrong = column.is_finite().fill_null(value=False) & (whole.cast(pl.Float64) != column).fill_null(value=True)
        if wrong.any():
            row = wrong.arg_max() or 0
            raise DataError(f"{block.place(row, column.name)}: expected a whole number, found `{column[row]}`")
        return whole
    if column.dtype == pl.String:
        text = RowBlock(block.path, column.to_frame(), block.numbers, block.unit)
        return cast_text(text, column.name, kind, decimal)
    return column.cast(TYPES[kind])


def _joined(block: RowBlock, column: pl.Series, roles: ColumnRoles) -> pl.Series:
    """Return the lists of a column as text, since that is how delimited files have them."""
    if not isinstance(column.dtype, pl.List):
        return column.cast(pl.String)
    if isinstance(column.dtype.inner, pl.List | pl.Array | pl.Struct):
        raise DataError(f"{block.path}, column `{column.name}`: expected lists of plain values, found {column.dtype}")
    texts = column.cast(pl.List(pl.String))
    inner = texts.list.eval(pl.element().str.contains(roles.separator, literal=True)).list.any()
    inner = inner.fill_null(value=False)
    if inner.any():
        row = inner.arg_max() or 0
        value = next(word for word in texts[row] if word is not None and roles.separator in word)
        raise DataError(
            f"{block.place(row, column.name)}: `{value[:60]}` holds the separator `{roles.separator}`; set "
            "bag_separator in the catalogue to a character that no value holds"
        )
    if column.name in roles.vectors:
        texts = texts.set((texts.list.len() == 0).fill_null(value=False), None)  # a list without numbers is no vector
        return texts.list.eval(pl.element().fill_null("")).list.join(roles.separator)
    return texts.list.join(roles.separator)


def as_ids(ids: pl.Series, kind: pl.DataType) -> pl.Series:
    """Return ids [n] as the type of others, null where they cannot be one of them: 7 is "7", but "007" is not 7."""
    if ids.dtype == kind:
        return ids
    if ids.dtype.is_float():
        whole = ids.cast(pl.Int64, strict=False)
        ids = whole.set((whole.cast(pl.Float64) != ids).fill_null(value=True), None).alias(ids.name)
    cast = ids.cast(kind, strict=False)
    if ids.dtype == pl.String and kind.is_integer():
        return cast.set((cast.cast(pl.String) != ids).fill_null(value=True), None)
    return cast
