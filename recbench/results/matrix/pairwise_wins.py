"""How often one method is better than another over the columns of a matrix, and in how many of them beyond chance.

Each pair is counted by itself, so that other methods beside it change nothing: Ismail-Fawaz et al., An Approach to
Multiple Comparison Benchmark Evaluations that is Stable Under Manipulation of the Comparate Set, 2023,
https://arxiv.org/abs/2305.11921.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recbench.results.leaderboard import markdown_row, markdown_text
from recbench.results.leaderboard_latex import escaped, latex_row, latex_table
from recbench.results.leaderboard_rows import rank_key
from recbench.results.matrix.methods_by_datasets import Matrix, MatrixColumn

MOST = 12  # methods of a table
TITLE = "how often the method of a row beats that of a column"
NOBODY = "how often one method beats another is counted from two datasets that both stand on; no two methods do"


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


def wins_words(wins: Wins | None) -> str:
    """Return wins of all comparisons, and those beyond chance: "5/7 (4)", "5/7 (2 of 3)" where not all were tested."""
    if wins is None:
        return ""
    if not wins.tested:
        return f"{wins.better}/{wins.of}"
    return f"{wins.better}/{wins.of} ({wins.sure}{f' of {wins.tested}' if wins.tested < wins.of else ''})"


def wins_rows(found: PairwiseWins) -> Iterator[tuple[str, list[str]]]:
    """Yield the number and name of each method, and its wins against each, MOST methods at most."""
    shown = found.methods[:MOST]
    for number, one in enumerate(shown, 1):
        yield f"{number} {one}", [wins_words(found.against.get((one, other))) for other in shown]


def wins_notes(found: PairwiseWins) -> Iterator[str]:
    """Yield what the counts mean."""
    yield "5/7: better in 5 of 7 comparisons on the same data; each kind of feedback of a dataset and split is one"
    if found.tested:
        yield "in brackets: in how many of them beyond chance, by a test of the two alone over users and seeds (5 %)"
        if any(0 < wins.tested < wins.of for wins in found.against.values()):
            yield "(2 of 3): only 3 were tested, because the scores of single users are not kept of all"
    else:
        yield "not tested, because the scores of single users are not kept"


def note_of_left(found: PairwiseWins) -> list[str]:
    """Return how many methods a table has of how many, nothing if all."""
    count = len(found.methods)
    has_all = "`recbench plot pairwise-wins --format csv` has all"
    return [f"the first {MOST} of {count} methods; {has_all}"] if count > MOST else []


def wins_markdown(matrix: Matrix) -> Iterator[str]:
    """Yield the lines of a table, or of a sentence that says why there is none."""
    found = pairwise_wins(matrix)
    if found is None:
        yield f"{NOBODY[0].upper()}{NOBODY[1:]}.\n"
        return
    rows = list(wins_rows(found))
    yield f"### {markdown_text(f'{matrix.metric}: {TITLE}')}\n"
    yield markdown_row(["", *(str(number) for number in range(1, len(rows) + 1))])
    yield markdown_row(["---", *["---:"] * len(rows)])
    for name, cells in rows:
        yield markdown_row([markdown_text(name), *cells])
    yield ""
    yield from (f"{markdown_text(note)}\n" for note in [*wins_notes(found), *note_of_left(found)])


def wins_latex(matrix: Matrix) -> Iterator[str]:
    """Yield the lines of a table, none where there is nothing to count."""
    found = pairwise_wins(matrix)
    if found is not None:
        rows = list(wins_rows(found))
        caption = escaped("; ".join([f"{matrix.metric}: {TITLE}", *wins_notes(found), *note_of_left(found)]))
        numbers = ["", *(str(number) for number in range(1, len(rows) + 1))]
        lines = (latex_row([escaped(name), *map(escaped, cells)]) for name, cells in rows)
        yield from latex_table(caption, "l" + "r" * len(rows), [numbers], lines)
