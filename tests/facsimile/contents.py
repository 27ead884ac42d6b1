"""What a facsimile holds, counted from the numbers that it was written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.facsimile.draw import Bools, Ints


@dataclass(frozen=True)
class Counts:
    """Rows of each part (`all`, or as shipped: `train`, `valid`, `test`), distinct users and items, positives."""

    rows: Mapping[str, int]
    users: int
    items: int
    positives: Mapping[str, int]  # feedback -> rows


@dataclass(frozen=True)
class Contents:
    """What a correct reader must find in a facsimile, and what a documented rule must leave of it.

    `raw` counts the rows of each file, headers left out. `log` counts the whole log, `kept` what remains of it under
    a rule; the rules' names and those of the quirks are in the docstring of the family's module.
    """

    files: tuple[Path, ...]
    raw: Mapping[str, int]
    log: Counts
    kept: Mapping[str, Counts] = field(default_factory=dict)
    quirks: Mapping[str, int] = field(default_factory=dict)


class RunningCounts:
    """Counts that grow with every block of rows; a user or item of -1 is one that the row does not name."""

    def __init__(self, users: int, items: int, feedback: Sequence[str]) -> None:
        self._users = np.zeros(users, dtype=bool)
        self._items = np.zeros(items, dtype=bool)
        self._rows: dict[str, int] = {}
        self._positives = dict.fromkeys(feedback, 0)

    def add(self, part: str, user: Ints, item: Ints, given: Mapping[str, Bools]) -> None:
        """Count rows: user [R], item [R], and for each feedback whether it was given [R]."""
        self._users[user[user >= 0]] = True
        self._items[item[item >= 0]] = True
        self._rows[part] = self._rows.get(part, 0) + len(user)
        for name in self._positives:
            self._positives[name] += int(np.count_nonzero(given[name]))

    def counts(self) -> Counts:
        """Return what has been counted so far."""
        users, items = (int(np.count_nonzero(seen)) for seen in (self._users, self._items))
        return Counts(dict(self._rows), users, items, dict(self._positives))


def count_rows(part: str, user: Ints, item: Ints, given: Mapping[str, Bools]) -> Counts:
    """Count one block of rows, user [R] and item [R], that is the whole."""
    tally = RunningCounts(int(user.max(initial=-1)) + 1, int(item.max(initial=-1)) + 1, list(given))
    tally.add(part, user, item, given)
    return tally.counts()


def repeats(*columns: Ints) -> Bools:
    """Return which rows repeat an earlier one in all columns, each [R]."""
    order = np.lexsort(columns)
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in columns:
        same &= column[order[1:]] == column[order[:-1]]
    mask = np.zeros(len(order), dtype=bool)
    mask[order[1:]] = same  # the sort is stable, so the first of equal rows stays first
    return mask


def survives_core(user: Ints, item: Ints, least: int) -> Bools:
    """Return which rows remain [R] when users and items of fewer than `least` rows go, again and again."""
    keep = np.ones(len(user), dtype=bool)
    while True:
        enough = [np.bincount(key[keep], minlength=int(key.max(initial=0)) + 1) >= least for key in (user, item)]
        left = keep & enough[0][user] & enough[1][item]
        if np.array_equal(left, keep):
            return keep
        keep = left
