"""How numbers of runs are written for people: means, times, and a curve in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

MINUTE, HOUR = 60, 3600
BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 12  # cells of a curve at most


def mean_with_sd(mean: float, sd: float | None) -> str:
    """Return "0.7431 ± 0.0012", the mean alone where there is no standard deviation."""
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} ± {sd:.4f}"


def clock(seconds: float) -> str:
    """Return a time as on a stopwatch: "0:07", "1:34", "2:05:00"."""
    whole = round(seconds)
    minutes = f"{whole // MINUTE}" if whole < HOUR else f"{whole // HOUR}:{whole % HOUR // MINUTE:02}"
    return f"{minutes}:{whole % MINUTE:02}"


def duration(seconds: float) -> str:
    """Return a time as people say it: "14.8 s", "12 min 05 s", "3 h 20 min"."""
    if seconds < MINUTE - 0.05:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes // MINUTE} h {minutes % MINUTE:02} min"


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
