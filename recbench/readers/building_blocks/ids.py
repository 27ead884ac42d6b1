"""Ids of one file as those of another, which may hold them as numbers or as text."""

from __future__ import annotations

import polars as pl


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
