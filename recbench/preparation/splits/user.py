"""Split `user`: each user's rows are cut in time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.data.manifest import Finding, Manifest, Part
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.order_statistics import Numbers
from recbench.preparation.recount import PartCounts
from recbench.preparation.splits.base import SPLITS, Assign, PartOfRow, Ratio, Split
from recbench.preparation.splits.building_blocks.positions import positions
from recbench.preparation.splits.building_blocks.user_time import check_users_in_time


@SPLITS.add("user")
class User(Split):
    """The first rows of each user are train, then valid, the last test."""

    needs_time = True

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        train, valid, _ = self.ratio
        fit, whole = train + valid, sum(self.ratio)
        first = {
            "floor": f"max(1, floor({fit}/{whole} n))",
            "round": f"max(1, round({fit}/{whole} n))",
            "percent-rank": f"floor({fit}/{whole} (n - 1)) + 1",
        }[self.rounding]
        return (
            f"each user's rows in time order, ties by file order: the first {first} are train, the rest test; "
            f"of the n train rows all after the first max(1, floor({train}/{fit} n)) are valid"
        )

    def needs_whole_users(self, timed: bool) -> bool:
        """Return True: a user's rows are counted."""
        return True

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row, [R]."""

        def part(frame: pl.DataFrame) -> PartOfRow:
            return cut_each_user(frame["user"].to_numpy(), frame["time"].to_numpy(), self.ratio, self.rounding)

        return part

    def check_time_order(self, folder: Path, manifest: Manifest, parts: Mapping[Part, PartCounts]) -> Finding:
        """No row of a user may be later than one of its rows in the next part."""
        return check_users_in_time(parts)


def cut_each_user(user: NDArray[np.uint32], time: Numbers, ratio: Ratio, rounding: str = "floor") -> PartOfRow:
    """Cut each user's rows in time order, [R]; `user` [R] holds any code, all rows of a user being there."""
    train, valid, test = ratio
    position, count = positions(user, time)
    whole = train + valid + test
    if rounding == "percent-rank":
        fit = (train + valid) * (count - 1) // whole + 1
    elif rounding == "round":
        fit = (2 * (train + valid) * count + whole) // (2 * whole)
    else:
        fit = (train + valid) * count // whole
    fit = np.maximum(1, fit)
    part: PartOfRow = (position >= np.maximum(1, fit * train // (train + valid))).astype(np.uint8) + (position >= fit)
    return part
