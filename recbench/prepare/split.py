"""Which rows are for training, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.errors import DataError, UsageError

PARTS = ("train", "valid", "test")
BINS = 1 << 16  # of the histograms that find an order statistic
FEW = 1 << 20  # values that are few enough to sort

Parts = NDArray[np.uint8]  # [R] index into PARTS
Counts = NDArray[np.int64]
Ratio = tuple[int, int, int]  # of train, valid and test
Values = Callable[[], Iterable[Counts]]  # reads some numbers of all rows again, a block at a time


def rule(split: str, ratio: Ratio, rounding: str) -> str:
    """Return the rule of a split as a sentence."""
    train, valid, test = ratio
    fit, whole = train + valid, sum(ratio)
    take = {
        "floor": f"max(1, floor({fit}/{whole} n))",
        "round": f"max(1, round({fit}/{whole} n))",
        "percent-rank": f"floor({fit}/{whole} (n - 1)) + 1",
    }[rounding]
    kept = f"floor({train}/{fit} n)"
    return {
        "global": (
            f"rows in time order, ties by file order: train is what is earlier than the time of row "
            f"floor({fit}/{whole} n), test the rest; valid is what follows the time of row {kept} of train"
        ),
        "user": (
            f"each user's rows in time order, ties by file order: the first {take} are train, the rest test; "
            f"of the n train rows all after the first max(1, {kept}) are valid"
        ),
        "random": f"each row by itself, seeded by its number in the log: {train} : {valid} : {test} on average",
        "users": f"all rows of a user together, users drawn at random: {train} : {valid} : {test}",
        "given": (
            f"train and test as shipped; valid as shipped, else all after the first max(1, {kept}) of each user's n "
            f"train rows in time order, or {valid} of {fit} train rows drawn at random where there is no time"
        ),
    }[split]


def check(name: str, split: str, allowed: tuple[str, ...], timed: bool) -> None:
    """Raise UsageError if a dataset cannot be split that way."""
    if split not in allowed:
        raise UsageError(f"{name} has no split `{split}`; choose --split {' or '.join(allowed)}")
    if not timed and split in ("global", "user"):
        raise UsageError(
            f"{name} has no time column, which split `{split}` needs; name one as `time` in its table, "
            "or use --split given, random or users"
        )


def global_bounds(times: Values, rows: int, ratio: Ratio) -> tuple[int, int]:
    """Return the first time of valid and that of test; rows of equal time never straddle a bound.

    Without any train row the two are equal.
    """
    train, valid, _ = ratio
    test = kth(times, rows * (train + valid) // sum(ratio))

    def earlier() -> Iterable[Counts]:
        return (time[time < test] for time in times())

    fit = sum(len(time) for time in earlier())
    rank = fit * train // (train + valid)
    return (kth(earlier, rank) if rank < fit else test), test


def by_bounds(value: Counts, bounds: tuple[int, int]) -> Parts:
    """Return the part of each value: below the first bound, below the second, or not below, [R]."""
    return (value >= bounds[0]).astype(np.uint8) + (value >= bounds[1])


def user_cut(user: NDArray[np.uint32], time: Counts, ratio: Ratio, rounding: str = "floor") -> Parts:
    """Cut each user's rows in time order; `user` [R] holds any code, all rows of a user being there."""
    train, valid, test = ratio
    position, count = _positions(user, time)
    whole = train + valid + test
    if rounding == "percent-rank":
        fit = (train + valid) * (count - 1) // whole + 1
    elif rounding == "round":
        fit = (2 * (train + valid) * count + whole) // (2 * whole)
    else:
        fit = (train + valid) * count // whole
    fit = np.maximum(1, fit)
    kept = np.maximum(1, fit * train // (train + valid))
    part: Parts = (position >= kept).astype(np.uint8) + (position >= fit)
    return part


def users_cut(users: int, ratio: Ratio, seed: int) -> Parts:
    """Return the part of each user, exact to a user, [users]."""
    train, valid, test = ratio
    whole = train + valid + test
    part = np.full(users, 2, np.uint8)
    order = np.random.default_rng(seed).permutation(users)
    part[order[: users * (train + valid) // whole]] = 1
    part[order[: users * train // whole]] = 0
    return part


def random_cut(row: NDArray[np.uint32], ratio: Ratio, seed: int) -> Parts:
    """Draw a part for each row from its number alone, so that it does not depend on what is read together, [R]."""
    train, valid, test = ratio
    share = _uniform(row, seed) * (train + valid + test)
    return (share >= train).astype(np.uint8) + (share >= train + valid)


def given_words(name: str, column: pl.Series) -> Parts:
    """Return the part that a shipped split names (train, valid or test); raises DataError for any other word."""
    column = column.cast(pl.String)
    strange = column.filter(~column.is_in(PARTS) | column.is_null())
    if len(strange):
        raise DataError(f"{name}: column `split` holds `{strange[0]}`; expected train, valid or test")
    part: Parts = column.replace_strict(PARTS, range(len(PARTS)), return_dtype=pl.UInt8).to_numpy()
    return part


def valid_of_train(
    part: Parts, user: NDArray[np.uint32], time: Counts | None, row: NDArray[np.uint32], ratio: Ratio, seed: int
) -> Parts:
    """Return the parts with some of the train rows made valid: each user's last in time, else drawn at random."""
    train, valid, _ = ratio
    fit = np.flatnonzero(part == 0)
    if time is None:
        chosen = _uniform(row[fit], seed) >= train / (train + valid)
    else:
        position, count = _positions(user[fit], time[fit])
        chosen = position >= np.maximum(1, count * train // (train + valid))
    part = part.copy()
    part[fit[chosen]] = 1
    return part


def check_parts(name: str, split: str, rows: Counts, one_time: bool = False) -> None:
    """Raise DataError if a part has no rows; `one_time` says that all times are equal, so that none comes first."""
    for word, count in zip(PARTS, rows, strict=True):
        if not count:
            reason = ", since all times are equal; correct `time`, or use" if one_time else "; use more rows or"
            raise DataError(
                f"{name}: split `{split}` leaves no {word} rows ({rows.sum()} rows in all){reason} another --split"
            )


def kth(values: Values, rank: int) -> int:
    """Return the value of that rank (from 0) among all numbers, reading them a few times; exact."""
    low, high = _extremes(values)
    while low < high:
        width = max(1, -(-(high - low + 1) // BINS))
        counts = np.zeros(BINS, np.int64)
        for value in values():
            inside = value[(value >= low) & (value <= high)]
            counts += np.bincount(_bin(inside, low, width), minlength=BINS)
        below = np.cumsum(counts)
        place = int(np.searchsorted(below, rank, side="right"))
        rank -= int(below[place - 1]) if place else 0
        low, high = low + place * width, min(high, low + (place + 1) * width - 1)
        if width > 1 and counts[place] <= FEW:
            near = np.concatenate([value[(value >= low) & (value <= high)] for value in values()])
            return int(np.partition(near, rank)[rank])
    return int(low)


def even_bounds(values: Values, at_once: int) -> Counts:
    """Return increasing bounds that cut all numbers into ranges of about `at_once`, equal numbers together."""
    low, high = _extremes(values)
    width = max(1, -(-(high - low + 1) // BINS))
    counts = np.zeros(BINS, np.int64)
    for value in values():
        counts += np.bincount(_bin(value, low, width), minlength=BINS)
    ranges = (np.cumsum(counts) - counts) // at_once
    return low + width * (np.flatnonzero(np.diff(ranges)) + 1)


def _extremes(values: Values) -> tuple[int, int]:
    ends = [(int(value.min()), int(value.max())) for value in values() if len(value)]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0, 0)


def _bin(value: Counts, low: int, width: int) -> Counts:
    """Return (value - low) // width, also where the difference is beyond the signed numbers."""
    place: Counts = ((value.view(np.uint64) - np.uint64(low % 2**64)) // np.uint64(width)).astype(np.int64)
    return place


def _positions(user: NDArray[np.uint32], time: Counts) -> tuple[Counts, Counts]:
    """Return the place of each row among its user's rows in time order, and how many they are, [R]."""
    order = np.lexsort((time, user))
    own = user - user.min(initial=2**32 - 1)  # a block holds a range of codes
    count = np.bincount(own)
    position = np.empty(len(user), np.int64)
    position[order] = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    return position, count[own]


def _uniform(row: NDArray[np.uint32], seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each row number and the seed: SplitMix64 (Steele et al., OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        state = (row.astype(np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return (state ^ (state >> np.uint64(31))) / 2.0**64
