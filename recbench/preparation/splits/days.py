"""Split `days`: the last days of the log are test, and as many before them valid."""

from __future__ import annotations

from collections.abc import Mapping

from recbench.data.manifest import Finding, Part
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.recount import PartCounts
from recbench.preparation.splits.base import SPLITS
from recbench.preparation.splits.building_blocks.calendar_days import (
    check_bounds,
    last_days,
    last_days_of,
    named,
    rows_of,
)
from recbench.preparation.splits.building_blocks.moments import Bounds, CutInTime


@SPLITS.add("days")
class Days(CutInTime):
    """The last day (or days) of the log is test: each row by its own day, whoever its user is."""

    options = ("split_days",)

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        days = self.split_days
        test, valid = ("the last day", "the day") if days == 1 else (f"the last {days} days", f"the {days} days")
        return (
            f"rows by their day of the calendar in UTC: test is {test} of the log, valid {valid} before, train what is "
            "earlier"
        )

    @property
    def folder_suffix(self) -> str:
        """The number of days, as in `days+7-days`."""
        return named(self.split_days)

    def bounds(self, log: CodedLog) -> Bounds:
        """Return the first moment of valid and that of test; raises UsageError for a log of too few days."""
        return last_days(log, self.split_days, self.time_unit)

    def further_findings(self, parts: Mapping[Part, PartCounts]) -> list[Finding]:
        """The bounds are midnights, so many days before the end of the log."""
        spans = rows_of(parts)
        bounds = last_days_of(max(last for _, last in spans.values()), self.split_days, self.time_unit)
        return [check_bounds(spans, bounds, self.time_unit)]
