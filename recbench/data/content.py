"""The content of a prepared folder: its fingerprint, and a digest of every file that tells whether it is as written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recbench.data.how_to_prepare import prepare_command
from recbench.disk import sha256_of
from recbench.errors import DataError


def fingerprint(schema: object, folder: Path, tables: Sequence[str]) -> str:
    """Return the SHA-256 of a JSON-like schema and of names, types and values of all columns of `<table>.parquet`.

    It depends on the content alone, not on the file format or who writes it. One column of one row group is read at
    a time. Raises ValueError if a file cannot be read.
    """
    digest = sha256(json.dumps(schema, sort_keys=True).encode())
    for table in tables:
        try:
            with pq.ParquetFile(folder / f"{table}.parquet") as file:
                for name in file.schema_arrow.names:
                    _digest_column(digest, file, table, name)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"{table}.parquet: {str(error).splitlines()[0]}") from None
    return digest.hexdigest()


def _digest_column(digest: Any, file: pq.ParquetFile, table: str, name: str) -> None:
    for group in range(max(1, file.num_row_groups)):
        read = file.read_row_group(group, [name]) if file.num_row_groups else file.schema_arrow.empty_table()
        column = frame_of(read)[name]
        flat = column.explode() if column.dtype == pl.List else column
        values = np.ascontiguousarray(flat.to_numpy())
        if group == 0:
            digest.update(f"{table}.{name} {file.metadata.num_rows} {values.dtype.str}\n".encode())
        digest.update(values.tobytes())


def frame_of(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a polars frame."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def digest_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every Parquet file below the folder, by its path from there."""
    paths = sorted(folder.rglob("*.parquet"))
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}


def verify_file(folder: Path, name: str, digests: Mapping[str, str]) -> Path:
    """Return the path of a file of a prepared folder; raises DataError if it is missing or not as it was written."""
    path = folder / name
    try:
        if name not in digests:
            raise DataError(f"{path}: not a file of this dataset; {how_to_repair(folder)}")
        if sha256_of(path) != digests[name]:
            raise DataError(f"{path}: damaged (changed since it was written); {how_to_repair(folder)}")
    except FileNotFoundError:
        raise DataError(f"{path}: missing; {how_to_repair(folder)}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {how_to_repair(folder)}") from None
    return path


def verify_files(folder: Path, digests: Mapping[str, str]) -> None:
    """Raise DataError unless every file of a prepared folder is as it was written."""
    for name in digests:
        verify_file(folder, name, digests)


def how_to_repair(folder: Path) -> str:
    """Return what to do about a damaged prepared folder."""
    return f"run {prepare_command(folder.parent.name, folder.name)} to prepare it again"
