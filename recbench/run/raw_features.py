"""Raw rows of users or items as a table: their features by the vocabularies and buckets of a prepared dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from recbench.data.dataset import Dataset, Table, table_of
from recbench.data.manifest_file import read_manifest
from recbench.errors import DataError
from recbench.preparation.buckets import ABSENT
from recbench.preparation.feature_encoding import FeatureEncoding, encode_feature, encodings_of
from recbench.readers.building_blocks.ids import as_ids
from recbench.readers.building_blocks.row_block import RowBlock
from recbench.readers.building_blocks.typed_columns import ColumnRoles, check_vectors, plain_columns
from recbench.run.raw_ids import side_options


def encode_rows(data: Dataset, side: Literal["user", "item"], rows: pl.DataFrame, path: Path) -> Table:
    """Return a table of users or items that are given as in the raw data, a column per feature.

    Values that do not occur in train are unknown, as they are to users and items of the test rows alone. Rows are
    counted from 1 in messages, which name `path`. Raises DataError for a missing column and for a wrong value.
    """
    own, options = side_options(data, side), read_manifest(data.folder).options
    missing = [name for name in own.features if name not in rows.columns]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; a new {side} of {data.name} needs the columns "
            f"{', '.join(own.features)}"
        )
    roles = ColumnRoles(
        ids=own.categorical,
        numbers=own.numeric,
        bags=own.bag,
        vectors=own.vector,
        types={},
        separator=options.bag_separator,
        null_values=options.null_values,
        decimal=options.decimal,
    )
    block = RowBlock(path, rows.select(own.features), range(1, len(rows) + 1), "row")
    block = plain_columns(block, roles)
    check_vectors(block, own.vector, options.bag_separator)
    encodings = encodings_of(data, side)
    columns = [_encode(block.frame[it.column.name], it, options.bag_separator) for it in encodings]
    return table_of(pl.DataFrame(columns), [it.column for it in encodings], 0, data.items.value.device)


def count_unknown(table: Table) -> int:
    """Return how many entities have no value that occurs in train, so that nothing is known of them."""
    if table.dense is not None:
        return 0
    numeric = [column.kind == "numeric" for column in table.columns for _ in range(column.width)]
    nothing = table.value.new_tensor([ABSENT if it else 0 for it in numeric])
    return int((table.value == nothing).all(1).sum())


def _encode(value: pl.Series, encoding: FeatureEncoding, separator: str) -> pl.Series:
    if encoding.column.kind != "categorical" or encoding.vocabulary is None:
        return encode_feature(value, encoding, separator)
    kind = encoding.vocabulary["value"].dtype
    typed = as_ids(value, kind)
    ids = encode_feature(typed, encoding, separator)
    return ids.set(typed.is_null() & value.is_not_null(), 0)  # what is not of the type is not the empty value
