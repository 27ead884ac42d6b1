"""What is best on each dataset, and how sure: the first thing that the page says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recbench.results.leaderboard_rows import Column, LeaderboardRow
from recbench.results.leaderboard_selection import is_usual
from recbench.results.leaderboard_tables import DatasetTables, FeedbackTable
from recbench.results.setting_choice import RANKING, RETRIEVAL, name_of, purpose


@dataclass(frozen=True)
class Answer:
    """The best method of a column, and those that a test over users and seeds does not tell apart from it."""

    place: int  # of the dataset's section on the page
    column: Column
    row: LeaderboardRow
    alike: tuple[str, ...]  # names of other methods marked as best
    tested: bool  # whether there was such a test
    methods: int  # in the column

    @property
    def selected_otherwise(self) -> bool:
        """Whether a metric of another purpose selected its epochs and settings, as AUC before recall."""
        return purpose(self.row.select) != purpose(self.column.metric)


def answers(datasets: Sequence[DatasetTables]) -> list[Answer]:
    """Return an answer per dataset and feedback for retrieval and for ranking, where there are two methods or more."""
    found = []
    for place, dataset in enumerate(datasets):
        for table in dataset.tables.values():
            for column in _columns(table):
                rows = [row for row in table.columns[column] if row.chosen and row.mean is not None]
                if len(rows) > 1:
                    found.append(_answer(place, column, rows))
    return found


def _answer(place: int, column: Column, rows: Sequence[LeaderboardRow]) -> Answer:
    best, *others = rows
    name = best.method.name
    alike = dict.fromkeys(row.method.name for row in others if row.best and row.method.name != name)
    return Answer(place, column, best, tuple(alike), best.compared, len({row.method.name for row in rows}))


def _columns(table: FeedbackTable) -> Iterator[Column]:
    """Yield the column of the first metric of retrieval that there is, and of the first of ranking."""
    usual = [column for column in table.columns if is_usual(column)]
    for names in (RETRIEVAL, RANKING):
        yield from [column for name in names for column in usual if name_of(column.metric) == name][:1]
