"""KuaiRand (Pure, 1K): standard logs, user features and basic video features."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recbench.data.catalog import Side, Spec
from recbench.data.readers import Raw, Source
from recbench.data.readers.delimited import Kind, read_delimited

TEXT = ("user_active_degree", "video_type", "upload_type", "upload_dt", "tag")


def read(spec: Spec, source: Source) -> Raw:
    """Read the standard logs, in the order of their dates, and both entity tables; raises DataError for bad files."""

    def of(prefix: str) -> list[Path]:
        return [source.files[name] for name in sorted(source.files) if name.startswith(prefix)]

    keys = [key for key in (spec.user.key, spec.item.key) if key]
    columns = list(dict.fromkeys((*keys, *spec.log_columns)))
    whole: dict[str, Kind] = dict.fromkeys(columns, "int")
    logs = [read_delimited(path, whole, header=True, required=columns) for path in of("log_standard")]
    return Raw(
        pl.concat(logs),
        _entities(of("user_features")[0], spec.user),
        _entities(of("video_features_basic")[0], spec.item),
    )


def _entities(path: Path, side: Side) -> pl.DataFrame:
    def kind(name: str) -> Kind:
        if name in side.numeric:
            return "float"
        return "text" if name in TEXT or name.endswith("_range") else "int"

    columns = {name: kind(name) for name in side.identity}
    key = [side.key] if side.key else []
    return read_delimited(path, columns, header=True, required=key, unique=side.key)
