"""Differences of methods to a baseline with their intervals, where the scores of single users are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recbench.evaluation.statistics import Difference
from recbench.results.leaderboard_rows import LeaderboardRow
from recbench.results.marks import UserScores
from recbench.results.store import Store


class Differences:
    """Compares methods of a store with a baseline, over users and seeds."""

    def __init__(self, store: Store) -> None:
        self.users = UserScores(store)

    def to(self, baseline: LeaderboardRow, rows: Sequence[LeaderboardRow]) -> dict[str, Difference]:
        """Return row − baseline by `row.run`, p corrected for their number; rows of the column of the baseline."""
        others = [row for row in rows if row.run != baseline.run]
        kept = self.users.kept({row.run: row for row in (baseline, *others)})
        found = self.users.differences(kept) if baseline.run in kept else []
        return {
            one.second: replace(one, first=one.second, second=one.first, value=-one.value, low=-one.high, high=-one.low)
            for one in found
        }
