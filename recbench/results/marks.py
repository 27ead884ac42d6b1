"""The mark of the best on the leaderboard, shared by what cannot be told from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recbench.evaluation.statistics import Sample, compare
from recbench.results.leaderboard_rows import Row
from recbench.results.store import Store
from recbench.results.user_contributions import Place, UserParts, read

RESAMPLES = 2000  # enough to say whether an interval holds 0, where many columns are looked at
RESAMPLES_EACH = 100  # methods: Holm's correction asks for ever smaller p, which few resamples cannot show


def share_marks(rows: Sequence[Row], store: Store) -> None:
    """Mark as best what cannot be told from the best of its column, where the users' parts are at hand.

    Rows that were compared say so; the scores of others, such as those of records without weights, are not at hand.
    """
    columns: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        column = (row["dataset"], row["split"], row["fingerprint"], row["feedback"], row["metric"], row["signature"])
        columns.setdefault(column, []).append(row)
    folders = store.folders() if rows else {}
    parts: dict[str, dict[Place, UserParts]] = {}
    for (*_, feedback, metric, signature), competing in columns.items():
        place = (metric, feedback, signature)
        held = []
        for row in competing:
            for digest in row["runs"]:
                if digest not in parts:
                    parts[digest] = read(folders[digest])
            if row["mean"] is not None and all(place in parts[digest] for digest in row["runs"]):
                held.append(row)
        if len(held) < 2 or not held[0]["best"]:
            continue
        samples = samples_of(place, {str(number): row["runs"] for number, row in enumerate(held)}, parts)
        if samples[0].numerator.shape[1] < 2:
            continue
        for difference in compare(samples, resamples=max(RESAMPLES, RESAMPLES_EACH * len(held)), against_first=True):
            held[int(difference.second)]["best"] |= not difference.real
        for row in held:
            row["compared"] = True


def samples_of(
    place: Place, runs: Mapping[str, Sequence[str]], found: Mapping[str, Mapping[Place, UserParts]]
) -> list[Sample]:
    """Return a sample per method over the users that count in any of the runs."""
    users = np.unique(np.concatenate([found[digest][place].user for digests in runs.values() for digest in digests]))
    samples = []
    for name, digests in runs.items():
        sums = np.zeros((2, len(digests), len(users)))
        for number, digest in enumerate(digests):
            part = found[digest][place]
            at = np.searchsorted(users, part.user)
            sums[0, number, at], sums[1, number, at] = part.numerator, part.denominator
        samples.append(Sample(name, sums[0], sums[1]))
    return samples
