"""A curve in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 12  # cells at most


def sparkline(values: Sequence[float]) -> str:
    """Return the values as blocks from the lowest to the highest of them; longer curves as means of equal parts.

    "" for fewer than two values, which are no curve.
    """
    count = min(len(values), WIDTH)
    if count < 2:
        return ""
    edges = [len(values) * n // count for n in range(count + 1)]
    means = [fmean(values[start:end]) for start, end in zip(edges, edges[1:], strict=False)]
    low, high = min(means), max(means)
    return "".join(BLOCKS[round((value - low) / (high - low or 1) * (len(BLOCKS) - 1))] for value in means)
