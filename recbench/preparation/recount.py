"""Counts of a prepared folder, made anew from its Parquet files, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recbench.data.content import frame_of, how_to_repair
from recbench.data.manifest import SIDES, Column, EntitySide, Manifest
from recbench.errors import DataError
from recbench.preparation.frame_file import FrameFile, scatter
from recbench.preparation.hash_index import Hashes

BATCH = 1 << 18  # rows to read at once
KEYS = 1 << 23  # rows of valid and test to look for in train at once
HASH = "hash"
NEVER = np.iinfo(np.int64)  # max and min: the first and the last moment of who has no row

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PartCounts:
    """What is counted over the rows of one part."""

    rows: int
    users: Counts  # rows of each user, [users]
    items: Counts
    positives: Counts  # rows that give each feedback, [T]
    reached: Counts  # rows whose level is at least 1 … T, [T]
    first: Counts  # each user's first moment, NEVER.max without a row or a time, [users]
    last: Counts  # each user's last moment, NEVER.min without a row or a time, [users]


def columns_of(manifest: Manifest, *kinds: str) -> Iterator[tuple[EntitySide, Column]]:
    """Yield the side and the column of each feature of these kinds, of all kinds if none is named."""
    for side in SIDES:
        for column in manifest.entities(side).columns:
            if not kinds or column.kind in kinds:
                yield side, column


def count_part(folder: Path, part: str, manifest: Manifest) -> PartCounts:
    """Count the rows of one part; raises DataError for a row that names no entity."""
    feedback, timed = manifest.feedback, manifest.time is not None
    sides = {"user": np.zeros(manifest.users.count, np.int64), "item": np.zeros(manifest.items.count, np.int64)}
    positives, reached = np.zeros((2, len(feedback)), np.int64)
    first, last = np.full(len(sides["user"]), NEVER.max), np.full(len(sides["user"]), NEVER.min)
    rows = 0
    for frame in _batches(folder / f"{part}.parquet", ["user", "item", *feedback, *(["timestamp"] if timed else [])]):
        rows += len(frame)
        for side, counts in sides.items():
            entity = frame[side].to_numpy()
            if entity.min() < 0 or entity.max() >= len(counts):
                raise _damaged(folder / f"{part}.parquet", f"a row names no {side} of the table")
            np.add.at(counts, entity, 1)
        label = frame.select(feedback).to_numpy() > 0
        positives += label.sum(0)
        reached += np.logical_or.accumulate(label[:, ::-1], axis=1)[:, ::-1].sum(0)
        if timed:
            np.minimum.at(first, frame["user"].to_numpy(), frame["timestamp"].to_numpy())
            np.maximum.at(last, frame["user"].to_numpy(), frame["timestamp"].to_numpy())
    return PartCounts(rows, sides["user"], sides["item"], positives, reached, first, last)


def count_ids(folder: Path, side: EntitySide, manifest: Manifest, rows: Counts) -> dict[str, Counts]:
    """Return on how many train rows each id of each feature stands, given the train rows of each entity."""
    columns = [column for s, column in columns_of(manifest, "categorical", "bag", "numeric") if s == side]
    total = {column.name: np.zeros(column.size, np.int64) for column in columns}
    start = 0
    for frame in _batches(folder / f"{side}.parquet", list(total)) if total else ():
        weight = rows[start : start + len(frame)]
        start += len(frame)
        for name, counts in total.items():
            weighted = pl.DataFrame([frame[name], pl.Series("rows of train", weight)])
            weighted = (weighted.explode(name) if frame[name].dtype == pl.List else weighted).drop_nulls()
            ids = weighted[name].to_numpy()
            if len(ids) and (ids.min() < 0 or ids.max() >= len(counts)):
                raise _damaged(folder / f"{side}.parquet", f"`{name}` has an id that its vocabulary lacks")
            counts += np.bincount(ids, weighted["rows of train"].to_numpy(), len(counts)).astype(np.int64)
    if total and start != len(rows):
        raise _damaged(folder / f"{side}.parquet", f"{start:,} {side}, not {len(rows):,} as in the manifest")
    return total


def rows_since(folder: Path, name: str, part: PartCounts, moment: int) -> int:
    """Return the number of rows at a moment or later."""
    if not part.rows or part.last.max() < moment:
        return 0
    frames = _batches(folder / f"{name}.parquet", ["timestamp"])
    return sum(int((frame["timestamp"] >= moment).sum()) for frame in frames)


def shared_with_train(
    folder: Path, columns: Sequence[str], others: Sequence[str], users: Mask, rows: int, positive: Sequence[str] = ()
) -> tuple[int, int, int]:
    """Return how many distinct values of some columns train shares with `others`, how many these have, on what rows.

    Only rows of these users count, about `rows` of them in `others`, and only those that are `positive` by any
    of these feedback types. Values are compared by 64 bits of hash, a share of them at a time.
    """
    shares = -(-rows // KEYS)

    def keys(part: str) -> Iterator[Hashes]:
        for frame in _batches(folder / f"{part}.parquet", [*columns, *positive]):
            frame = frame.filter(pl.Series(users[frame["user"].to_numpy()]))
            frame = frame.filter(pl.any_horizontal(pl.col(positive) > 0)) if positive else frame
            yield frame.select(columns).hash_rows().to_numpy()

    def all_others() -> Iterator[Hashes]:
        for part in others:
            yield from keys(part)

    if shares <= 1:
        return _count_shared(all_others(), keys("train")) if shares else (0, 0, 0)
    with TemporaryDirectory(prefix="recbench-") as name:  # each row is hashed once, whatever the number of shares
        other_files = _share_out(all_others(), shares, Path(name) / "others")
        train_files = _share_out(keys("train"), shares, Path(name) / "train")
        found = [
            _count_shared(_stored(other), _stored(train)) for other, train in zip(other_files, train_files, strict=True)
        ]
    shared, distinct, shared_rows = np.sum(found, axis=0).tolist()
    return shared, distinct, shared_rows


def _count_shared(others: Iterable[Hashes], train: Iterable[Hashes]) -> tuple[int, int, int]:
    """Return how many distinct hashes train shares with others, how many these have, and rows of others in train."""
    hashes = np.concatenate([*others, np.empty(0, np.uint64)])
    hashes.sort()
    in_train = np.zeros(len(hashes), np.bool_)  # only the first of equal ones
    for key in train if len(hashes) else ():
        key = np.sort(key)  # a search in order runs through memory in order
        place = np.minimum(np.searchsorted(hashes, key), len(hashes) - 1)
        in_train[place[hashes[place] == key]] = True
    rows_in_train = np.searchsorted(hashes, hashes[in_train], side="right") - np.flatnonzero(in_train)
    distinct = len(hashes) and 1 + int((hashes[1:] != hashes[:-1]).sum())
    return int(in_train.sum()), distinct, int(rows_in_train.sum())


def _share_out(keys: Iterable[Hashes], shares: int, folder: Path) -> list[FrameFile]:
    """Write hashes to as many files, so that equal ones are in one file."""
    bounds = np.arange(1, shares, dtype=np.uint64) * np.uint64(2**64 // shares)
    return scatter((pl.DataFrame({HASH: key}) for key in keys), HASH, bounds, folder)


def _stored(file: FrameFile) -> Iterator[Hashes]:
    """Yield the hashes of a file, BATCH at once though they were written in smaller pieces: a search likes many."""
    for frame in _batches(file.path, [HASH]) if file.rows else ():
        yield frame[HASH].to_numpy()


def _batches(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield some columns of a Parquet file, some rows at a time; raises DataError if it is missing or damaged."""
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:  # or it would hold the whole file
            if lacking := [name for name in columns if name not in file.schema_arrow.names]:
                raise _damaged(path, f"no column `{lacking[0]}`")
            for batch in file.iter_batches(BATCH, columns=list(columns)):
                yield frame_of(pa.Table.from_batches([batch]))
    except FileNotFoundError:
        raise DataError(f"{path}: missing; {how_to_repair(path.parent)}") from None
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, str(error).splitlines()[0]) from None


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: damaged ({reason}); {how_to_repair(path.parent)}")
