"""Differences of methods to a baseline with their intervals, where the scores of single users are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recbench.evaluation.statistics import Difference, compare
from recbench.results.leaderboard_rows import LeaderboardRow
from recbench.results.marks import RESAMPLES, RESAMPLES_EACH, Contributions, PairedRun, paired_samples
from recbench.results.store import Store, seed_of
from recbench.results.user_contributions import read_contributions


class Differences:
    """Compares methods of a store, over users and seeds; what single users add is read once per run."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.folders = store.folders()
        self._contributions: dict[str, Contributions] = {}

    def to(self, baseline: LeaderboardRow, rows: Sequence[LeaderboardRow]) -> dict[str, Difference]:
        """Return row − baseline by `row.run`, p corrected for their number; rows of the column of the baseline."""
        metric = baseline.metric, baseline.feedback, baseline.signature
        others = [row for row in rows if row.run != baseline.run]
        kept = [
            row
            for row in (baseline, *others)
            if all(metric in self._of(digest) for digest in row.runs) and row.mean is not None
        ]
        if len(kept) < 2 or kept[0] is not baseline:
            return {}
        runs = {row.run: [PairedRun(digest, seed_of(self.folders[digest])) for digest in row.runs] for row in kept}
        samples = paired_samples(metric, runs, self._contributions)
        if samples[0].numerator.shape[1] < 2:
            return {}
        resamples = max(RESAMPLES, RESAMPLES_EACH * len(kept))
        found = compare(samples, resamples=resamples, against_first=True)
        return {
            one.second: replace(one, first=one.second, second=one.first, value=-one.value, low=-one.high, high=-one.low)
            for one in found
        }

    def _of(self, digest: str) -> Contributions:
        if digest not in self._contributions:
            self._contributions[digest] = read_contributions(self.folders[digest], self.store.warnings)
        return self._contributions[digest]
