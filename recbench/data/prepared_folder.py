"""Prepared folders on disk: written beside, then renamed, so that they appear complete or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recbench.errors import DataError, UsageError
from recbench.home import prepared_home

FORMAT = 3  # of the folder and its rules; with another one every dataset is prepared again


def fingerprint(schema: object, folder: Path, tables: Sequence[str]) -> str:
    """Return the SHA-256 of a JSON-like schema and of names, types and values of all columns of `<table>.parquet`.

    It depends on the content alone, not on the file format or who writes it. One column of one row group is read at
    a time.
    """
    digest = sha256(json.dumps(schema, sort_keys=True).encode())
    for table in tables:
        with pq.ParquetFile(folder / f"{table}.parquet") as file:
            for name in file.schema_arrow.names:
                _digest_column(digest, file, table, name)
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


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` when the block ends well.

    A failure leaves `folder` as it was. Raises DataError if the disk is full or not writable, and UsageError for a
    folder that is not `<dataset>/<variant>` below the home of prepared data.
    """
    _require_below(prepared_home(), folder)
    temporary = _beside(folder, "tmp", os.getpid())
    try:
        _clean(folder)
        temporary.mkdir(parents=True)
        yield temporary
        for path in sorted(temporary.rglob("*")):
            _sync(path)
        _sync(temporary)
        folder.parent.mkdir(parents=True, exist_ok=True)
        touch(temporary)
        _publish(temporary, folder)
        _sync(folder.parent)
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise DataError(
            f"{folder}: cannot be written ({reason}); free some space, or set RECBENCH_HOME to another folder"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a prepared folder."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a prepared folder; raises DataError if it is missing or damaged."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ValueError(f"not of format {FORMAT}")
        return cast(dict[str, Any], manifest)
    except FileNotFoundError:
        raise DataError(f"{folder}: not a prepared dataset; run `recbench prepare`") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable manifest ({error}); run `recbench prepare … --force`") from None


def touch(folder: Path) -> None:
    """Make the folder the most recently prepared one, where it may be written."""
    with suppress(OSError):
        now = time.time_ns()  # finer than the clock by which the kernel stamps what is written
        os.utime(folder / "manifest.json", ns=(now, now))


def restore(prepared: Path) -> None:
    """Put back every folder that a process set aside and was killed before it could put the new one in its place."""
    for aside in prepared.glob(".old+*+*+*"):
        _, dataset, split, process = aside.name.split("+")
        folder = prepared / dataset / split
        if not folder.exists() and process.isdigit() and not _alive(int(process)):
            with suppress(OSError):
                aside.rename(folder)


def _require_below(home: Path, folder: Path) -> None:
    """Raise UsageError if `..` or a link in the path leads elsewhere: what is there would be replaced."""
    if folder.resolve().parent.parent != home.resolve():
        raise UsageError(
            f"{folder}: not a folder `<dataset>/<variant>` of {home}; choose names without `/` and `..`, or set "
            "RECBENCH_HOME to another folder"
        )


def _beside(folder: Path, kind: str, process: int | str) -> Path:
    # One level up, where no dataset folder is looked for: a complete but unpublished one is never found.
    return folder.parent.parent / f".{kind}+{folder.parent.name}+{folder.name}+{process}"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _publish(temporary: Path, folder: Path) -> None:
    aside = _beside(folder, "old", os.getpid())
    try:
        while True:  # another process may publish between the two renames: the last one wins
            try:
                temporary.rename(folder)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            shutil.rmtree(aside, ignore_errors=True)
            with suppress(FileNotFoundError):
                folder.rename(aside)
    finally:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)


def _clean(folder: Path) -> None:
    """Remove what killed processes left, and put back a folder that one of them had set aside."""
    restore(folder.parent.parent)
    for kind in ("old", "tmp"):
        for path in folder.parent.parent.glob(_beside(folder, kind, "*").name):
            process = path.name.rpartition("+")[2]
            if process.isdigit() and not _alive(int(process)):
                shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def frame_of(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a polars frame."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
