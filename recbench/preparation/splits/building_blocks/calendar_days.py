"""Days of the calendar, in UTC, where they cut a log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np

from recbench.data.manifest import PARTS, Finding, Part
from recbench.errors import UsageError
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.order_statistics import extremes
from recbench.preparation.recount import PartCounts
from recbench.preparation.splits.building_blocks.moments import Bounds
from recbench.preparation.time_units import UNITS, date_and_minute

Spans = Mapping[Part, tuple[int, int]]  # the first and the last moment of each part

EPOCH = date(1970, 1, 1)


def day_length(unit: str) -> int:
    """Return how long a day is in a unit of time."""
    return 86_400 * UNITS[unit]


def midnight(day: date, unit: str) -> int:
    """Return the first moment of a day."""
    return (day - EPOCH).days * day_length(unit)


def span(log: CodedLog, unit: str) -> tuple[str, str]:
    """Return the first and the last day of a log, as 2024-05-01."""
    first, last = extremes(log.values("time"))
    return _day(first, unit), _day(last, unit)


def last_days(log: CodedLog, days: int, unit: str) -> Bounds:
    """Return the bounds by which the last days of the calendar are test, and as many before them valid.

    Raises UsageError for a log that has no earlier days.
    """
    first, last = extremes(log.values("time"))
    most = (last // day_length(unit) - first // day_length(unit)) // 2
    if log.rows and days > most:
        begin, end = span(log, unit)
        advice = f"choose 1 to {most}, or" if most > 1 else "choose 1, or" if most else "choose"
        raise UsageError(
            f"--split-days {days}: the days of the log, {begin} to {end} (UTC), are too few for {days} of test, as "
            f"many of valid, and any of train; {advice} another --split"
        )
    return last_days_of(last, days, unit)


def named(days: int) -> str:
    """Return "1-day" or "7-days", as it stands in the name of a folder."""
    return "1-day" if days == 1 else f"{days}-days"


def last_days_of(last_moment: int, days: int, unit: str) -> Bounds:
    """Return the bounds by which the last days of a log that ends at a moment are test, and as many before valid."""
    length = day_length(unit)
    end = (last_moment // length + 1) * length
    return end - 2 * days * length, end - days * length


def rows_of(parts: Mapping[Part, PartCounts]) -> Spans:
    """Return the first and the last moment of each part."""
    return {part: (int(counts.first.min()), int(counts.last.max())) for part, counts in parts.items()}


def check_bounds(spans: Spans, bounds: Bounds, unit: str, what: str = "row") -> Finding:
    """No part may reach beyond the moments that the split gives to it; `what` is what has these moments."""
    valid, test = (date_and_minute(bound, unit) for bound in bounds)
    numbers: dict[str, int | float] = {"valid_from": bounds[0], "test_from": bounds[1]}
    rule = f"valid begins at {valid} and test at {test} (UTC)"
    first, last = ({part: span[end] for part, span in spans.items()} for end in (0, 1))
    if last["train"] < bounds[0] <= first["valid"] and last["valid"] < bounds[1] <= first["test"]:
        return Finding("days", "ok", f"{rule}, which every {what} keeps", numbers)
    shown = ", ".join(f"{part} {' to '.join(date_and_minute(end, unit) for end in spans[part])}" for part in PARTS)
    return Finding("days", "broken", f"{rule}, which not every {what} keeps: {shown}", numbers)


def _day(moment: int, unit: str) -> str:
    return str(np.datetime64(moment // day_length(unit), "D"))
