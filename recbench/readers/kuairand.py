"""KuaiRand (Pure, 1K): standard logs, user features, video features and, where they are asked for, their statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import polars as pl

from recbench.readers.base import RawTables, Source
from recbench.readers.building_blocks.delimited import scan_delimited
from recbench.readers.building_blocks.layout import Kind, Layout
from recbench.sources.dataset_spec import DatasetSpec, Side
from recbench.sources.text_blocks import read_start

TEXT = ("user_active_degree", "video_type", "upload_type", "upload_dt", "tag")


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read the standard logs, in the order of their dates, and both entity tables; raises DataError for bad files."""

    def of(prefix: str) -> list[Path]:
        return [source.files[name] for name in sorted(source.files) if name.startswith(prefix)]

    keys = [key for key in (spec.user.key, spec.item.key) if key]
    columns = list(dict.fromkeys((*keys, *spec.log_columns)))
    log = Layout(dict.fromkeys(columns, "int"), header=True, required=columns)
    return RawTables(
        chain.from_iterable(scan_delimited(path, log, source) for path in of("log_standard")),
        _entities(of("user_features")[0], spec.user, source),
        _videos(of("video_features_basic")[0], of("video_features_statistic"), spec.item, source),
    )


def _videos(basic: Path, statistics: list[Path], side: Side, source: Source) -> Iterator[pl.DataFrame]:
    """Yield the basic features of the videos, joined with their statistics where the item side asks for some."""
    names = _header(statistics[0]) if statistics else []
    statistic_columns = tuple(name for name in side.numeric if name in names and name != side.key)
    base = replace(side, numeric=tuple(name for name in side.numeric if name not in statistic_columns))
    if not statistic_columns:
        yield from _entities(basic, base, source)
        return
    key = side.key or "video_id"
    described = pl.concat(list(_entities(basic, base, source)))
    for block in _entities(statistics[0], Side(key, numeric=statistic_columns), source):
        yield described.join(block, on=key, how="inner", maintain_order="right").select(side.identity)


def _header(path: Path) -> list[str]:
    return read_start(path).decode(errors="replace").partition("\n")[0].strip().split(",")


def _entities(path: Path, side: Side, source: Source) -> Iterator[pl.DataFrame]:
    def kind(name: str) -> Kind:
        if name in side.numeric:
            return "float"
        return "text" if name in TEXT or name.endswith("_range") else "int"

    columns = {name: kind(name) for name in side.identity}
    key = [side.key] if side.key else []
    return scan_delimited(path, Layout(columns, header=True, required=key, unique=side.key), source)
