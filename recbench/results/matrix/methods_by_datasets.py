"""One metric of many methods on many datasets: a line per method, a column per dataset and kind of feedback."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from recbench.evaluation.mean_ranks import ranks
from recbench.registry import BASELINE
from recbench.results.leaderboard_rows import Column, LeaderboardRow, rank_key
from recbench.results.leaderboard_selection import RANKING, RETRIEVAL, is_usual, name_of
from recbench.results.matrix.differences import Differences

Verdict = Literal["better", "worse", "even", ""]


@dataclass(frozen=True)
class Cell:
    """One method on one dataset."""

    row: LeaderboardRow
    rank: float  # among the methods of the column, 1 the best; equal means share the mean of their ranks
    difference: float | None = None  # to the best baseline; None where there is none, or of itself
    interval: tuple[float, float] | None = None  # of the difference, over users and seeds, where users' scores are kept
    verdict: Verdict = ""  # against the best baseline; "even" where a test does not tell them apart


@dataclass
class MatrixColumn:
    """All methods on one kind of feedback of one dataset."""

    column: Column
    title: str  # "ml-1m/user"
    cells: dict[str, Cell] = field(default_factory=dict)  # by method, best first
    baseline: str = ""  # the best one; "" where there is none


@dataclass
class Matrix:
    """What the methods reach under one metric."""

    metric: str
    columns: list[MatrixColumn] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """All methods: those in most columns first, then the best, by their mean place in the columns from 0 to 1."""
        places: dict[str, list[float]] = defaultdict(list)
        for column in self.columns:
            for name, cell in column.cells.items():
                places[name].append((cell.rank - 1) / max(1, len(column.cells) - 1))
        return sorted(places, key=lambda name: (-len(places[name]), sum(places[name]) / len(places[name]), name))

    @property
    def tested(self) -> bool:
        """Whether any difference has an interval."""
        return any(cell.interval for column in self.columns for cell in column.cells.values())


def matrices(rows: Sequence[LeaderboardRow], differences: Differences | None, *, metrics_asked: bool) -> list[Matrix]:
    """Return a matrix per metric that was asked for, or else for retrieval and for ranking the one with most numbers.

    `rows` are of `collect_rows`; of each method the setting that validation chose counts. Of several definitions on
    the same data, that of most methods does. Without `differences` there are no intervals, and no test decides.
    """
    by_metric: dict[str, list[LeaderboardRow]] = defaultdict(list)
    for row in rows:
        if row.chosen and row.mean is not None and (metrics_asked or is_usual(row.column)):
            by_metric[row.metric].append(row)
    names = list(by_metric) if metrics_asked else [*_most(by_metric, RETRIEVAL), *_most(by_metric, RANKING)]
    return [Matrix(name, _columns(by_metric[name], differences)) for name in names]


def _most(by_metric: Mapping[str, Sequence[LeaderboardRow]], family: Sequence[str]) -> list[str]:
    """Return the metric of the family that most methods have on most data, none if there is none."""
    fitting = [metric for metric in by_metric if name_of(metric) in family]

    def place(metric: str) -> tuple[int, int]:
        return len({(*row.column[:4], row.method.name) for row in by_metric[metric]}), -family.index(name_of(metric))

    return [max(fitting, key=place)] if fitting else []


def _columns(rows: Sequence[LeaderboardRow], differences: Differences | None) -> list[MatrixColumn]:
    by_data: dict[tuple[str, ...], dict[Column, dict[str, LeaderboardRow]]] = {row.column[:4]: {} for row in rows}
    for row in sorted(rows, key=_preference):
        by_data[row.column[:4]].setdefault(row.column, {}).setdefault(row.method.name, row)
    versions: dict[str, set[str]] = defaultdict(set)
    for dataset, split, fingerprint, _ in by_data:
        versions[f"{dataset}/{split}"].add(fingerprint)
    columns = []
    for definitions in by_data.values():
        column, of_methods = max(definitions.items(), key=lambda item: len(item[1]))
        title = f"{column.dataset}/{column.split}"
        title += f"@{column.fingerprint[:6]}" if len(versions[title]) > 1 else ""
        columns.append(_column(MatrixColumn(column, title), of_methods, differences))
    return columns


def _preference(row: LeaderboardRow) -> tuple[object, ...]:
    """Return what sorts the lines of one method: no number on test rows decides."""
    return row.select != row.metric, row.refit, -row.seeds, row.settings


def _column(
    column: MatrixColumn, of_methods: Mapping[str, LeaderboardRow], differences: Differences | None
) -> MatrixColumn:
    rows = sorted(of_methods.values(), key=rank_key)
    ranked = ranks(np.array([[rank_key(row)[0] for row in rows]]))[0].tolist()
    best = _best_baseline(rows)
    against = differences.to(best, rows) if best and differences else {}
    for row, rank in zip(rows, ranked, strict=True):
        cell = Cell(row, rank)
        if best and row is not best and row.mean is not None and best.mean is not None:
            difference = against.get(row.run)
            interval = (difference.low, difference.high) if difference else None
            ahead = rank_key(best)[0] - rank_key(row)[0]
            told_apart = ahead != 0 and (difference is None or difference.real)
            verdict: Verdict = ("better" if ahead > 0 else "worse") if told_apart else "even"
            cell = Cell(row, rank, row.mean - best.mean, interval, verdict)
        column.cells[row.method.name] = cell
    column.baseline = best.method.name if best else ""
    return column


def _best_baseline(rows: Iterable[LeaderboardRow]) -> LeaderboardRow | None:
    """Return the best baseline of those that did not learn from validation rows, or of all."""
    baselines = [row for row in rows if row.backbone == BASELINE]
    return next((row for row in baselines if not row.refit), next(iter(baselines), None))
