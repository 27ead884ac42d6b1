"""How often one method is better than another over the columns of a matrix, and in how many of them beyond chance.

Each pair is counted by itself, so that other methods beside it change nothing: Ismail-Fawaz et al., An Approach to
Multiple Comparison Benchmark Evaluations that is Stable Under Manipulation of the Comparate Set, 2023,
https://arxiv.org/abs/2305.11921.
"""

from __future__ import annotations

from dataclasses import dataclass

from recbench.results.leaderboard_rows import rank_key
from recbench.results.matrix.methods_by_datasets import Matrix, MatrixColumn


@dataclass(frozen=True)
class Wins:
    """One method against another."""

    better: int  # columns in which its mean is better
    of: int  # columns that have both, neither or both of them learned from validation rows too
    tested: int  # columns with a test of the two
    sure: int  # columns in which it is better beyond chance


@dataclass(frozen=True)
class PairwiseWins:
    """Methods that stand on two datasets or more, in the order of the matrix, each against each other."""

    metric: str
    methods: list[str]
    against: dict[tuple[str, str], Wins]  # without pairs that no column has both of

    @property
    def tested(self) -> bool:
        """Whether any pair was tested anywhere."""
        return any(wins.tested for wins in self.against.values())


def pairwise_wins(matrix: Matrix) -> PairwiseWins | None:
    """Return the wins of methods that stand on at least two datasets; None where there are no two of them."""
    methods = [name for name in matrix.methods if _datasets(matrix, name) > 1]
    if len(methods) < 2:
        return None
    against = {}
    for one in methods:
        for other in methods:
            columns = [column for column in matrix.columns if _are_comparable(column, one, other)]
            if one != other and columns:
                against[one, other] = _wins(columns, one, other)
    return PairwiseWins(matrix.metric, methods, against)


def _datasets(matrix: Matrix, name: str) -> int:
    return len({column.column.dataset for column in matrix.columns if name in column.cells})


def _are_comparable(column: MatrixColumn, one: str, other: str) -> bool:
    """Whether a column has both, and both learned from the same rows."""
    cells = column.cells.get(one), column.cells.get(other)
    return cells[0] is not None and cells[1] is not None and cells[0].row.refit == cells[1].row.refit


def _wins(columns: list[MatrixColumn], one: str, other: str) -> Wins:
    won = [column for column in columns if rank_key(column.cells[one].row)[0] < rank_key(column.cells[other].row)[0]]
    return Wins(
        better=len(won),
        of=len(columns),
        tested=sum((one, other) in column.apart or (other, one) in column.apart for column in columns),
        sure=sum(column.apart.get((one, other), False) for column in won),
    )
