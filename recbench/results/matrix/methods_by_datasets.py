"""One metric of many methods on many datasets: a line per method, a column per dataset and kind of feedback."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from statistics import fmean
from typing import Literal

import numpy as np

from recbench.evaluation.mean_ranks import ranks
from recbench.evaluation.statistics import LEVEL, Difference, with_holm
from recbench.registry import BASELINE
from recbench.results.leaderboard_rows import Column, LeaderboardRow, rank_key
from recbench.results.leaderboard_selection import is_usual
from recbench.results.marks import UserScores
from recbench.results.setting_choice import RANKING, RETRIEVAL, name_of

Pair = tuple[str, str]  # two methods, the better first
Verdict = Literal["better", "worse", "even", ""]


@dataclass(frozen=True)
class Cell:
    """One method on one dataset."""

    row: LeaderboardRow
    rank: float | None  # of those that `MatrixColumn.ranked` has, 1 the best; equal means share the mean of their ranks
    baseline: str = ""  # the best one that learned from the same rows; "" where there is none, or it is this one
    difference: float | None = None  # to that baseline
    interval: tuple[float, float] | None = None  # of the difference, over users and seeds, where users' scores are kept
    verdict: Verdict = ""  # against that baseline; "even" where a test does not tell them apart


@dataclass
class MatrixColumn:
    """All methods on one kind of feedback of one dataset."""

    column: Column
    title: str  # "ml-1m/user"
    cells: dict[str, Cell] = field(default_factory=dict)  # by method, best first
    apart: dict[Pair, bool] = field(default_factory=dict)  # whether a test of the two alone, at 5 %, says they differ

    @property
    def ranked(self) -> list[str]:
        """The methods that learned from validation rows, or those that did not, whichever are more."""
        return [name for name, cell in self.cells.items() if cell.rank is not None]

    @property
    def refitted(self) -> set[str]:
        """The methods that learned from validation rows too, where others of the column did not."""
        found = {name for name, cell in self.cells.items() if cell.row.refit}
        return set() if len(found) == len(self.cells) else found


@dataclass
class Matrix:
    """What the methods reach under one metric."""

    metric: str
    columns: list[MatrixColumn] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """All methods: those in most columns first, then the best, by their mean place in the columns from 0 to 1."""
        columns = Counter(name for column in self.columns for name in column.cells)
        places: dict[str, list[float]] = {name: [] for name in columns}
        for column in self.columns:
            steps = max(1, len(column.ranked) - 1)
            for name, cell in column.cells.items():
                if cell.rank is not None:
                    places[name].append((cell.rank - 1) / steps)
        return sorted(columns, key=lambda name: (-columns[name], fmean(places[name] or [1]), name))

    @property
    def tested(self) -> bool:
        """Whether any difference has an interval."""
        return any(cell.interval for column in self.columns for cell in column.cells.values())


def matrices(rows: Sequence[LeaderboardRow], users: UserScores | None, *, metrics_asked: bool) -> list[Matrix]:
    """Return a matrix per metric that was asked for, or else for retrieval and for ranking the one with most numbers.

    `rows` are of `collect_rows`; of each method the setting that validation chose counts. Of several definitions on
    the same data, that of most methods does. Without `users` there are no intervals, and no test decides.
    """
    by_metric: dict[str, list[LeaderboardRow]] = defaultdict(list)
    for row in rows:
        if row.chosen and row.mean is not None and (metrics_asked or is_usual(row.column)):
            by_metric[row.metric].append(row)
    names = list(by_metric) if metrics_asked else [*_most(by_metric, RETRIEVAL), *_most(by_metric, RANKING)]
    return [Matrix(name, _columns(by_metric[name], users)) for name in names]


def _most(by_metric: Mapping[str, Sequence[LeaderboardRow]], family: Sequence[str]) -> list[str]:
    """Return the metric of the family that most methods have on most data, none if there is none."""
    fitting = [metric for metric in by_metric if name_of(metric) in family]

    def place(metric: str) -> tuple[int, int]:
        return len({(*row.column[:4], row.method.name) for row in by_metric[metric]}), -family.index(name_of(metric))

    return [max(fitting, key=place)] if fitting else []


def _columns(rows: Sequence[LeaderboardRow], users: UserScores | None) -> list[MatrixColumn]:
    by_data: dict[tuple[str, ...], dict[Column, list[LeaderboardRow]]] = {row.column[:4]: {} for row in rows}
    for row in sorted(rows, key=_preference):
        by_data[row.column[:4]].setdefault(row.column, []).append(row)
    versions: dict[str, set[str]] = defaultdict(set)
    for dataset, split, fingerprint, _ in by_data:
        versions[f"{dataset}/{split}"].add(fingerprint)
    datasets = {dataset for dataset, *_ in by_data}
    columns = []
    for definitions in by_data.values():
        column, of_methods = max(definitions.items(), key=lambda item: len({row.method.name for row in item[1]}))
        title = f"{column.dataset}/{column.split}"
        title += f"@{column.fingerprint[:6]}" if len(versions[title]) > 1 else ""
        columns.append(MatrixColumn(column, title, *_cells(of_methods, users, every_pair=len(datasets) > 1)))
    return columns


def _preference(row: LeaderboardRow) -> tuple[object, ...]:
    """Return what sorts the lines of one method: no number on test rows decides."""
    return row.select != row.metric, row.refit, -row.seeds, row.settings


def _cells(
    lines: Sequence[LeaderboardRow], users: UserScores | None, *, every_pair: bool
) -> tuple[dict[str, Cell], dict[Pair, bool]]:
    """Return the cells of a column, best first, and whether a test tells two of them apart.

    Of a method's lines the first counts. What learned from validation rows too is compared with baselines that did.
    """
    rows = sorted(_first_of_each(lines), key=rank_key)
    most_refit = 2 * sum(row.refit for row in rows) > len(rows)
    of_most = [row for row in rows if row.refit == most_refit]
    ranked = ranks(np.array([[rank_key(row)[0] for row in of_most]]))[0].tolist()
    rank_of = {row.run: rank for row, rank in zip(of_most, ranked, strict=True)}
    cells = {row.method.name: Cell(row, rank_of.get(row.run)) for row in rows}
    families = []
    for refit in (False, True):
        baselines = _first_of_each(row for row in lines if row.backbone == BASELINE and row.refit == refit)
        if baselines:
            best = min(baselines, key=rank_key)
            families.append([(row, best) for row in rows if row.refit == refit and row is not best])
    pairs = [(a, b) for a, b in combinations(rows, 2) if a.refit == b.refit] if every_pair else []
    found = users.between([*chain(*families), *pairs]) if users else {}
    for family in families:
        alike = with_holm(found[row.run, best.run] for row, best in family if (row.run, best.run) in found)
        tested = {difference.first: difference for difference in alike}
        for row, best in family:
            cells[row.method.name] = _beside_baseline(cells[row.method.name], best, tested.get(row.run))
    apart = {
        (a.method.name, b.method.name): found[a.run, b.run].p < 1 - LEVEL for a, b in pairs if (a.run, b.run) in found
    }
    return cells, apart


def _first_of_each(lines: Iterable[LeaderboardRow]) -> list[LeaderboardRow]:
    """Return the first line of each method."""
    of_methods: dict[str, LeaderboardRow] = {}
    for row in lines:
        of_methods.setdefault(row.method.name, row)
    return list(of_methods.values())


def _beside_baseline(cell: Cell, best: LeaderboardRow, difference: Difference | None) -> Cell:
    if cell.row.mean is None or best.mean is None:
        return cell
    ahead = rank_key(best)[0] - rank_key(cell.row)[0]
    told_apart = ahead != 0 and (difference is None or difference.real)
    verdict: Verdict = ("better" if ahead > 0 else "worse") if told_apart else "even"
    interval = (difference.low, difference.high) if difference else None
    return Cell(cell.row, cell.rank, best.method.name, cell.row.mean - best.mean, interval, verdict)
