"""Parts of each user that follow each other in time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbench.data.manifest import PARTS, Finding, Manifest, Part
from recbench.errors import count_of
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.order_statistics import Numbers
from recbench.preparation.recount import PartCounts
from recbench.preparation.splits.base import Assign, PartOfRow, Split


class CutEachUser(Split):
    """A split that cuts the rows of each user in time."""

    needs_time = True

    def cut(self, user: NDArray[np.uint32], time: Numbers) -> PartOfRow:
        """Return the part of each row [R]; `user` [R] holds any code, all rows of a user being there."""
        raise NotImplementedError

    def needs_whole_users(self, timed: bool) -> bool:
        """Return True: a user's rows are counted."""
        return True

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row, [R]."""
        return lambda frame: self.cut(frame["user"].to_numpy(), frame["time"].to_numpy())

    def check_time_order(self, folder: Path, manifest: Manifest, parts: Mapping[Part, PartCounts]) -> Finding:
        """No row of a user may be later than one of its rows in the next part."""
        train, valid, test = (parts[part] for part in PARTS)
        users = len(train.users)
        early = int((train.last > np.minimum(valid.first, test.first)).sum())
        mixed = int((valid.last > test.first).sum())
        numbers: dict[str, int | float] = {"users": users, "users_train_late": early, "users_valid_late": mixed}
        if early or mixed:
            message = (
                f"{count_of(early, users, 'users')} have a train row later than their first valid or test row, "
                f"and {mixed:,} a valid row later than their first test row"
            )
            return Finding("time order", "broken", message, numbers)
        message = f"no row of train is later than a valid or test row of its user ({users:,} users)"
        return Finding("time order", "ok", message, numbers)
