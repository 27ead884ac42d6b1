"""Rows of the leaderboard to the tables of the page: methods by metrics, one table per feedback."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase

from recbench.results.leaderboard_rows import LOWER, Row
from recbench.results.record import RunRecord

MISSING = "-1000000000000"  # sorts below every number


@dataclass(frozen=True)
class Column:
    """Numbers that may be compared: one metric under one signature."""

    metric: str
    signature: str
    letter: str  # of the signature, among the notes of the dataset

    @property
    def lower_is_better(self) -> bool:
        """Whether the best is the lowest."""
        return LOWER in self.signature.split("; ")


@dataclass(frozen=True)
class Interval:
    """Mean - sd, mean and mean + sd in percent of the range that a column spans."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Number:
    """One cell of a table."""

    cell: int  # place of the row on the board, by which the page finds where the number comes from
    row: Row

    @property
    def sort_key(self) -> str:
        """The mean without an exponent, which the sorting library would misread."""
        return MISSING if self.row["mean"] is None else f"{self.row['mean']:.12f}"


@dataclass(frozen=True)
class Method:
    """What a line of a table is named by."""

    loss: str
    backbone: str
    settings: str


@dataclass
class Line:
    """The numbers of one method."""

    numbers: dict[Column, Number] = field(default_factory=dict)
    seconds: float = 0.0  # of training, a mean over the runs

    @property
    def seeds(self) -> str:
        """How many runs the numbers are means of."""
        counts = sorted(number.row["seeds"] for number in self.numbers.values())
        return str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]}-{counts[-1]}"


@dataclass
class Table:
    """All methods on one feedback."""

    feedback: str
    lines: dict[Method, Line] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    bounds: dict[Column, float] = field(default_factory=dict)
    spans: dict[Column, tuple[float, float]] = field(default_factory=dict)  # lowest and highest end of an interval

    def numbers(self) -> Iterator[Number]:
        """Yield all cells, line by line."""
        for line in self.lines.values():
            yield from line.numbers.values()

    def of_column(self, column: Column) -> list[Number]:
        """Return the numbers of a column, best first."""
        numbers = (line.numbers[column] for line in self.lines.values() if column in line.numbers)
        return sorted(numbers, key=lambda number: number.cell)

    def interval(self, column: Column, row: Row) -> Interval | None:
        """Return where a number lies within its column; None where there is nothing to draw."""
        lowest, highest = self.spans[column]
        if row["mean"] is None or highest == lowest:
            return None
        low, high = _ends(row)
        scale = 100 / (highest - lowest)
        return Interval((low - lowest) * scale, (row["mean"] - lowest) * scale, (high - lowest) * scale)


@dataclass
class Section:
    """All tables of one version of a dataset."""

    dataset: str
    split: str
    fingerprint: str
    tables: dict[str, Table] = field(default_factory=dict)  # feedback → table
    letters: dict[str, str] = field(default_factory=dict)  # signature → letter

    @property
    def runs(self) -> dict[str, str]:
        """The digests of all runs in the tables, each with the settings of its method."""
        rows = [number.row for table in self.tables.values() for number in table.numbers()]
        return {digest: row["settings"] for row in rows for digest in row["runs"]}


def sections(rows: Sequence[Row], records: Mapping[str, RunRecord]) -> list[Section]:
    """Return the rows of `board` by dataset and feedback, in their order; `records` are their runs by digest."""
    found: dict[tuple[str, str, str], Section] = {}
    for cell, row in enumerate(rows):
        place = row["dataset"], row["split"], row["fingerprint"]
        section = found.setdefault(place, Section(*place))
        letter = section.letters.setdefault(row["signature"], _letter(len(section.letters)))
        table = section.tables.setdefault(row["feedback"], Table(row["feedback"]))
        column = Column(row["metric"], row["signature"], letter)
        if column not in table.columns:
            table.columns.append(column)
        method = Method(row["loss"], row["backbone"], row["settings"])
        table.lines.setdefault(method, Line()).numbers[column] = Number(cell, row)
        if row["bound"] is not None:
            table.bounds[column] = row["bound"]
    for section in found.values():
        for table in section.tables.values():
            _finish(table, records)
    return list(found.values())


def _letter(place: int) -> str:
    return ascii_lowercase[place % 26] * (place // 26 + 1)


def _finish(table: Table, records: Mapping[str, RunRecord]) -> None:
    """Add what only the whole table tells."""
    for column in table.columns:
        ends = [end for number in table.of_column(column) for end in _ends(number.row)]
        table.spans[column] = min(ends, default=0.0), max(ends, default=0.0)
    for line in table.lines.values():
        digests = {digest for number in line.numbers.values() for digest in number.row["runs"]}
        line.seconds = statistics.fmean(records[digest].seconds for digest in digests)


def _ends(row: Row) -> tuple[float, ...]:
    mean, sd = row["mean"], row["sd"] or 0.0
    return () if mean is None else (mean - sd, mean + sd)
