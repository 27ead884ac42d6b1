"""The mark of the best on the leaderboard, shared by methods that a test does not tell apart from the best."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from recbench.evaluation.statistics import Difference, Sample, compare, first_with_others
from recbench.results.leaderboard_rows import Column, LeaderboardRow
from recbench.results.store import Store, seed_of
from recbench.results.user_contributions import MetricKey, UserContributions, read_contributions

RESAMPLES = 2000  # enough to say whether an interval holds 0, where many columns are looked at
RESAMPLES_EACH = 100  # methods: Holm's correction asks for ever smaller p, which few resamples cannot show

Contributions = Mapping[MetricKey, UserContributions]
Name = TypeVar("Name")


class UserScores:
    """What single users add to the numbers of a store, read once per run, and tests of methods over users and seeds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.folders = store.folders()
        self._contributions: dict[str, Contributions] = {}

    def kept(self, rows: Mapping[Name, LeaderboardRow]) -> dict[Name, LeaderboardRow]:
        """Return those of the rows whose users' scores are kept."""
        return {
            name: row
            for name, row in rows.items()
            if row.mean is not None and all(_metric(row) in self._of(digest) for digest in row.runs)
        }

    def differences(
        self, rows: Mapping[str, LeaderboardRow], pairs: Collection[tuple[str, str]] | None = None
    ) -> list[Difference]:
        """Return the first less every other of rows of one column, all `kept`, or what is known of `pairs` of them.

        None where there is nothing to test.
        """
        if len(rows) < 2 or pairs is not None and not pairs:
            return []
        runs = {name: {digest: seed_of(self.folders[digest]) for digest in row.runs} for name, row in rows.items()}
        samples = paired_samples(_metric(next(iter(rows.values()))), runs, self._contributions)
        if samples[0].numerator.shape[1] < 2:
            return []
        places = {name: place for place, name in enumerate(rows)}
        wanted = first_with_others(len(rows)) if pairs is None else [(places[a], places[b]) for a, b in pairs]
        return compare(samples, resamples=max(RESAMPLES, RESAMPLES_EACH * len(rows)), pairs=wanted)

    def between(self, pairs: Collection[tuple[LeaderboardRow, LeaderboardRow]]) -> dict[tuple[str, str], Difference]:
        """Return first − second of pairs of rows of one column, by the runs of both, of those that can be tested."""
        rows = {row.run: row for pair in pairs for row in pair}
        kept = self.kept(rows)
        names = dict.fromkeys((a.run, b.run) for a, b in pairs if a.run in kept and b.run in kept)
        return {(one.first, one.second): one for one in self.differences(kept, names)}

    def _of(self, digest: str) -> Contributions:
        if digest not in self._contributions:
            folder = self.folders.get(digest)  # None of a run that was deleted since its record was read
            self._contributions[digest] = {} if folder is None else read_contributions(folder, self.store.warnings)
        return self._contributions[digest]


def with_shared_best(rows: Sequence[LeaderboardRow], store: Store) -> list[LeaderboardRow]:
    """Return the rows, those marked as best too that a test does not tell apart from the best of their column.

    Settings that validation did not choose are not marked. A test needs the contributions of single users;
    `compared` says which rows were tested.
    """
    columns: dict[Column, list[int]] = {}
    for position, row in enumerate(rows):
        if row.chosen:
            columns.setdefault(row.column, []).append(position)
    users = UserScores(store)
    marked = list(rows)
    for positions in columns.values():
        tested = users.kept({position: rows[position] for position in positions})
        if not tested or not next(iter(tested.values())).best:
            continue
        found = users.differences({str(position): row for position, row in tested.items()})
        if not found:
            continue
        of_others = {int(difference.second): difference for difference in found}
        for position in tested:
            other = of_others.get(position)
            best = rows[position].best or (other is not None and not other.real)
            below = "" if best else rows[position].below  # nothing is the best and worse than a baseline at once
            low, high = (-other.high, -other.low) if other else (None, None)
            marked[position] = msgspec.structs.replace(
                rows[position], best=best, compared=True, below=below, to_best_low=low, to_best_high=high
            )
    return marked


def _metric(row: LeaderboardRow) -> MetricKey:
    return row.metric, row.feedback, row.signature


def paired_samples(
    metric: MetricKey,
    runs: Mapping[str, Mapping[str, int]],
    contributions: Mapping[str, Contributions],
    deterministic: Collection[str] = (),
) -> list[Sample]:
    """Return a sample per method over the users that count in any of the runs.

    `runs` are by method, the digest of each to its seed: runs of one seed of several methods are pairs.
    """
    every = [contributions[digest][metric] for of_method in runs.values() for digest in of_method]
    users = np.unique(np.concatenate([of_run.user for of_run in every]))
    samples = []
    for name, of_method in runs.items():
        sums = np.zeros((2, len(of_method), len(users)))
        for number, digest in enumerate(of_method):
            of_run = contributions[digest][metric]
            positions = np.searchsorted(users, of_run.user)
            sums[0, number, positions], sums[1, number, positions] = of_run.numerator, of_run.denominator
        samples.append(Sample(name, sums[0], sums[1], tuple(of_method.values()), name in deterministic))
    return samples
