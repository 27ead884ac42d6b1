"""KuaiRec: the big matrix of what users watched, and the small one, of which nearly every pair is observed."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from recbench.readers.base import RawTables, Source
from recbench.readers.building_blocks.delimited import scan_delimited
from recbench.readers.building_blocks.layout import Kind, Layout
from recbench.sources.dataset_spec import DatasetSpec

FILES = {"train": "big_matrix.csv", "test": "small_matrix.csv"}


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read the big matrix, and for the shipped split the small one too, as test; raises DataError for bad files."""
    return RawTables(_log(spec, source))


def _log(spec: DatasetSpec, source: Source) -> Iterator[pl.DataFrame]:
    keys = [key for key in (spec.user.key, spec.item.key) if key]
    columns: dict[str, Kind] = {**dict.fromkeys(keys, "int"), **dict.fromkeys(spec.log_columns, "float")}
    layout = Layout(columns, header=True, required=keys)
    for part, name in FILES.items():
        if part == "train" or source.shipped_parts:
            for block in scan_delimited(source.file(name), layout, source):
                yield block.select(*columns, split=pl.lit(part))
