"""The Parquet files of a prepared folder, read as they were written or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from recbench.data.content import how_to_repair, verify_file
from recbench.data.manifest import Manifest
from recbench.data.manifest_file import read_manifest
from recbench.errors import DataError


def read_parquet(folder: Path, name: str, manifest: Manifest, columns: Sequence[str] | None, rows: int) -> pl.DataFrame:
    """Read a prepared file; raises DataError if it is missing, not as it was written, or not of that many rows."""
    try:
        path = verify_file(folder, f"{name}.parquet", manifest.files)
        frame = pl.read_parquet(path, columns=None if columns is None else list(columns), glob=False)
    except (DataError, OSError, pl.exceptions.PolarsError) as error:
        if read_manifest(folder).fingerprint != manifest.fingerprint:
            raise prepared_again(folder) from None
        if isinstance(error, DataError):
            raise
        raise damaged(folder, name, error) from None
    if len(frame) != rows:
        raise DataError(f"{path}: {len(frame)} rows, not {rows} as in its manifest; {how_to_repair(folder)}")
    return frame


def damaged(folder: Path, name: str, error: Exception) -> DataError:
    """Return the error for a file that cannot be read as what it should hold."""
    reason = str(error).splitlines()[0]
    return DataError(f"{folder / name}.parquet: damaged ({reason}); {how_to_repair(folder)}")


def prepared_again(folder: Path) -> DataError:
    """Return the error for a folder whose content is another than was read of it before."""
    return DataError(f"{folder}: prepared again meanwhile; run the command again")
