"""Split `date`: the rows from one day on are test."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from recbench.data.manifest import Finding, Part
from recbench.errors import UsageError
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.order_statistics import extremes
from recbench.preparation.recount import PartCounts
from recbench.preparation.splits.base import SPLITS
from recbench.preparation.splits.building_blocks.calendar_days import check_bounds, midnight, rows_of, span
from recbench.preparation.splits.building_blocks.moments import Bounds, CutInTime, last_share

TRAIN, VALID = 9, 1  # shares of the rows before that day


@SPLITS.add("date")
class Date(CutInTime):
    """Test begins at a midnight (UTC) that the user names; the last tenth of the rows before it is valid."""

    options = ("split_date",)

    @property
    def first_test_day(self) -> date:
        """The day that was asked for; raises UsageError if none was."""
        if self.split_date is None:
            raise UsageError(
                "split `date` needs the first day of test: add --split-date YYYY-MM-DD, or set `split_date`"
            )
        return self.split_date

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        return (
            f"rows from {self.first_test_day} 00:00 UTC on are test; of the n rows before, in time order, valid are "
            f"those from the time of row floor({TRAIN}/{TRAIN + VALID} n) on, the rest train"
        )

    @property
    def folder_suffix(self) -> str:
        """The day, as in `date+2024-05-01`."""
        return str(self.first_test_day)

    def bounds(self, log: CodedLog) -> Bounds:
        """Return the first moment of valid and that of test.

        Raises UsageError for a day before which or from which on there is no row.
        """
        times, test = log.values("time"), midnight(self.first_test_day, self.time_unit)
        first, last = extremes(times)
        if log.rows and not first < test <= last:
            begin, end = span(log, self.time_unit)
            raise UsageError(
                f"--split-date {self.first_test_day}: test or train would have no row, since the log is of {begin} to "
                f"{end} (UTC); choose a day in between"
            )
        return last_share(times, test, TRAIN, VALID), test

    def further_findings(self, parts: Mapping[Part, PartCounts]) -> list[Finding]:
        """Test begins on the day that was asked for."""
        spans = rows_of(parts)
        bounds = spans["valid"][0], midnight(self.first_test_day, self.time_unit)
        return [check_bounds(spans, bounds, self.time_unit)]
