"""Split `leave-one-out`: the last row of each user is test, the last but one valid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recbench.data.manifest import PARTS, Finding, Part
from recbench.errors import count_of
from recbench.preparation.order_statistics import Numbers
from recbench.preparation.recount import PartCounts
from recbench.preparation.splits.base import SPLITS, PartOfRow
from recbench.preparation.splits.building_blocks.positions import positions
from recbench.preparation.splits.building_blocks.user_time import CutEachUser

LEAST = 3  # rows of a user that has any in valid and test


@SPLITS.add("leave-one-out")
class LeaveOneOut(CutEachUser):
    """As SASRec and BERT4Rec evaluate: one row of each user in valid and one in test."""

    options = ()

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        return (
            "each user's rows in time order, ties by file order, whatever their feedback: the last is test, the last "
            f"but one valid, the rest train; all rows of users with fewer than {LEAST} are train"
        )

    def cut(self, user: NDArray[np.uint32], time: Numbers) -> PartOfRow:
        """Return the part of each row [R]; `user` [R] holds any code, all rows of a user being there."""
        position, count = positions(user, time)
        from_end = np.where(count < LEAST, LEAST, count - position)  # 1 for the last row
        part: PartOfRow = (from_end <= 2).astype(np.uint8) + (from_end <= 1)
        return part

    def further_findings(self, parts: Mapping[Part, PartCounts]) -> list[Finding]:
        """Every user has one row in valid and one in test, or too few rows."""
        train, valid, test = (parts[part].users for part in PARTS)
        expected = train + valid + test >= LEAST
        held_out, users = int(expected.sum()), len(expected)
        wrong = int(((valid != expected) | (test != expected)).sum())
        numbers: dict[str, int | float] = {"users": users, "held_out": held_out, "wrong": wrong}
        if wrong:
            message = (
                f"{count_of(wrong, users, 'users')} lack their one valid and one test row, have more, or have any "
                f"with fewer than {LEAST} rows"
            )
            return [Finding("rows held out", "broken", message, numbers)]
        message = f"{count_of(held_out, users, 'users')} have one valid and one test row, the others train rows only"
        return [Finding("rows held out", "ok", message, numbers)]
