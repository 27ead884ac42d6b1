"""Raw files to whole frames, through the reader that the catalogue names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recbench.readers.base import RawTables, Source, load_reader
from recbench.sources.dataset_spec import DatasetSpec


@dataclass(frozen=True)
class Whole:
    """What a reader returns, all blocks together."""

    log: pl.DataFrame
    users: pl.DataFrame | None
    items: pl.DataFrame | None


def whole(raw: RawTables) -> Whole:
    def joined(frames: Iterable[pl.DataFrame] | None) -> pl.DataFrame | None:
        return None if frames is None else pl.concat(list(frames))

    return Whole(pl.concat(list(raw.log)), joined(raw.users), joined(raw.items))


def read(spec: DatasetSpec, folder: Path, split: str = "global") -> Whole:
    files = {path.name: path for path in sorted(folder.iterdir())}
    return whole(load_reader(spec.reader)(spec, Source(files, shipped_parts=split == "given")))


def read_file(spec: DatasetSpec, path: Path) -> pl.DataFrame:
    return whole(load_reader(spec.reader)(spec, Source({path.name: path}, shipped_parts=spec.split == "given"))).log
