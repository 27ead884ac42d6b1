"""Users and items: one row each, features as ids of vocabularies that only the train rows make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.data.manifest import Column, EntityTable
from recbench.errors import DataError
from recbench.preparation import buckets
from recbench.preparation.entity_keys import CODE, Keys
from recbench.preparation.feature_encoding import FeatureEncoding, encode_feature, numbers_of, tokens
from recbench.preparation.features import Features
from recbench.preparation.frame_file import FrameFile, even_ranges, scatter
from recbench.sources.dataset_spec import DatasetSpec, Side

WeightedValues = tuple[pl.Series, NDArray[np.int64]]  # values, and how many train rows each stands on


@dataclass(frozen=True)
class Entities:
    """All entities of one side, those that occur in train first, and how to encode their features."""

    side: Side
    identity: tuple[str, ...]  # columns that tell them apart
    features: FrameFile  # code, and the key and features as in the raw data
    row: NDArray[np.int32]  # row of each code, -1 for those that no log row names, [codes]
    seen: int
    undescribed: int  # entities that the table of their features lacks
    keys: int  # distinct keys: fewer than entities where features vary from row to row
    encodings: list[FeatureEncoding]
    separator: str

    @property
    def count(self) -> int:
        """Number of entities."""
        return int((self.row >= 0).sum())

    @property
    def table(self) -> EntityTable:
        """What the manifest records of them."""
        columns = tuple(encoding.column for encoding in self.encodings)
        return EntityTable(self.count, self.keys, self.seen, columns, self.undescribed)


def without_empty_features(features: FrameFile, side: Side, size: int) -> NDArray[np.bool_]:
    """Return which of `size` entities have a value of every feature, [size]."""
    lacking = np.zeros(size, np.bool_)
    for frame in features.frames():
        empty = frame.select(pl.any_horizontal(pl.col(side.features).is_null()))[:, 0]
        lacking[frame[CODE].to_numpy()] = empty.to_numpy()
    return ~lacking


def _vector_message(dataset: str, name: str, widths: list[int]) -> str:
    """Return what is wrong with a vector of these numbers of values."""
    if not widths:
        return f"{dataset}: vector `{name}` is empty in every row; leave it out"
    found = " and ".join(map(str, widths[:5])) + (" and more" if len(widths) > 5 else "")
    return f"{dataset}: vector `{name}` holds {found} numbers in different rows; it must be as many in every row"


def fit(spec: DatasetSpec, side: Side, keys: Keys, features: Features, rows: NDArray[np.uint32]) -> Entities:
    """Number the entities that have log rows and make vocabularies and bucket edges from the train rows.

    `rows` are the numbers of rows of each part (train first) by code, [3, codes].
    """
    train = rows[0].astype(np.int64)
    order = keys.order(train > 0)
    order = order[rows.sum(0)[order] > 0]
    row = np.full(len(keys), -1, np.int32)
    row[order] = np.arange(len(order), dtype=np.int32)

    def values(name: str) -> Iterator[WeightedValues]:
        for frame in features.rows.frames([CODE, name]):
            weight = train[frame[CODE].to_numpy()]
            yield frame[name].filter(pl.Series(weight > 0)), weight[weight > 0]

    return Entities(
        side=side,
        identity=keys.identity,
        features=features.rows,
        row=row,
        seen=int((train > 0).sum()),
        undescribed=int((features.undescribed & (row >= 0)).sum()),
        keys=_distinct(side, keys, features.rows, row),
        encodings=[_fit_feature(spec, side, name, partial(values, name)) for name in side.features],
        separator=spec.bag_separator,
    )


def encode(entities: Entities, at_once: int, folder: Path) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield the ids of the entities (a column per feature) and what identifies them, in the order of their rows.

    About `at_once` features are held at once.
    """
    at_once = max(1, at_once // max(1, len(entities.encodings)))
    frames = (
        frame.with_columns(row=pl.Series(entities.row[frame[CODE].to_numpy()])).filter(pl.col("row") >= 0)
        for frame in entities.features.frames()
    )
    for group in scatter(frames, "row", even_ranges(entities.count, at_once), folder):
        if group.rows:
            frame = pl.concat(list(group.frames())).sort("row").with_columns(pl.col("row").cast(pl.UInt32))
            ids = [encode_feature(frame[it.column.name], it, entities.separator) for it in entities.encodings]
            yield pl.DataFrame(ids), frame.select("row", *entities.identity)
        group.remove()


def _distinct(side: Side, keys: Keys, features: FrameFile, row: NDArray[np.int32]) -> int:
    if side.key is None or keys.single:
        return int((row >= 0).sum())
    keys_in_log = (frame.filter(pl.Series(row[frame[CODE].to_numpy()] >= 0))[side.key] for frame in features.frames())
    return _union(value.unique() for value in keys_in_log).n_unique()


def _fit_feature(
    spec: DatasetSpec, side: Side, name: str, values: Callable[[], Iterator[WeightedValues]]
) -> FeatureEncoding:
    """Return the encoding of one feature, given its values on entities in train and their numbers of train rows."""
    separator = spec.bag_separator
    if name in side.categorical:
        vocabulary = _common(values(), spec.min_count) if spec.min_count > 1 else _vocabulary(v for v, _ in values())
        return FeatureEncoding(Column(name, "categorical", len(vocabulary) + 1), vocabulary)
    if name in side.bag:
        vocabulary = _vocabulary(tokens(value, separator)["value"] for value, _ in values())
        owners = (tokens(value, separator)["entity"].to_numpy() for value, _ in values())
        width = max((int(np.bincount(owner).max()) for owner in owners if len(owner)), default=1)
        return FeatureEncoding(Column(name, "bag", len(vocabulary) + 1, width), vocabulary)
    if name in side.vector:
        lengths = [numbers_of(value, separator).list.len().drop_nulls().unique() for value, _ in values()]
        widths = sorted({length for some in lengths for length in some})
        if len(widths) != 1:
            raise DataError(_vector_message(spec.name, name, widths))
        return FeatureEncoding(Column(name, "vector", 0, widths[0]))
    numbers = [(value.cast(pl.Float64).to_numpy(), weight) for value, weight in values()]
    edges = buckets.edges(
        np.concatenate([value for value, _ in numbers] or [np.empty(0)]),
        np.concatenate([weight for _, weight in numbers] or [np.empty(0, np.int64)]),
    )
    return FeatureEncoding(Column(name, "numeric", buckets.size(edges)), edges=edges)


def _vocabulary(values: Iterable[pl.Series]) -> pl.DataFrame:
    """Return the sorted distinct values, null being one, with ids 1, 2, …"""
    return _numbered(_union(value.unique() for value in values))


def _common(values: Iterable[WeightedValues], min_count: int) -> pl.DataFrame:
    """Return the sorted distinct values that stand on `min_count` or more train rows, with ids 1, 2, …"""
    parts = (
        pl.DataFrame([value.alias("value"), pl.Series("rows", weight)]).group_by("value").sum()
        for value, weight in values
    )
    return _numbered(pl.concat(parts).group_by("value").sum().filter(pl.col("rows") >= min_count)["value"])


def _numbered(distinct: pl.Series) -> pl.DataFrame:
    ordered = distinct.alias("value").sort(nulls_last=True).to_frame()
    return ordered.with_row_index("id", offset=1).with_columns(pl.col("id").cast(pl.Int32))


def _union(parts: Iterable[pl.Series]) -> pl.Series:
    """Return the distinct values of all parts, holding at most about twice those at once."""
    union: pl.Series | None = None
    fresh: list[pl.Series] = []
    for part in parts:
        fresh.append(part)
        if union is None or sum(map(len, fresh)) > len(union):  # so that all parts together cost what the union does
            union, fresh = pl.concat([*([] if union is None else [union]), *fresh]).unique(), []
    if union is None:
        return pl.Series([], dtype=pl.Null)
    return pl.concat([union, *fresh]).unique()
