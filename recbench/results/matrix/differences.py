"""Differences of methods of one column with their intervals, where the scores of single users are kept."""

from __future__ import annotations

from collections.abc import Collection

from recbench.evaluation.statistics import Difference
from recbench.results.leaderboard_rows import LeaderboardRow
from recbench.results.marks import UserScores
from recbench.results.store import Store

Pair = tuple[str, str]  # runs that two rows are named by


class Differences:
    """Compares methods of a store, over users and seeds."""

    def __init__(self, store: Store) -> None:
        self.users = UserScores(store)

    def of(self, pairs: Collection[tuple[LeaderboardRow, LeaderboardRow]]) -> dict[Pair, Difference]:
        """Return first − second of pairs of rows of one column, by `row.run`, of those that can be tested."""
        rows = {row.run: row for pair in pairs for row in pair}
        kept = self.users.kept(rows)
        names = dict.fromkeys((a.run, b.run) for a, b in pairs if a.run in kept and b.run in kept)
        return {(one.first, one.second): one for one in self.users.differences(kept, names)}
