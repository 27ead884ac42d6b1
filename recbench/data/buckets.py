"""Numbers to at most 50 buckets whose edges are percentiles of the train rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERCENTILES = np.arange(2, 100, 2)
ABSENT = 1  # id of NaN and null; 0 is kept for unknown
FIRST = 2  # id of the lowest bucket


def edges(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distinct 2nd, 4th, … 98th percentiles of value [rows]; NaN and infinities do not count."""
    finite = value[np.isfinite(value)]
    return np.unique(np.percentile(finite, PERCENTILES)) if len(finite) else np.empty(0)


def bucket(value: NDArray[np.float64], edge: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the bucket of each value: FIRST + the number of edges strictly below it, or ABSENT for NaN."""
    ids = np.searchsorted(edge, value, side="left") + FIRST
    return np.where(np.isnan(value), ABSENT, ids).astype(np.int32)


def size(edge: NDArray[np.float64]) -> int:
    """Return the number of ids, 0 included."""
    return FIRST + len(edge) + 1
