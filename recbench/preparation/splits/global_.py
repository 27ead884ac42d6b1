"""Split `global`: one moment for all users cuts the log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recbench.data.manifest import Finding, Manifest, Part
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.order_statistics import Values, kth
from recbench.preparation.recount import PartCounts
from recbench.preparation.splits.base import SPLITS, Assign, Ratio, Split
from recbench.preparation.splits.building_blocks.moments import Bounds, assign_by_time, check_parts_in_time, last_share


@SPLITS.add("global")
class Global(Split):
    """Train is earlier than valid, and valid than test, over all rows."""

    needs_time = True

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        train, valid, _ = self.ratio
        fit, whole = train + valid, sum(self.ratio)
        return (
            f"rows in time order, ties by file order: train is what is earlier than the time of row "
            f"floor({fit}/{whole} n), test the rest; valid is what follows the time of row floor({train}/{fit} n) of "
            "train"
        )

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row, [R]."""
        bounds = time_bounds(log.values("time"), log.rows, self.ratio)
        return assign_by_time(bounds)

    def check_time_order(self, folder: Path, manifest: Manifest, parts: Mapping[Part, PartCounts]) -> Finding:
        """No row of a part may be as late as the first row of the next part."""
        return check_parts_in_time(folder, manifest, parts)


def time_bounds(times: Values, rows: int, ratio: Ratio) -> Bounds:
    """Return the first time of valid and that of test; rows of equal time never straddle a bound.

    `times` reads the times of all `rows` rows. Without any train row the two are equal.
    """
    train, valid, _ = ratio
    test = kth(times, rows * (train + valid) // sum(ratio))
    return last_share(times, test, train, valid), test
