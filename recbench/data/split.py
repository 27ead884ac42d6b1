"""Which rows are for training, validation and test."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.errors import DataError, UsageError

PARTS = ("train", "valid", "test")
RULES = {
    "global": (
        "rows in time order, ties by file order: train is what is earlier than the time of row floor(0.7 n), "
        "test the rest; valid is the last tenth of train, cut the same way"
    ),
    "user": (
        "each user's rows in time order, ties by file order: the first max(1, floor(0.7 n)) are train, the rest "
        "test; of the n train rows all after the first max(1, floor(0.9 n)) are valid"
    ),
    "given": (
        "train and test as shipped; valid as shipped, else all after the first max(1, floor(0.9 n)) of each "
        "user's n train rows in time order, or a random tenth of train where there is no time"
    ),
}

Parts = NDArray[np.uint8]  # [R] index into PARTS
Counts = NDArray[np.int64]


def check(name: str, split: str, allowed: tuple[str, ...], timed: bool) -> None:
    """Raise UsageError if a dataset cannot be split that way."""
    if split not in allowed:
        raise UsageError(f"{name} has no split `{split}`; choose --split {' or '.join(allowed)}")
    if not timed and split != "given":
        raise UsageError(
            f"{name} has no time column, which split `{split}` needs; name one as `time` in its table, "
            "or use --split given"
        )


def global_cut(time: NDArray[np.int64]) -> Parts:
    """Cut all rows at one time; rows of equal time never straddle the cut."""
    part = np.zeros(len(time), np.uint8)
    train = _before_cut(time, 7)
    part[~train] = 2
    rows = np.flatnonzero(train)
    part[rows[~_before_cut(time[rows], 9)]] = 1
    return part


def user_cut(user: NDArray[np.uint32], time: NDArray[np.int64]) -> Parts:
    """Cut each user's rows in time order; user [R] holds any code of the user."""
    position, count = _positions(user, time)
    fit = np.maximum(1, count * 7 // 10)
    kept = np.maximum(1, fit * 9 // 10)
    part: Parts = (position >= kept).astype(np.uint8) + (position >= fit)
    return part


def given(name: str, column: pl.Series, user: NDArray[np.uint32], time: NDArray[np.int64] | None, seed: int) -> Parts:
    """Use the split of the log (train, valid, test by row), taking valid from train where there is none.

    Raises DataError for any other word.
    """
    column = column.cast(pl.String)
    strange = column.filter(~column.is_in(PARTS))
    if len(strange):
        raise DataError(f"{name}: column `split` holds `{strange[0]}`; expected train, valid or test")
    part = column.replace_strict(PARTS, range(len(PARTS)), return_dtype=pl.UInt8).to_numpy().copy()
    if (part == 1).any():
        return part
    rows = np.flatnonzero(part == 0)
    if time is None:
        rows = np.random.default_rng(seed).permutation(rows)[len(rows) * 9 // 10 :]
    else:
        position, count = _positions(user[rows], time[rows])
        rows = rows[position >= np.maximum(1, count * 9 // 10)]
    part[rows] = 1
    return part


def check_parts(name: str, split: str, part: Parts) -> None:
    """Raise DataError if a part is empty."""
    for index, word in enumerate(PARTS):
        if not (part == index).any():
            raise DataError(
                f"{name}: split `{split}` leaves no {word} rows ({len(part)} rows in all); "
                "use more rows or another --split"
            )


def _positions(user: NDArray[np.uint32], time: NDArray[np.int64]) -> tuple[Counts, Counts]:
    """Return the place of each row among its user's rows in time order, and how many they are, [R]."""
    order = np.lexsort((time, user))
    count = np.bincount(user)
    start = np.cumsum(count) - count
    position = np.empty(len(user), np.int64)
    position[order] = np.arange(len(user)) - np.repeat(start, count)
    return position, count[user]


def _before_cut(time: NDArray[np.int64], tenths: int) -> NDArray[np.bool_]:
    if not len(time):
        return np.zeros(0, np.bool_)
    rank = len(time) * tenths // 10
    before: NDArray[np.bool_] = time < np.partition(time, rank)[rank]
    return before
