"""The way from raw blocks to prepared tables: code, filter, split, count, encode, write; never all rows at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from recbench.data.manifest import PARTS
from recbench.memory import Memory
from recbench.preparation import entities, filters, labels
from recbench.preparation.coded_log import CodedLog, read_log
from recbench.preparation.entities import Entities
from recbench.preparation.features import attach_features, settled_features
from recbench.preparation.frame_file import FrameFile, scatter
from recbench.preparation.manifest_contents import Built
from recbench.preparation.order_statistics import even_bounds
from recbench.preparation.row_counts import count_rows
from recbench.preparation.splits.base import Split
from recbench.progress import Progress
from recbench.readers.base import Source, load_reader
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import map_ahead


def build(spec: DatasetSpec, source: Source, split: Split, folder: Path, memory: Memory, progress: Progress) -> Built:
    """Write `<table>.parquet` of users, items and parts, and the vocabularies; return what was counted.

    Raises DataError for files and columns that are not as the catalogue says, and for splits that leave a part empty.
    """
    work = folder / "work"
    files = source.every_file
    size = sum(path.stat().st_size for path in files.values())
    progress.step(f"reading {', '.join(files) or spec.name}", size or None)
    raw = load_reader(spec.reader)(spec, source)
    log = read_log(spec, raw, memory, work)
    users = attach_features(log.users, raw.users, spec.user, work / "users.parquet")
    items = attach_features(log.items, raw.items, spec.item, work / "items.parquet")
    progress.step("filtering")
    log = _filtered(spec, log, users.rows, items.rows, split, memory, work)
    progress.step("splitting", log.rows, "rows")
    log = _split(log, split, work / "parts", progress)
    progress.step("counting")
    counts = count_rows(spec, log, split)
    progress.step("encoding users and items")
    users = settled_features(log, "user", spec.user, work / "settled-users.parquet") if spec.user.settled else users
    items = settled_features(log, "item", spec.item, work / "settled-items.parquet") if spec.item.settled else items
    user = entities.fit(spec, spec.user, log.users, users, counts.users)
    item = entities.fit(spec, spec.item, log.items, items, counts.items)
    _write_entities(folder, "user", user, memory, work)
    _write_entities(folder, "item", item, memory, work)
    built = Built(counts, user, item)
    progress.step("writing rows", int(counts.rows.sum()), "rows")
    _write_rows(folder, log, built, memory, progress)
    shutil.rmtree(work)
    return built


def _filtered(
    spec: DatasetSpec, log: CodedLog, users: FrameFile, items: FrameFile, split: Split, memory: Memory, work: Path
) -> CodedLog:
    """Return the log after the filters that look at more than one row, grouped by user where the split needs it."""
    if spec.distinct or split.needs_whole_users(log.timed):
        log = filters.group_by_user(log, memory.rows(log.rows), work / "by-user")
    if spec.distinct:
        log = filters.drop_repeats(log, work / "distinct")
    left_users, left_items = np.ones(len(log.users), np.bool_), np.ones(len(log.items), np.bool_)
    if spec.complete:
        left_users &= entities.without_empty_features(users, spec.user, len(log.users))
        left_items &= entities.without_empty_features(items, spec.item, len(log.items))
    if spec.known_users:
        left_users &= filters.common_users(log, spec.user.key, spec.min_count)
    if spec.core is not None:
        left_users, left_items = filters.core(log, spec.core, left_users, left_items)
    if left_users.all() and left_items.all():
        return log
    return filters.select(log, left_users, left_items, work / "selected")


def _split(log: CodedLog, split: Split, folder: Path, progress: Progress) -> CodedLog:
    """Return the log with the column `part`."""
    part_of_rows = split.assign(log)

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        progress.advance(len(frame))
        return frame.with_columns(part=pl.Series(part_of_rows(frame)))

    return log.mapped(change, split.needs_whole_users(log.timed), folder)


def _write_entities(folder: Path, side: str, entity: Entities, memory: Memory, work: Path) -> None:
    """Write the table, the keys and the vocabularies of one side."""
    table = FrameFile(folder / f"{side}s.parquet", "zstd")
    keys = FrameFile(folder / "vocabulary" / f"{side}.parquet", "zstd")
    for ids, key in entities.encode(entity, memory.values, work / f"{side}-ranges"):
        table.append(ids)
        keys.append(key)
    table.close()
    keys.close()
    for encoding in entity.encodings:
        if encoding.vocabulary is not None:
            vocabulary = FrameFile(folder / "vocabulary" / f"{side}.{encoding.column.name}.parquet", "zstd")
            vocabulary.append(encoding.vocabulary)
            vocabulary.close()


def _write_rows(folder: Path, log: CodedLog, built: Built, memory: Memory, progress: Progress) -> None:
    """Write the rows of each part in time order, ties by file order."""
    files = [FrameFile(folder / f"{part}.parquet", "zstd") for part in PARTS]
    for frame in _in_time_order(log, memory, folder / "work" / "ordered"):
        part = frame["part"].to_numpy()
        rows = _stored_columns(frame, built)
        for number, file in enumerate(files):
            chosen = rows.filter(pl.Series(part == number))
            if len(chosen):
                file.append(chosen)
        progress.advance(len(frame))
    for file in files:
        file.close()


def _in_time_order(log: CodedLog, memory: Memory, folder: Path) -> Iterator[pl.DataFrame]:
    """Yield all rows in time order, ties by file order, a range of time at once."""
    key = "time" if log.timed else "row"
    groups = scatter(log.frames(), key, even_bounds(log.values(key), memory.rows(log.rows)), folder)

    def ordered(group: FrameFile) -> pl.DataFrame:
        frame = pl.concat(list(group.frames())).sort(list(dict.fromkeys((key, "row"))))
        group.remove()
        return frame

    yield from map_ahead(ordered, (group for group in groups if group.rows))


def _stored_columns(frame: pl.DataFrame, built: Built) -> pl.DataFrame:
    """Return the rows as they are stored: user and item rows, feedback, level, time."""
    counts = built.counts
    label = labels.unpack(frame["pattern"].to_numpy(), counts.order)
    columns = {
        "user": pl.Series(built.users.row[frame["user"].to_numpy()]),
        "item": pl.Series(built.items.row[frame["item"].to_numpy()]),
        **{name: pl.Series(label[:, t]) for t, name in enumerate(counts.feedback)},
        "level": pl.Series(labels.level(label)),
    }
    if "time" in frame.columns:
        columns["timestamp"] = frame["time"]
    if "weight" in frame.columns:
        columns["weight"] = frame["weight"]
    if counts.truth:
        columns |= {f"truth_{name}": frame[f"truth_{name}"] for name in counts.feedback}
    return pl.DataFrame(columns)
