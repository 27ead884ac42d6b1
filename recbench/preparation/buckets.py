"""Numbers to at most 50 buckets whose edges are percentiles of the train rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERCENTILES = np.arange(2, 100, 2)
ABSENT = 1  # id of NaN, null and infinities, which are no numbers to compare; 0 is kept for unknown
FIRST = 2  # id of the lowest bucket


def edges(value: NDArray[np.float64], weight: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return the distinct 2nd, 4th, … 98th percentiles of value [entities], each standing on `weight` rows.

    They are those of `numpy.percentile` over all rows, without a copy of a value for each. NaN and infinities do not
    count. All edges are finite.
    """
    finite = np.isfinite(value)
    weight = np.ones(len(value), np.int64) if weight is None else weight
    value, weight = value[finite], weight[finite]
    if not weight.sum():
        return np.empty(0)
    order = np.argsort(value)
    value, upto = value[order], np.cumsum(weight[order])
    place = (upto[-1] - 1) * (PERCENTILES / 100)
    low = np.floor(place)
    share = place - low
    below = value[np.searchsorted(upto, low, side="right")]
    above = value[np.searchsorted(upto, np.minimum(low + 1, upto[-1] - 1), side="right")]
    with np.errstate(over="ignore", invalid="ignore"):
        step = above - below  # and from the nearer end, as numpy does it, so that not a bit differs
        edge = np.where(share >= 0.5, above - step * (1 - share), below + step * share)
    return np.unique(np.where(np.isfinite(step), edge, above * share + below * (1 - share)))


def bucket(value: NDArray[np.float64], edge: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the bucket of each value: FIRST + the number of edges strictly below it, or ABSENT if it is not finite."""
    ids = np.searchsorted(edge, value, side="left") + FIRST
    return np.where(np.isfinite(value), ids, ABSENT).astype(np.int32)


def size(edge: NDArray[np.float64]) -> int:
    """Return the number of ids, 0 included."""
    return FIRST + len(edge) + 1
