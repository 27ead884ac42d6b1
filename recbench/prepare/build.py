"""The way from raw blocks to prepared tables: code, filter, split, count, encode, write; never all rows at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recbench.memory import Memory
from recbench.prepare import entities, labels, manifest, split
from recbench.prepare import log as rows
from recbench.prepare.entities import Entities
from recbench.prepare.frame_file import FrameFile, fill, scatter
from recbench.prepare.log import Log
from recbench.prepare.row_counts import RowCounts, count_rows
from recbench.progress import Progress
from recbench.readers.base import Source, load_reader
from recbench.sources.dataset_spec import DatasetSpec


def build(spec: DatasetSpec, source: Source, folder: Path, memory: Memory, progress: Progress) -> dict[str, Any]:
    """Write `<table>.parquet` of users, items and parts, and the vocabularies; return the facts for the manifest.

    Raises DataError for files and columns that are not as the catalogue says, and for splits that leave a part empty.
    """
    work = folder / "work"
    size = sum(path.stat().st_size for path in source.files.values())
    progress.step(f"reading {', '.join(source.files) or spec.name}", size or None)
    raw = load_reader(spec.reader)(spec, source)
    log = rows.read(spec, raw, memory, work)
    users = entities.joined(log.users, raw.users, spec.user, work / "users.parquet")
    items = entities.joined(log.items, raw.items, spec.item, work / "items.parquet")
    progress.step("filtering")
    log = _filtered(spec, log, users, items, source.split, memory, work)
    progress.step("splitting", sum(group.rows for group in log.groups), "rows")
    log = rows.parted(log, spec, source, work / "parted", progress.advance)
    progress.step("counting")
    counted = count_rows(spec, log, source.split)
    progress.step("encoding users and items")
    user = entities.fit(spec, spec.user, log.users, users, counted.users)
    item = entities.fit(spec, spec.item, log.items, items, counted.items)
    _write_entities(folder, "user", user, memory, work)
    _write_entities(folder, "item", item, memory, work)
    progress.step("writing rows", int(counted.rows.sum()), "rows")
    _write_rows(folder, log, counted, user, item, memory, progress)
    shutil.rmtree(work)
    return manifest.facts(spec, counted, user, item)


def _filtered(
    spec: DatasetSpec, log: Log, users: FrameFile, items: FrameFile, chosen: str, memory: Memory, work: Path
) -> Log:
    """Return the log after the filters that look at more than one row, gathered by user where the split needs it."""
    if spec.distinct or rows.by_user(log, chosen):
        log = rows.gathered(log, memory.rows, work / "gathered")
    if spec.distinct:
        log = rows.without_repeats(log, work / "distinct")
    left_users, left_items = np.ones(len(log.users), np.bool_), np.ones(len(log.items), np.bool_)
    if spec.complete:
        left_users &= entities.full(users, spec.user, len(log.users))
        left_items &= entities.full(items, spec.item, len(log.items))
    if spec.known_users:
        left_users &= rows.common_users(log, spec.user.key, spec.min_count)
    if spec.core is not None:
        left_users, left_items = rows.core(log, spec.core, left_users, left_items)
    if left_users.all() and left_items.all():
        return log
    return rows.kept(log, left_users, left_items, work / "kept")


def _write_entities(folder: Path, side: str, entity: Entities, memory: Memory, work: Path) -> None:
    """Write the table, the keys and the vocabularies of one side."""
    table = FrameFile(folder / f"{side}s.parquet", "zstd")
    keys = FrameFile(folder / "vocabulary" / f"{side}.parquet", "zstd")
    for ids, key in entities.encoded(entity, memory.values, work / f"{side}-ranges"):
        table.append(ids)
        keys.append(key)
    table.close()
    keys.close()
    for column in entity.columns:
        if column.vocabulary is not None:
            fill(folder / "vocabulary" / f"{side}.{column.name}.parquet", [column.vocabulary], "zstd")


def _write_rows(
    folder: Path, log: Log, counted: RowCounts, user: Entities, item: Entities, memory: Memory, progress: Progress
) -> None:
    """Write the rows of each part in time order, ties by file order."""
    parts = [FrameFile(folder / f"{part}.parquet", "zstd") for part in split.PARTS]
    for frame in _ordered(log, memory, folder / "work" / "ordered"):
        part = frame["part"].to_numpy()
        table = _stored(frame, counted, user, item)
        for number, spool in enumerate(parts):
            chosen = table.filter(pl.Series(part == number))
            if len(chosen):
                spool.append(chosen)
        progress.advance(len(frame))
    for spool in parts:
        spool.close()


def _ordered(log: Log, memory: Memory, folder: Path) -> Iterator[pl.DataFrame]:
    """Yield all rows in time order, ties by file order, a range of time at once."""
    key = "time" if log.timed else "row"
    bounds = split.even_bounds(log.values(key), memory.rows)
    for spool in scatter(log.frames(), key, bounds, folder):
        if spool.rows:
            yield pl.concat(list(spool.frames())).sort(list(dict.fromkeys((key, "row"))))
        spool.remove()


def _stored(frame: pl.DataFrame, counted: RowCounts, user: Entities, item: Entities) -> pl.DataFrame:
    """Return the rows as they are stored: user and item rows, feedback, level, time."""
    label = labels.unpacked(frame["pattern"].to_numpy(), counted.order)
    columns = {
        "user": pl.Series(user.row[frame["user"].to_numpy()]),
        "item": pl.Series(item.row[frame["item"].to_numpy()]),
        **{name: pl.Series(label[:, t]) for t, name in enumerate(counted.feedback)},
        "level": pl.Series(labels.level(label)),
    }
    if "time" in frame.columns:
        columns["timestamp"] = frame["time"]
    if counted.truth:
        columns |= {f"truth_{name}": frame[f"truth_{name}"] for name in counted.feedback}
    return pl.DataFrame(columns)
