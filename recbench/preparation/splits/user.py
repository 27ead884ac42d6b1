"""Split `user`: each user's rows are cut in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recbench.preparation.order_statistics import Numbers
from recbench.preparation.splits.base import SPLITS, PartOfRow, Ratio
from recbench.preparation.splits.building_blocks.positions import positions
from recbench.preparation.splits.building_blocks.user_time import CutEachUser


@SPLITS.add("user")
class User(CutEachUser):
    """The first rows of each user are train, then valid, the last test."""

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

    def cut(self, user: NDArray[np.uint32], time: Numbers) -> PartOfRow:
        """Return the part of each row [R], by the ratio."""
        return cut_each_user(user, time, self.ratio, self.rounding)


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
