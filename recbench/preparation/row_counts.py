"""What is counted over the rows of the log once they are split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbench.data.manifest import PARTS, EntitySide, Part, Unseen
from recbench.preparation import labels
from recbench.preparation.coded_log import CodedLog, count_codes
from recbench.preparation.splits.base import Split, check_parts
from recbench.sources.dataset_spec import DatasetSpec

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class RowCounts:
    """Counts by part; feedback types are in the order from dense to sparse on train."""

    order: tuple[int, ...]  # place of each feedback type in the catalogue
    feedback: tuple[str, ...]
    patterns: Counts  # rows of each combination of feedback types (its bits, in the catalogue's order) [3, 2^T]
    users: NDArray[np.uint32]  # rows of each user code, [3, codes]
    items: NDArray[np.uint32]
    spans: dict[Part, tuple[int, int]] | None  # first and last moment of each part
    truth: bool

    @property
    def rows(self) -> Counts:
        """Number of rows, [3]."""
        total: Counts = self.patterns.sum(1)
        return total

    @property
    def positives(self) -> Counts:
        """Number of rows that give each feedback, [3, T]."""
        total: Counts = self.patterns @ self._labels.astype(np.int64)
        return total

    @property
    def level_rates(self) -> list[float]:
        """Share of train rows whose level is at least c, for c = 1..T."""
        level, rows = labels.level(self._labels), self.patterns[0]
        return [float(rows[level >= c].sum() / rows.sum()) for c in range(1, len(self.order) + 1)]

    @property
    def unnested(self) -> float:
        """Share of all rows that give some feedback but not a denser one."""
        rows, label = self.patterns.sum(0), self._labels
        return float(rows[labels.level(label) != label.sum(1)].sum() / rows.sum())

    def rates(self, part: int) -> NDArray[np.float64]:
        """Share of the rows of one part that give each feedback, [T]."""
        share: NDArray[np.float64] = self.positives[part] / self.rows[part]
        return share

    def unseen(self, side: EntitySide, part: int) -> Unseen:
        """Return how many users or items of a part do not occur in train, and on how many rows they stand."""
        counts = self.users if side == "users" else self.items
        unseen = counts[part][counts[0] == 0]
        return Unseen(int((unseen > 0).sum()), int(unseen.sum()))

    @property
    def _labels(self) -> labels.Label:
        every = np.arange(self.patterns.shape[1]).astype(np.uint16)
        return labels.unpack(every, self.order)


def count_rows(spec: DatasetSpec, log: CodedLog, split: Split) -> RowCounts:
    """Count over the rows of a log that is split.

    Raises DataError for a part without rows and for a feedback without positive train row.
    """
    names = list(spec.feedback)
    patterns = np.zeros((len(PARTS), 1 << len(names)), np.int64)
    users = np.zeros((len(PARTS), len(log.users)), np.uint32)
    items = np.zeros((len(PARTS), len(log.items)), np.uint32)
    first = np.full(len(PARTS), np.iinfo(np.int64).max)
    last = np.full(len(PARTS), np.iinfo(np.int64).min)
    columns = ("user", "item", "pattern", "part", *(("time",) if log.timed else ()))
    for frame in log.frames(*columns):
        part = frame["part"].to_numpy()
        for total, name in ((patterns, "pattern"), (users, "user"), (items, "item")):
            count_codes(total, frame[name].to_numpy(), part)
        if log.timed:
            np.minimum.at(first, part, frame["time"].to_numpy())
            np.maximum.at(last, part, frame["time"].to_numpy())
    one_time = split.needs_time and log.rows > 1 and int(first.min()) == int(last.max())
    check_parts(spec.name, type(split), patterns.sum(1), one_time)
    bits = labels.unpack(np.arange(patterns.shape[1]).astype(np.uint16), range(len(names)))
    rates = (patterns[0] @ bits.astype(np.int64)) / max(1, patterns[0].sum())
    order = labels.dense_to_sparse(spec.name, names, rates.tolist())
    spans = {part: (int(first[p]), int(last[p])) for p, part in enumerate(PARTS)} if log.timed else None
    return RowCounts(
        tuple(order),
        tuple(names[t] for t in order),
        patterns,
        users,
        items,
        spans,
        bool(log.truth) and all(f"truth_{name}" in log.truth for name in names),
    )
