"""What the page shows beside the numbers of a table: mean ± sd as a bar, and seconds of training."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recbench.results.leaderboard_rows import LeaderboardRow, Method
from recbench.results.leaderboard_tables import FeedbackTable
from recbench.results.record import RunRecord


@dataclass(frozen=True)
class Interval:
    """Mean - sd, mean and mean + sd in percent of the range that a column spans."""

    low: float
    mean: float
    high: float


def intervals(rows: Sequence[LeaderboardRow]) -> dict[Method, Interval]:
    """Return where the number of each method lies in its column; methods without one, or all alike, are left out."""
    ends = {row.method: (row.mean - (row.sd or 0), row.mean + (row.sd or 0)) for row in rows if row.mean is not None}
    lowest = min((low for low, _ in ends.values()), default=0.0)
    highest = max((high for _, high in ends.values()), default=0.0)
    if highest == lowest:
        return {}
    scale = 100 / (highest - lowest)
    return {
        row.method: Interval(
            *((value - lowest) * scale for value in (ends[row.method][0], row.mean, ends[row.method][1]))
        )
        for row in rows
        if row.mean is not None
    }


def training_seconds(table: FeedbackTable, records: Mapping[str, RunRecord]) -> dict[Method, float]:
    """Return the mean over all runs behind the numbers of each method."""
    return {
        method: statistics.fmean(
            records[digest].seconds for digest in {digest for row in cells.values() for digest in row.runs}
        )
        for method, cells in table.methods.items()
    }
