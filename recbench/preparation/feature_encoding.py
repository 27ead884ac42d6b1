"""From a feature as it is in the raw data to the ids or numbers that are stored of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.data.manifest import Column
from recbench.data.manifest_file import read_manifest
from recbench.errors import DataError
from recbench.preparation import buckets

if TYPE_CHECKING:
    from recbench.data.dataset import Dataset  # which imports torch


@dataclass(frozen=True)
class FeatureEncoding:
    """How one feature is stored: as ids 1, 2, … of a vocabulary or of buckets, 0 for unknown; or as numbers."""

    column: Column
    vocabulary: pl.DataFrame | None = field(default=None, compare=False)  # id, value
    edges: NDArray[np.float64] | None = field(default=None, compare=False)


def encodings_of(data: Dataset, side: Literal["user", "item"]) -> list[FeatureEncoding]:
    """Return how the features of a side were stored, by its vocabularies and bucket edges, in the order of its table.

    Raises DataError if a file is missing or damaged.
    """
    manifest = read_manifest(data.folder)

    def encoding(column: Column) -> FeatureEncoding:
        if column.kind == "numeric":
            return FeatureEncoding(column, edges=np.array(manifest.edges[side][column.name]))
        return FeatureEncoding(column, None if column.kind == "vector" else data.vocabulary(side, column))

    return [encoding(column) for column in manifest.entities("users" if side == "user" else "items").columns]


def encode_feature(value: pl.Series, encoding: FeatureEncoding, separator: str) -> pl.Series:
    """Return a feature of each entity [n] as it is stored: ids, lists of ids, or lists of numbers.

    Raises DataError for a vector of another length.
    """
    column = encoding.column
    if column.kind == "numeric":
        assert encoding.edges is not None
        return pl.Series(column.name, buckets.bucket(value.cast(pl.Float64).to_numpy(), encoding.edges))
    if column.kind == "vector":
        numbers = numbers_of(value, separator)
        wrong = numbers.list.len().fill_null(column.width) != column.width
        if wrong.any():
            raise DataError(f"vector `{column.name}`: {value[wrong.arg_max() or 0]} is not of {column.width} numbers")
        return numbers.fill_null(pl.Series([[0.0] * column.width], dtype=pl.List(pl.Float32))).alias(column.name)
    assert encoding.vocabulary is not None
    if column.kind == "categorical":
        return _look_up(value, encoding.vocabulary).alias(column.name)
    words = tokens(value, separator)
    known = words.with_columns(id=_look_up(words["value"], encoding.vocabulary)).filter(pl.col("id") > 0)
    owner, ids = known["entity"].to_numpy(), known["id"].to_numpy()
    count = np.bincount(owner, minlength=len(value))
    position = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    padded = np.zeros((len(value), column.width), np.int32)
    fits = position < column.width
    padded[owner[fits], position[fits]] = ids[fits]
    return pl.Series(column.name, padded, dtype=pl.Array(pl.Int32, column.width)).arr.to_list()


def tokens(value: pl.Series, separator: str) -> pl.DataFrame:
    """Return the words of all bags: entity (place in `value`) and value."""
    entity = pl.int_range(len(value), eager=True, dtype=pl.Int64).alias("entity")
    return (
        pl.DataFrame([entity, value.cast(pl.String).alias("value")])
        .with_columns(pl.col("value").str.split(separator))
        .explode("value")
        .with_columns(pl.col("value").str.strip_chars())
        .filter(pl.col("value") != "")
    )


def numbers_of(value: pl.Series, separator: str) -> pl.Series:
    """Return the numbers of all vectors; raises DataError for one that holds something else."""
    parts = value.cast(pl.String).str.split(separator)
    try:
        return parts.list.eval(pl.element().str.strip_chars().cast(pl.Float32))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"vector `{value.name}`: {str(error).splitlines()[0]}") from None


def _look_up(value: pl.Series, vocabulary: pl.DataFrame) -> pl.Series:
    frame = value.alias("value").to_frame()
    ids = frame.join(vocabulary, on="value", how="left", nulls_equal=True, maintain_order="left")
    return ids["id"].fill_null(0)
