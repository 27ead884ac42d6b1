"""Split `sessions`: whole users, those that end on the last days being test."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recbench.data.manifest import Finding, Part
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.recount import NEVER, PartCounts
from recbench.preparation.splits.base import SPLITS, Assign, Split
from recbench.preparation.splits.building_blocks.calendar_days import check_bounds, last_days, last_days_of, named
from recbench.preparation.splits.building_blocks.moments import by_bounds


@SPLITS.add("sessions")
class Sessions(Split):
    """For logs whose users are sessions, as GRU4Rec cuts them: a session is in one part, by the day on which it ends.

    Its data preparation: https://github.com/hidasib/GRU4Rec (by 24 hours before the last row, not by midnight).
    """

    options = ("split_days",)
    needs_time = True
    new_test_users = True

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        days = self.split_days
        last, before = ("last day", "day") if days == 1 else (f"last {days} days", f"{days} days")
        return (
            "all rows of a user (a session) together, by the day of its last row in UTC: test where that is in the "
            f"{last} of the log, valid in the {before} before, train if earlier"
        )

    @property
    def folder_suffix(self) -> str:
        """The number of days, as in `sessions+7-days`."""
        return named(self.split_days)

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row, [R].

        Raises UsageError for a log of too few days.
        """
        bounds = last_days(log, self.split_days, self.time_unit)
        end = np.full(len(log.users), NEVER.min)
        for frame in log.frames("user", "time"):
            np.maximum.at(end, frame["user"].to_numpy(), frame["time"].to_numpy())
        part_of_user = by_bounds(end, bounds)
        return lambda frame: part_of_user[frame["user"].to_numpy()]

    def further_findings(self, parts: Mapping[Part, PartCounts]) -> list[Finding]:
        """No user is in two parts, and each ends in the days of its part; a test user may have begun at any time."""
        ends = {part: counts.last[counts.users > 0] for part, counts in parts.items()}
        spans = {part: (int(end.min()), int(end.max())) for part, end in ends.items()}
        bounds = last_days_of(max(last for _, last in spans.values()), self.split_days, self.time_unit)
        return [*super().further_findings(parts), check_bounds(spans, bounds, self.time_unit, "user's last row")]
