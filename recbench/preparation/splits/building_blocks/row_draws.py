"""Random numbers that belong to rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def uniform(row: NDArray[np.uint32], seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each row number [R] and the seed: SplitMix64 (Steele et al., OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        state = (row.astype(np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return (state ^ (state >> np.uint64(31))) / 2.0**64
