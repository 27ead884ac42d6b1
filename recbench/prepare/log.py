"""The log on disk as numbers, a block at a time: filtered, labelled, coded and split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from recbench.errors import DataError
from recbench.memory import Memory
from recbench.prepare import labels, split
from recbench.prepare.code_counts import add
from recbench.prepare.entity_keys import Keys
from recbench.prepare.frame_file import FrameFile, scatter
from recbench.prepare.time_units import TimeUnits
from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec, KCore, Side
from recbench.sources.text_blocks import Advance, ignore_progress

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Log:
    """The rows of the log in groups that are read one after the other.

    Every frame has `row` (number in file order), `user` and `item` (codes) and `pattern` (the feedback as bits), then,
    where there are such, `time`, the parts of the shipped split as `given`, `truth_<feedback>`, and at last `part`.
    """

    groups: tuple[FrameFile, ...]
    users: Keys
    items: Keys
    timed: bool
    truth: tuple[str, ...]

    def frames(self, *columns: str) -> Iterator[pl.DataFrame]:
        """Yield all frames, with these columns only if any are named."""
        for group in self.groups:
            yield from group.frames(columns or None)

    def values(self, name: str) -> split.Values:
        """Return a function that reads one column, a block at a time."""
        return lambda: (frame[name].to_numpy().astype(np.int64, copy=False) for frame in self.frames(name))

    def rewritten(self, change: Callable[[pl.DataFrame], pl.DataFrame], whole: bool, folder: Path) -> Log:
        """Return the log with every frame changed, or, if `whole`, every group read as one frame and changed."""
        groups = []
        for number, group in enumerate(self.groups):
            spool = FrameFile(folder / f"{number}.parquet")
            if whole and group.rows:
                spool.append(change(pl.concat(list(group.frames()))))
            elif not whole:
                for frame in group.frames():
                    spool.append(change(frame))
            groups.append(spool.close())
            group.remove()
        return replace(self, groups=tuple(groups))


def read(spec: DatasetSpec, raw: RawTables, memory: Memory, folder: Path) -> Log:
    """Filter, label and code the log as it is read.

    Raises DataError for missing columns, undefined feedback, a log without rows, and more entities than `memory` holds.
    """
    users = Keys(_identity(spec.user, raw.users is not None), folder / "user-keys.parquet")
    items = Keys(_identity(spec.item, raw.items is not None), folder / "item-keys.parquet")
    spool, rows, units = FrameFile(folder / "log.parquet"), 0, TimeUnits(spec.time_unit)
    for block in raw.log:
        block = block.with_columns(cs.float().fill_nan(None))  # NaN would be above every number
        block = block.filter(_kept(spec, block))
        if not len(block):
            continue
        columns = {
            "row": pl.Series(np.arange(rows, rows + len(block), dtype=np.uint32)),
            "user": users.code(block),
            "item": items.code(block),
            "pattern": pl.Series(labels.patterns(labels.evaluate(block, spec))),
        }
        if spec.time is not None:
            columns["time"] = block[spec.time]
            units.add(block[spec.time])
        if raw.part_column in block.columns:
            columns["given"] = pl.Series(split.given_words(spec.name, block[raw.part_column]))
        spool.append(pl.DataFrame(columns | {name: block[name] for name in raw.truth}))
        rows += len(block)
        memory.check(len(users) + len(items))
    if not rows:
        raise DataError(f"{spec.name}: no log rows; check the files and the filter ({spec.filter})")
    units.check(spec)
    for keys in (users, items):
        keys.features.close()
    return Log((spool.close(),), users, items, spec.time is not None, raw.truth)


def gathered(log: Log, at_once: int, folder: Path) -> Log:
    """Return the log with all rows of a user in one group of about `at_once` rows, in file order within it."""
    count = counts(log, "user", len(log.users))
    group = (np.cumsum(count) - count) // at_once
    bounds = np.flatnonzero(np.diff(group)) + 1
    spools = scatter(log.frames(), "user", bounds, folder)
    for spool in log.groups:
        spool.remove()
    return replace(log, groups=tuple(spools))


def without_repeats(log: Log, folder: Path) -> Log:
    """Return a gathered log with only the first row of each user and item."""
    return log.rewritten(
        lambda group: group.unique(["user", "item"], keep="first", maintain_order=True), whole=True, folder=folder
    )


def core(log: Log, least: KCore, users: Mask, items: Mask) -> tuple[Mask, Mask]:
    """Return which of these users and items are left by the k-core filter.

    Items with too few rows go first, then users with too few rows of the items left; again until nothing changes, or
    for the given number of rounds.
    """
    users, items, rounds = users.copy(), items.copy(), 0
    while least.rounds is None or rounds < least.rounds:
        before = users.sum() + items.sum()
        items &= counts(log, "item", len(items), users, items) >= least.item
        users &= counts(log, "user", len(users), users, items) >= least.user
        rounds += 1
        if users.sum() + items.sum() == before:
            break
    return users, items


def common_users(log: Log, key: str | None, least: int) -> Mask:
    """Return which users have a key, and one that stands on at least so many rows of the shipped train part."""
    total = np.zeros(len(log.users), np.int64)
    for frame in log.frames("user", "given"):
        train = frame["given"].to_numpy() == 0
        add(total, frame["user"].to_numpy()[train])
    if key is None:
        return total >= least
    names = pl.concat(list(log.users.features.frames([key])))[key]
    same = names.rank("dense").fill_null(0).to_numpy().astype(np.int64)  # 0: a row that names no user
    held: Mask = (np.bincount(same, weights=total)[same] >= least) & (same > 0)
    return held


def counts(log: Log, side: str, size: int, users: Mask | None = None, items: Mask | None = None) -> NDArray[np.int64]:
    """Return the number of rows of each user or item, of those rows whose user and item are in the masks, [size]."""
    total = np.zeros(size, np.int64)
    for frame in log.frames("user", "item"):
        code = frame[side].to_numpy()
        if users is not None and items is not None:
            code = code[users[frame["user"].to_numpy()] & items[frame["item"].to_numpy()]]
        add(total, code)
    return total


def kept(log: Log, users: Mask, items: Mask, folder: Path) -> Log:
    """Return the log with only the rows of these users and items; raises DataError if there is none."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.Series(users[frame["user"].to_numpy()] & items[frame["item"].to_numpy()]))

    log = log.rewritten(change, whole=False, folder=folder)
    if not sum(group.rows for group in log.groups):
        raise DataError("no row is left by the filters `complete`, `core` and `known_users`; choose another --rule")
    return log


