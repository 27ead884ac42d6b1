"""Split `global`: one moment for all users cuts the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from recbench.data.manifest import PARTS, Finding, Manifest, Part
from recbench.prepare.coded_log import CodedLog
from recbench.prepare.order_statistics import Numbers, Values, kth
from recbench.prepare.recount import PartCounts, rows_since
from recbench.prepare.splits.base import SPLITS, Assign, PartOfRow, Ratio, Split
from recbench.prepare.words import count_of


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

        def part(frame: pl.DataFrame) -> PartOfRow:
            return by_bounds(frame["time"].to_numpy(), bounds)

        return part

    def check_time_order(self, folder: Path, manifest: Manifest, parts: Mapping[Part, PartCounts]) -> Finding:
        """No row of a part may be as late as the first row of the next part."""
        train, valid, test = (parts[part] for part in PARTS)
        late_train = rows_since(folder, "train", train, int(valid.first.min()))
        late_valid = rows_since(folder, "valid", valid, int(test.first.min()))
        numbers: dict[str, int | float] = {"late_train_rows": late_train, "late_valid_rows": late_valid}
        if late_train or late_valid:
            message = (
                f"{count_of(late_train, train.rows, 'train rows')} are as late as the first valid row or later, and "
                f"{count_of(late_valid, valid.rows, 'valid rows')} as late as the first test row or later"
            )
            return Finding("time order", "broken", message, numbers)
        unit = manifest.options.time_unit
        to_valid, to_test = (
            int(after.first.min()) - int(before.last.max()) for before, after in ((train, valid), (valid, test))
        )
        numbers |= {"gap_to_valid": to_valid, "gap_to_test": to_test}
        message = f"train ends {to_valid:,} {unit} before valid begins, and valid {to_test:,} {unit} before test begins"
        return Finding("time order", "ok", message, numbers)


def time_bounds(times: Values, rows: int, ratio: Ratio) -> tuple[int, int]:
    """Return the first time of valid and that of test; rows of equal time never straddle a bound.

    `times` reads the times of all `rows` rows. Without any train row the two are equal.
    """
    train, valid, _ = ratio
    test = kth(times, rows * (train + valid) // sum(ratio))

    def earlier() -> Iterable[Numbers]:
        return (time[time < test] for time in times())

    fit = sum(len(time) for time in earlier())
    rank = fit * train // (train + valid)
    return (kth(earlier, rank) if rank < fit else test), test


def by_bounds(value: Numbers, bounds: tuple[int, int]) -> PartOfRow:
    """Return the part of each value [R]: below the first bound, below the second, or not below, [R]."""
    return (value >= bounds[0]).astype(np.uint8) + (value >= bounds[1])
