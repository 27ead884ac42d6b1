"""Order statistics of numbers that are read a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

BINS = 1 << 16  # of the histograms that find an order statistic
FEW = 1 << 20  # values that are few enough to sort

Numbers = NDArray[np.int64]
Values = Callable[[], Iterable[Numbers]]  # reads some numbers of all rows again, a block at a time


def kth(values: Values, rank: int) -> int:
    """Return the value of that rank (from 0) among all numbers, reading them a few times; exact."""
    low, high = extremes(values)
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


def even_bounds(values: Values, at_once: int) -> Numbers:
    """Return increasing bounds that cut all numbers into ranges of about `at_once`, equal numbers together."""
    low, high = extremes(values)
    width = max(1, -(-(high - low + 1) // BINS))
    counts = np.zeros(BINS, np.int64)
    for value in values():
        counts += np.bincount(_bin(value, low, width), minlength=BINS)
    ranges = (np.cumsum(counts) - counts) // at_once
    places = np.flatnonzero(np.diff(ranges)) + 1
    return low + width * places[places <= (high - low) // width]  # a bound above all numbers may be above 64 bits too


def extremes(values: Values) -> tuple[int, int]:
    """Return the least and the greatest of all numbers, or 0 and 0 if there are none."""
    ends = [(int(value.min()), int(value.max())) for value in values() if len(value)]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0, 0)


def _bin(value: Numbers, low: int, width: int) -> Numbers:
    """Return (value - low) // width, also where the difference is beyond the signed numbers."""
    place: Numbers = ((value.view(np.uint64) - np.uint64(low % 2**64)) // np.uint64(width)).astype(np.int64)
    return place
