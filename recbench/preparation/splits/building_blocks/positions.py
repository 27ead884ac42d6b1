"""Where a row stands among its user's rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def positions(user: NDArray[np.uint32], time: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the place of each row [R] among its user's rows in time order, ties as given, and how many they are, [R].

    `user` [R] and `time` [R] must hold all rows of a user.
    """
    order = np.lexsort((time, user))
    own = user - user.min(initial=2**32 - 1)  # a block holds a range of codes
    count = np.bincount(own)
    position = np.empty(len(user), np.int64)
    position[order] = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    return position, count[own]
