"""Filters that look at more than one row of the log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from recbench.errors import DataError
from recbench.preparation.coded_log import CodedLog, Mask, count_codes
from recbench.preparation.frame_file import scatter
from recbench.sources.dataset_spec import KCore


def group_by_user(log: CodedLog, at_once: int, folder: Path) -> CodedLog:
    """Return the log with all rows of a user in one group of about `at_once` rows, in file order within it."""
    count = log.count("user")
    group = (np.cumsum(count) - count) // at_once
    bounds = np.flatnonzero(np.diff(group)) + 1
    groups = scatter(log.frames(), "user", bounds, folder)
    for file in log.groups:
        file.remove()
    return replace(log, groups=tuple(groups))


def drop_repeats(log: CodedLog, folder: Path) -> CodedLog:
    """Return a log that is grouped by user with only the first row of each user and item.

    It is the first in time, ties by file order, or the first in the file where there is no time.
    """
    order = ["time", "row"] if log.timed else ["row"]

    def first_rows(group: pl.DataFrame) -> pl.DataFrame:
        return group.sort(order).unique(["user", "item"], keep="first", maintain_order=True).sort("row")

    return log.mapped(first_rows, whole=True, folder=folder)


def core(log: CodedLog, least: KCore, users: Mask, items: Mask) -> tuple[Mask, Mask]:
    """Return which of these users and items are left by the k-core filter.

    Items with too few rows go first, then users with too few rows of the items left; again until nothing changes, or
    for the given number of rounds.
    """
    users, items, rounds = users.copy(), items.copy(), 0
    while least.rounds is None or rounds < least.rounds:
        before = users.sum() + items.sum()
        items &= log.count("item", users, items) >= least.item
        users &= log.count("user", users, items) >= least.user
        rounds += 1
        if users.sum() + items.sum() == before:
            break
    return users, items


def common_users(log: CodedLog, key: str | None, least: int) -> Mask:
    """Return which users have a key, and one that stands on at least so many rows of the shipped train part."""
    total = np.zeros(len(log.users), np.int64)
    for frame in log.frames("user", "given"):
        train = frame["given"].to_numpy() == 0
        count_codes(total, frame["user"].to_numpy()[train])
    if key is None:
        return total >= least
    names = pl.concat(list(log.users.features.frames([key])))[key]
    number = names.rank("dense").fill_null(0).to_numpy().astype(np.int64)  # 0: a row that names no user
    common: Mask = (np.bincount(number, weights=total)[number] >= least) & (number > 0)
    return common


def select(log: CodedLog, users: Mask, items: Mask, folder: Path) -> CodedLog:
    """Return the log with only the rows of these users and items; raises DataError if there is none."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.Series(users[frame["user"].to_numpy()] & items[frame["item"].to_numpy()]))

    log = log.mapped(change, whole=False, folder=folder)
    if not log.rows:
        raise DataError("no row is left by the filters `complete`, `core` and `known_users`; choose another --rule")
    return log