def parted(log: Log, spec: DatasetSpec, source: Source, folder: Path, advance: Advance = ignore_progress) -> Log:
    """Return the log with the column `part`; it must be gathered by user where the split needs it.

    `advance` hears of the rows that are done.
    """
    ratio, seed = spec.ratio, source.seed

    if source.split == "global":
        bounds = split.global_bounds(log.values("time"), sum(group.rows for group in log.groups), ratio)
    elif source.split == "users":
        present = np.flatnonzero(counts(log, "user", len(log.users)))
        part_of = np.zeros(len(log.users), np.uint8)
        part_of[present] = split.users_cut(len(present), ratio, seed)
    elif source.split == "given":
        shipped = any((frame["given"].to_numpy() == 1).any() for frame in log.frames("given"))

    def part(frame: pl.DataFrame) -> split.Parts:
        row, user = frame["row"].to_numpy(), frame["user"].to_numpy()
        time = frame["time"].to_numpy() if log.timed else None
        if source.split == "global":
            assert time is not None
            return split.by_bounds(time, bounds)
        if source.split == "user":
            assert time is not None
            return split.user_cut(user, time, ratio, spec.rounding)
        if source.split == "random":
            return split.random_cut(row, ratio, seed)
        if source.split == "users":
            drawn: split.Parts = part_of[user]
            return drawn
        given: split.Parts = frame["given"].to_numpy()
        return given if shipped else split.valid_of_train(given, user, time, row, ratio, seed)

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        advance(len(frame))
        return frame.with_columns(part=pl.Series(part(frame)))

    return log.rewritten(change, by_user(log, source.split), folder)


def by_user(log: Log, chosen: str) -> bool:
    """Return whether a split must see all rows of a user at once."""
    return chosen == "user" or (chosen == "given" and log.timed)


def _identity(side: Side, table: bool) -> tuple[str, ...]:
    return (side.key,) if table and side.key else side.identity


def _kept(spec: DatasetSpec, block: pl.DataFrame) -> pl.Series:
    if spec.filter is None:
        return pl.repeat(True, len(block), eager=True)
    held = labels.column(block, f"{spec.name}: filter", spec.filter)
    if held.dtype != pl.Boolean:
        raise DataError(f'{spec.name}: filter = "{spec.filter}" is not true or false; write it like "rating > 0"')
    return held
