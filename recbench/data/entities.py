"""Users and items: one row each, features as ids of vocabularies that only the train rows make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.data import buckets
from recbench.data.catalog import Side
from recbench.errors import DataError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Entities:
    """All entities of one side, those that occur in train first."""

    table: pl.DataFrame  # one Int32 column of ids per feature; a bag is a List(Int32) of equal lengths
    columns: list[dict[str, str | int]]  # name, kind, size, width
    keys: pl.DataFrame  # row and what identifies the entity in the raw data
    vocabularies: dict[str, pl.DataFrame]  # by feature: id, value
    edges: dict[str, list[float]]  # by numeric feature
    seen: int
    row: NDArray[np.int32]  # [R] entity of each log row


@dataclass(frozen=True)
class Encoded:
    """One feature of every entity."""

    ids: pl.Series
    kind: str
    size: int
    width: int = 1
    vocabulary: pl.DataFrame | None = None
    edges: list[float] | None = None


def codes(log: pl.DataFrame, identity: tuple[str, ...]) -> tuple[pl.DataFrame, NDArray[np.uint32]]:
    """Return the distinct rows of the identity columns, sorted, and which of them each log row holds, [R]."""
    columns = list(identity)
    keys = log.select(columns).unique().sort(columns, nulls_last=True)
    numbered = keys.with_row_index("row")
    held = log.select(columns).join(numbered, on=columns, how="left", nulls_equal=True, maintain_order="left")
    return keys, held["row"].to_numpy()


def build(
    log: pl.DataFrame, table: pl.DataFrame | None, side: Side, train: NDArray[np.bool_], separator: str
) -> Entities:
    """Number the entities of the log and encode their features.

    The features come from the entity table, if there is one, else from the log, where each distinct row of key and
    features is an entity. An entity that the table lacks has empty features. Raises DataError for a missing column.
    """
    identity = (side.key,) if table is not None and side.key else side.identity
    _check_columns(log, identity)
    keys, code = codes(log, identity)
    in_train = np.zeros(len(keys), np.bool_)
    in_train[code[train]] = True
    order = np.argsort(~in_train, kind="stable")
    rank = np.empty(len(keys), np.int32)
    rank[order] = np.arange(len(keys), dtype=np.int32)
    row, seen, keys = rank[code], int(in_train.sum()), keys[order]
    features = keys
    if table is not None and side.key:
        _check_columns(table, side.identity)
        features = keys.join(table.select(side.identity), on=side.key, how="left", maintain_order="left")
    train_rows = row[train]

    def encode(name: str) -> Encoded:
        if name in side.categorical:
            return _categorical(features[name], seen)
        if name in side.bag:
            return _bag(features[name], seen, separator)
        return _numeric(features[name], train_rows)

    encoded = {name: encode(name) for name in side.features}
    return Entities(
        table=pl.DataFrame([feature.ids.alias(name) for name, feature in encoded.items()]),
        columns=[
            {"name": name, "kind": feature.kind, "size": feature.size, "width": feature.width}
            for name, feature in encoded.items()
        ],
        keys=keys.with_row_index("row"),
        vocabularies={name: feature.vocabulary for name, feature in encoded.items() if feature.vocabulary is not None},
        edges={name: feature.edges for name, feature in encoded.items() if feature.edges is not None},
        seen=seen,
        row=row,
    )


def _check_columns(frame: pl.DataFrame, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in frame.columns:
            raise DataError(f"no column `{name}` among {', '.join(frame.columns)}; correct the catalogue")


def _categorical(value: pl.Series, seen: int) -> Encoded:
    vocabulary = _vocabulary(value.head(seen))
    return Encoded(_look_up(value, vocabulary), "categorical", len(vocabulary) + 1, vocabulary=vocabulary)


def _bag(value: pl.Series, seen: int, separator: str) -> Encoded:
    entity = pl.int_range(len(value), eager=True, dtype=pl.Int64).alias("entity")
    tokens = (
        pl.DataFrame([entity, value.cast(pl.String).alias("value")])
        .with_columns(pl.col("value").str.split(separator))
        .explode("value")
        .with_columns(pl.col("value").str.strip_chars())
        .filter(pl.col("value") != "")
    )
    vocabulary = _vocabulary(tokens.filter(pl.col("entity") < seen)["value"])
    known = tokens.with_columns(id=_look_up(tokens["value"], vocabulary)).filter(pl.col("id") > 0)
    owner, ids = known["entity"].to_numpy(), known["id"].to_numpy()
    count = np.bincount(owner, minlength=len(value))
    position = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    width = max(1, int(count[:seen].max(initial=1)))
    padded = np.zeros((len(value), width), np.int32)
    fits = position < width
    padded[owner[fits], position[fits]] = ids[fits]
    bags = pl.Series(padded, dtype=pl.Array(pl.Int32, width)).arr.to_list()
    return Encoded(bags, "bag", len(vocabulary) + 1, width, vocabulary=vocabulary)


def _numeric(value: pl.Series, train_rows: NDArray[np.int32]) -> Encoded:
    number = value.cast(pl.Float64).to_numpy()
    edge = buckets.edges(number[train_rows])
    ids = pl.Series(buckets.bucket(number, edge))
    return Encoded(ids, "numeric", buckets.size(edge), edges=edge.tolist())


def _vocabulary(value: pl.Series) -> pl.DataFrame:
    distinct = value.alias("value").unique().sort(nulls_last=True)
    return distinct.to_frame().with_row_index("id", offset=1).with_columns(pl.col("id").cast(pl.Int32))


def _look_up(value: pl.Series, vocabulary: pl.DataFrame) -> pl.Series:
    frame = value.alias("value").to_frame()
    found = frame.join(vocabulary, on="value", how="left", nulls_equal=True, maintain_order="left")
    return found["id"].fill_null(0)
