"""The manifest of a prepared folder, written with a digest of its own, and its Parquet files: strictly read."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from recbench.data.content import how_to_repair, verify_file
from recbench.data.manifest import FORMAT, SIDES, Manifest
from recbench.errors import DataError

MAX_BYTES = 64 << 20


def manifest_path(folder: Path) -> Path:
    """Return where the manifest of a prepared folder lies."""
    return folder / "manifest.json"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a prepared folder."""
    fields = msgspec.to_builtins(manifest)
    text = json.dumps(fields | {"digest": _digest(fields)}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    manifest_path(folder).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a prepared folder; raises DataError that says what to do if it is missing or damaged."""
    path = manifest_path(folder)
    try:
        fields = _fields(path)
        if fields.get("format") != FORMAT:
            raise ValueError(f"format {fields.get('format')!r:.20}, not {FORMAT}")
        if fields.pop("digest", None) != _digest(fields):
            raise ValueError("its content has changed since it was written")
        manifest = msgspec.convert(fields, Manifest)
    except FileNotFoundError:
        raise DataError(f"{folder}: not a prepared dataset; {how_to_repair(folder)}") from None
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: damaged manifest ({reason}); {how_to_repair(folder)}") from None
    if (manifest.dataset, manifest.split) != (folder.parent.name, folder.name):
        own = f"{manifest.dataset}/{manifest.split}"
        raise DataError(f"{folder}: a copy of {own}, which results would name; remove it, or call it {own} again")
    return manifest


def _fields(path: Path) -> dict[str, Any]:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
        raise ValueError(f"not a file of at most {MAX_BYTES >> 20} MiB")
    fields = json.loads(path.read_bytes())
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def _digest(fields: dict[str, Any]) -> str:
    return sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def schema(manifest: Manifest) -> list[Any]:
    """Return what the fingerprint holds beside the content of the tables: feedback and columns."""
    return [list(manifest.feedback), *(msgspec.to_builtins(manifest.entities(side).columns) for side in SIDES)]


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
