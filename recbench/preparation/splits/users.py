"""Split `users`: whole users are drawn, so that those of valid and test are new."""

from __future__ import annotations

import numpy as np

from recbench.preparation.coded_log import CodedLog
from recbench.preparation.splits.base import SPLITS, Assign, PartOfRow, Ratio, Split


@SPLITS.add("users")
class Users(Split):
    """All rows of a user are in one part."""

    new_test_users = True

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        train, valid, test = self.ratio
        return f"all rows of a user together, users drawn at random: {train} : {valid} : {test}"

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row, [R]."""
        present = np.flatnonzero(log.count("user"))
        part_of_user = np.zeros(len(log.users), np.uint8)
        part_of_user[present] = draw_users(len(present), self.ratio, self.seed)
        return lambda frame: part_of_user[frame["user"].to_numpy()]


def draw_users(users: int, ratio: Ratio, seed: int) -> PartOfRow:
    """Return the part of each user, exact to a user, [users]."""
    train, valid, test = ratio
    whole = train + valid + test
    part = np.full(users, 2, np.uint8)
    order = np.random.default_rng(seed).permutation(users)
    part[order[: users * (train + valid) // whole]] = 1
    part[order[: users * train // whole]] = 0
    return part
