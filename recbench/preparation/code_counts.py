"""Counts of codes, a block of rows at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def add(total: NDArray[Any], code: NDArray[np.integer[Any]], part: NDArray[np.uint8] | None = None) -> None:
    """Count each code [R] once in `total` [codes], or with its part [R] in `total` [parts, codes].

    Takes the faster of two ways: one pass over all codes there are, or a step for each row.
    """
    place = code if part is None else part.astype(np.int64) * total.shape[1] + code
    flat = total.reshape(-1)
    if len(place) * 8 > len(flat):
        flat += np.bincount(place, minlength=len(flat)).astype(total.dtype)
    else:
        np.add.at(flat, place, 1)
