"""The mark of the best on the leaderboard, shared by methods that a test does not tell from the best."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from recbench.evaluation.statistics import Sample, compare
from recbench.results.leaderboard_rows import Column, LeaderboardRow
from recbench.results.store import Store, seed_of
from recbench.results.user_contributions import MetricKey, UserContributions, read_contributions

RESAMPLES = 2000  # enough to say whether an interval holds 0, where many columns are looked at
RESAMPLES_EACH = 100  # methods: Holm's correction asks for ever smaller p, which few resamples cannot show

Contributions = Mapping[MetricKey, UserContributions]


class PairedRun(NamedTuple):
    """A run of a method, which pairs with those of equal seed of other methods."""

    digest: str
    seed: int


def with_shared_best(rows: Sequence[LeaderboardRow], store: Store) -> list[LeaderboardRow]:
    """Return the rows, those marked as best too that a test does not tell from the best of their column.

    Settings that validation did not choose are not marked. A test needs the contributions of single users;
    `compared` says which rows were tested.
    """
    columns: dict[Column, list[int]] = {}
    for position, row in enumerate(rows):
        if row.chosen:
            columns.setdefault(row.column, []).append(position)
    folders = store.folders() if rows else {}
    contributions: dict[str, Contributions] = {}
    marked = list(rows)
    for column, positions in columns.items():
        metric = column.metric, column.feedback, column.signature
        for digest in (digest for position in positions for digest in rows[position].runs):
            if digest not in contributions:
                contributions[digest] = read_contributions(folders[digest], store.warnings)
        tested = [
            position
            for position in positions
            if rows[position].mean is not None
            and all(metric in contributions[digest] for digest in rows[position].runs)
        ]
        if len(tested) < 2 or not rows[tested[0]].best:
            continue
        runs = {
            str(position): [PairedRun(digest, seed_of(folders[digest])) for digest in rows[position].runs]
            for position in tested
        }
        samples = paired_samples(metric, runs, contributions)
        if samples[0].numerator.shape[1] < 2:
            continue
        resamples = max(RESAMPLES, RESAMPLES_EACH * len(tested))
        same = {int(d.second) for d in compare(samples, resamples=resamples, against_first=True) if not d.real}
        for position in tested:
            best = rows[position].best or position in same
            below = "" if best else rows[position].below  # nothing is the best and worse than a baseline at once
            marked[position] = msgspec.structs.replace(rows[position], best=best, compared=True, below=below)
    return marked


def paired_samples(
    metric: MetricKey,
    runs: Mapping[str, Sequence[PairedRun]],
    contributions: Mapping[str, Contributions],
    deterministic: Collection[str] = (),
) -> list[Sample]:
    """Return a sample per method over the users that count in any of the runs; `runs` are by method."""
    every = [contributions[run.digest][metric] for of_method in runs.values() for run in of_method]
    users = np.unique(np.concatenate([of_run.user for of_run in every]))
    samples = []
    for name, of_method in runs.items():
        sums = np.zeros((2, len(of_method), len(users)))
        for number, run in enumerate(of_method):
            of_run = contributions[run.digest][metric]
            positions = np.searchsorted(users, of_run.user)
            sums[0, number, positions], sums[1, number, positions] = of_run.numerator, of_run.denominator
        seeds = tuple(run.seed for run in of_method)
        samples.append(Sample(name, sums[0], sums[1], seeds, name in deterministic))
    return samples
