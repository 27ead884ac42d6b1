"""The board beside a published table: for every number printed, the best-known one of the same method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from statistics import fmean

from recbench.backbones.base import BACKBONES
from recbench.data.dataset import find_prepared
from recbench.data.prepared_folder import read_manifest
from recbench.errors import DataError, UsageError, unknown
from recbench.evaluation.metric import parse
from recbench.losses.base import LOSSES, refuse
from recbench.results.leaderboard_rows import Row
from recbench.results.published import OWNERS, Cell, Protocol, Published, cells
from recbench.results.published_row import Line, line_of
from recbench.results.record import RunRecord
from recbench.settings import Value, split_words

Place = tuple[str, str, str]  # dataset, split, fingerprint

MISCOUNTED = "what is prepared here has other counts of rows than the paper; `recbench prepare` says which"


@dataclass(frozen=True)
class Match:
    """One published number and what the board has for it."""

    table: Published
    line: Line
    row: int | None  # place on the board; None where the board has nothing


def against(
    rows: Sequence[Row], tables: Iterable[Published], records: Mapping[str, RunRecord]
) -> dict[Place, list[Match]]:
    """Return every cell of the tables for each version of its dataset on the board; `records` are the runs by digest.

    A row fits where loss, backbone, metric and feedback are those of the cell and, of metrics that rank candidates,
    which they are. Of several, the loss with the settings of the paper comes first, then what was trained on the
    paper's feedback, then more than one seed, then the best on validation: never the best on test.
    """
    board = _Board(rows, records)
    found: dict[Place, list[Match]] = {}
    for table in tables:
        every = list(cells(table))
        for place in board.places:
            matches = [_match(table, cell, every, place, board) for cell in every if cell.dataset == place[0]]
            if matches:
                found.setdefault(place, []).extend(matches)
    return found


def lines_against(
    rows: Sequence[Row], table: Published, records: Mapping[str, RunRecord], metrics: Sequence[str]
) -> list[Line]:
    """Return the lines of one table; `metrics` as for `board`. Raises UsageError if the table has none of them."""
    lines = [match.line for matches in against(rows, [table], records).values() for match in matches]
    known = {line.metric for line in lines}
    words = {f"{line.metric}/{line.feedback}" for line in lines}
    for name in metrics:
        if name not in known | words:
            raise unknown(f"metric of {table.name}", name, words if "/" in name else known)
    return [line for line in lines if not metrics or {line.metric, f"{line.metric}/{line.feedback}"} & set(metrics)]


def require_measured(table: Published, dataset: str | None, measured: Set[str]) -> None:
    """Raise UsageError, with what to type, unless one of the datasets of evaluated runs is of the table."""
    if dataset is not None and dataset not in table.datasets:
        raise unknown(f"dataset of {table.name}", dataset, table.datasets)
    wanted = [dataset] if dataset else list(table.datasets)
    if not measured & set(wanted):
        first = next(filter(_is_prepared, wanted), wanted[0])
        raise UsageError(
            f"nothing was measured on {', '.join(wanted)}; run `recbench reproduce {table.name} --dataset {first}`"
        )


def ranks_the_same(protocol: Protocol, signature: str) -> bool:
    """Return whether a number of this signature ranks the candidates of a table's protocol, if it ranks any."""
    words = dict(word.partition("=")[::2] for word in signature.split("; "))
    if "candidates" not in words:
        return True
    if protocol.candidates == "test":
        return words["candidates"] == "rows of the user"
    seen = "kept" if words.get("seen") == "kept" else "removed"
    exact = words.get("search") == "exact"
    return words["candidates"].startswith("catalogue") and seen == protocol.seen and exact


def metric_of(cell: Cell) -> str:
    """Return the metric of a cell as values have it: without its feedback."""
    return str(replace(parse(cell.metric), by=cell.by))


def impossible(loss: str, backbone: str) -> str:
    """Return why recbench cannot run a method, or ""."""
    if loss not in LOSSES.names() or backbone not in BACKBONES.names():
        return "recbench has no such method"
    try:
        refuse(LOSSES.get(loss), BACKBONES.get(backbone))
    except UsageError as error:
        return str(error)
    return ""


def reasons_for(table: Published, dataset: str, data: str, usual: str, miscounted: bool) -> list[str]:
    """Return why no number on `data` is the paper's on `usual`, both DATASET/SPLIT, as far as is known."""
    reasons = [*table.datasets[dataset].incomparable, *table.protocol.incomparable]
    if data != usual:
        reasons.append(f"measured on {data}, the table is of {usual}")
    if miscounted:
        reasons.append(MISCOUNTED)
    return reasons


