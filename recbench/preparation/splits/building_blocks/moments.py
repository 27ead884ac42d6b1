"""Moments that cut a log in time, for all users alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbench.data.manifest import PARTS, Finding, Manifest, Part
from recbench.errors import count_of
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.order_statistics import Numbers, Values, kth
from recbench.preparation.recount import PartCounts, rows_since
from recbench.preparation.splits.base import Assign, Split

Bounds = tuple[int, int]  # the first moment of valid and that of test


def last_share(times: Values, end: int, train: int, valid: int) -> int:
    """Return from when on the rows earlier than `end` are valid, train : valid, equal times together.

    Without any train row that is `end`.
    """

    def earlier() -> Iterable[Numbers]:
        return (time[time < end] for time in times())

    rows = sum(len(time) for time in earlier())
    rank = rows * train // (train + valid)
    return kth(earlier, rank) if rank < rows else end


def by_bounds(value: Numbers, bounds: Bounds) -> NDArray[np.uint8]:
    """Return the part of each value [R]: below the first bound, below the second, or not below, [R]."""
    return (value >= bounds[0]).astype(np.uint8) + (value >= bounds[1])


class CutInTime(Split):
    """A split by two moments, which are the same for all users."""

    needs_time = True

    def bounds(self, log: CodedLog) -> Bounds:
        """Return the first moment of valid and that of test."""
        raise NotImplementedError

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row by its own time, [R]."""
        bounds = self.bounds(log)
        return lambda frame: by_bounds(frame["time"].to_numpy(), bounds)

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
