"""Split `global`: one moment for all users cuts the log."""

from __future__ import annotations

from recbench.preparation.coded_log import CodedLog
from recbench.preparation.order_statistics import Values, kth
from recbench.preparation.splits.base import SPLITS, Ratio
from recbench.preparation.splits.building_blocks.moments import Bounds, CutInTime, last_share


@SPLITS.add("global")
class Global(CutInTime):
    """Train is earlier than valid, and valid than test, over all rows."""

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

    def bounds(self, log: CodedLog) -> Bounds:
        """Return the first moment of valid and that of test."""
        return time_bounds(log.values("time"), log.rows, self.ratio)


def time_bounds(times: Values, rows: int, ratio: Ratio) -> Bounds:
    """Return the first time of valid and that of test; rows of equal time never straddle a bound.

    `times` reads the times of all `rows` rows. Without any train row the two are equal.
    """
    train, valid, _ = ratio
    test = kth(times, rows * (train + valid) // sum(ratio))
    return last_share(times, test, train, valid), test