class _Board:
    """Rows by what a cell asks for, and their runs."""

    def __init__(self, rows: Sequence[Row], records: Mapping[str, RunRecord]) -> None:
        self.rows = rows
        self.records = records
        self.held: dict[tuple[Place, tuple[str, ...]], list[int]] = {}
        for number, row in enumerate(rows):
            place = row["dataset"], row["split"], row["fingerprint"]
            asked = row["loss"], row["backbone"], row["metric"], row["feedback"]
            if row["mean"] is not None:
                self.held.setdefault((place, asked), []).append(number)
        self.places = {place: _miscounted(place) for place in dict.fromkeys(place for place, _ in self.held)}

    def fitting(self, table: Published, cell: Cell, every: Sequence[Cell], place: Place) -> list[int]:
        """Return the rows that may stand beside a cell: not those that are another method of the table."""
        asked = cell.loss, cell.backbone, metric_of(cell), cell.feedback
        others = [
            other
            for other in every
            if (other.loss, other.backbone, other.dataset) == (cell.loss, cell.backbone, cell.dataset)
        ]
        return [
            number
            for number in self.held.get((place, asked), [])
            if ranks_the_same(table.protocol, self.rows[number]["signature"])
            and (self.is_paper(cell, number) or not any(self.is_paper(other, number) for other in others))
        ]

    def is_paper(self, cell: Cell, number: int) -> bool:
        """Whether the loss of a row has the settings of the cell."""
        return _has_settings(cell, self.records[self.rows[number]["run"]])

    def promise(self, cell: Cell, trained_on: tuple[str, ...], number: int) -> tuple[bool, bool, bool, bool, float]:
        """Return by what the best-known row is chosen; of the values, only those on validation."""
        row = self.rows[number]
        runs = [self.records[digest] for digest in row["runs"]]
        return (
            self.is_paper(cell, number),
            tuple(row["trained_on"]) == trained_on,
            len(runs) > 1,
            all(run.select == cell.metric for run in runs),
            fmean(run.valid for run in runs),
        )


def _match(table: Published, cell: Cell, every: Sequence[Cell], place: Place, board: _Board) -> Match:
    data = f"{place[0]}/{place[1]}"
    reason = impossible(cell.loss, cell.backbone)
    if reason:
        return Match(table, line_of(table, cell, data, reasons=(reason,), absent="not in recbench"), None)
    fitting = board.fitting(table, cell, every, place)
    if not fitting:
        return Match(table, line_of(table, cell, data, absent="not run"), None)
    trained_on = _trained_on(table, cell)
    best = max(fitting, key=lambda number: board.promise(cell, trained_on, number))
    row = board.rows[best]
    usual = f"{cell.dataset}/{table.datasets[cell.dataset].split}"
    reasons = reasons_for(table, cell.dataset, data, usual, board.places[place])
    if tuple(row["trained_on"]) != trained_on:
        reasons.append(f"trained on {', '.join(row['trained_on'])}, the paper on {', '.join(trained_on)}")
    if not board.is_paper(cell, best):
        reasons.append("the loss has other settings than the paper's")
    line = line_of(
        table,
        cell,
        data,
        values=[value for value in row["values"] if value is not None],
        reasons=tuple(reasons),
        settings=tuple(filter(None, row["settings"].split(", "))),
        runs=tuple(row["runs"]),
    )
    return Match(table, line, best)


def _trained_on(table: Published, cell: Cell) -> tuple[str, ...]:
    """Return the feedback that a run has to be trained on: all of the table's where the loss takes several."""
    if LOSSES.get(cell.loss).multitask:
        return table.datasets[cell.dataset].feedback
    return (cell.by or cell.feedback,)


def _has_settings(cell: Cell, record: RunRecord) -> bool:
    """Whether the loss has the settings of the paper, and its defaults elsewhere."""
    wanted = {f"loss.{key}": word for key, word in split_words(list(cell.settings), OWNERS)["loss"].items()}
    changed = {name for name in record.non_default if name.startswith("loss.")}
    settings = record.key.settings
    return changed <= wanted.keys() and all(
        name in settings and _means(word, settings[name]) for name, word in wanted.items()
    )


def _means(word: str, value: Value) -> bool:
    if isinstance(value, bool | str):
        return word.lower() == str(value).lower()
    try:
        return float(word) == value
    except ValueError:
        return False


def _miscounted(place: Place) -> bool:
    """Whether these very data are prepared here and have other counts than the paper; unknown where they are not."""
    dataset, split, fingerprint = place
    try:
        manifest = read_manifest(find_prepared(f"{dataset}/{split}"))
    except (UsageError, DataError):
        return False
    return manifest["fingerprint"] == fingerprint and manifest["counts"]["matches"] is False


def _is_prepared(dataset: str) -> bool:
    try:
        find_prepared(dataset)
    except UsageError:
        return False
    return True
