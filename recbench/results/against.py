"""The leaderboard beside a published table: for every number printed, the best-known one of the same method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean

from recbench.backbones.base import BACKBONES
from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_datasets import find_prepared, prepared_folders
from recbench.errors import DataError, UsageError, require_known
from recbench.losses.base import LOSSES, Loss, resolve, why_not
from recbench.results.leaderboard_rows import LeaderboardRow, require_metrics
from recbench.results.published.row import PublishedRow, published_row
from recbench.results.published.tables import OWNERS, PublishedCell, PublishedProtocol, PublishedTable, cells
from recbench.results.record import RunRecord
from recbench.settings import Value, split_words

DataVersion = tuple[str, str, str]  # dataset, split, fingerprint

MISCOUNTED = "the data prepared here have other counts of rows than the paper's; `recbench prepare` says which"


@dataclass(frozen=True)
class Match:
    """One published number and what the leaderboard has for it."""

    table: PublishedTable
    row: PublishedRow
    position: int | None  # of the row on the leaderboard; None where it has nothing


def match_tables(
    rows: Sequence[LeaderboardRow], tables: Iterable[PublishedTable], records: Mapping[str, RunRecord]
) -> dict[DataVersion, list[Match]]:
    """Return every cell of the tables for each version of its dataset on the leaderboard; `records` are by digest.

    A row fits where loss, backbone, metric and feedback are those of the cell and, of metrics that rank candidates,
    which they are. Of several, the loss with the settings of the paper comes first, then what was trained on the
    paper's feedback, then more than one seed, then the best on validation: never the best on test.
    """
    measured = _MeasuredRows(rows, records)
    matches: dict[DataVersion, list[Match]] = {}
    for table in tables:
        every = list(cells(table))
        for version in measured.versions:
            matched = [_match(table, cell, every, version, measured) for cell in every if cell.dataset == version[0]]
            if matched:
                matches.setdefault(version, []).extend(matched)
    return matches


def rows_beside(
    rows: Sequence[LeaderboardRow],
    table: PublishedTable,
    records: Mapping[str, RunRecord],
    metrics: Sequence[str],
) -> list[PublishedRow]:
    """Return the rows of one table; `metrics` as for `collect_rows`.

    Raises UsageError if the table has none of them.
    """
    published = [match.row for matches in match_tables(rows, [table], records).values() for match in matches]
    require_metrics(f"metric of {table.name}", metrics, ((row.metric, row.feedback) for row in published))
    return [row for row in published if not metrics or {row.metric, f"{row.metric}/{row.feedback}"} & set(metrics)]


def require_measured(table: PublishedTable, dataset: str | None, measured: Set[str]) -> None:
    """Raise UsageError, with what to type, unless one of the datasets of evaluated runs is of the table."""
    require_known(f"dataset of {table.name}", [dataset], table.datasets)
    datasets = [dataset] if dataset else list(table.datasets)
    if not measured & set(datasets):
        first = next(filter(_is_prepared, datasets), datasets[0])
        raise UsageError(
            f"nothing was measured on {', '.join(datasets)}; run `recbench reproduce {table.name} --dataset {first}`"
        )


def ranks_the_same(protocol: PublishedProtocol, signature: str) -> bool:
    """Return whether a number of this signature ranks the candidates of a table's protocol, if it ranks any."""
    words = dict(word.partition("=")[::2] for word in signature.split("; "))
    if "candidates" not in words:
        return True
    if protocol.candidates == "test":
        return words["candidates"] == "rows of the user"
    seen = "kept" if words.get("seen") == "kept" else "removed"
    exact = words.get("search") == "exact"
    return words["candidates"].startswith("catalogue") and seen == protocol.seen and exact


def impossible(loss: str, backbone: str, words: Sequence[str], feedback: Sequence[str]) -> str:
    """Return why recbench cannot run a method with these settings on what a table trains on, or ""."""
    if loss not in LOSSES.names() or backbone not in BACKBONES.names():
        return "recbench has no such method"
    kind = LOSSES.get(loss)
    _, of_loss = _loss_settings(kind, tuple(words))
    trained_on = feedback if kind.multitask else feedback[:1]
    return why_not(kind, BACKBONES.get(backbone), of_loss, trained_on) or ""


def reasons_for(table: PublishedTable, dataset: str, data: str, usual: str, miscounted: bool) -> list[str]:
    """Return why no number on `data` is the paper's on `usual`, both DATASET/SPLIT, as far as is known."""
    reasons = [*table.incomparable(dataset)]
    if data != usual:
        reasons.append(f"measured on {data}; the paper's data are {usual}")
    if miscounted:
        reasons.append(MISCOUNTED)
    return reasons


class _MeasuredRows:
    """Rows of the leaderboard by what a published cell needs, and their runs."""

    def __init__(self, rows: Sequence[LeaderboardRow], records: Mapping[str, RunRecord]) -> None:
        self.rows = rows
        self.records = records
        self.positions: dict[tuple[DataVersion, tuple[str, ...]], list[int]] = {}
        for position, row in enumerate(rows):
            if row.mean is not None:
                key = row.column[:3], (row.loss, row.backbone, row.metric, row.feedback)
                self.positions.setdefault(key, []).append(position)
        versions = dict.fromkeys(version for version, _ in self.positions)
        prepared = {(folder.parent.name, folder.name): folder for folder in prepared_folders()}
        self.versions = {version: _miscounted(version, prepared.get(version[:2])) for version in versions}

    def fitting(
        self, table: PublishedTable, cell: PublishedCell, every: Sequence[PublishedCell], version: DataVersion
    ) -> list[int]:
        """Return the positions of rows that may stand beside a cell: not of rows that are another of its methods."""
        key = version, (cell.loss, cell.backbone, cell.measured_as, cell.feedback)
        same_method = [
            other
            for other in every
            if (other.loss, other.backbone, other.dataset) == (cell.loss, cell.backbone, cell.dataset)
        ]
        return [
            position
            for position in self.positions.get(key, [])
            if ranks_the_same(table.protocol, self.rows[position].signature)
            and (
                self.has_settings_of(cell, position)
                or not any(self.has_settings_of(other, position) for other in same_method)
            )
        ]

    def has_settings_of(self, cell: PublishedCell, position: int) -> bool:
        """Whether the loss of a row has the settings of the cell."""
        return _has_settings(cell, self.records[self.rows[position].run])

    def preference(
        self, cell: PublishedCell, trained_on: tuple[str, ...], position: int
    ) -> tuple[bool, bool, bool, bool, float]:
        """Return by what the best-known row is chosen; of the values, only those on validation."""
        row = self.rows[position]
        runs = [self.records[digest] for digest in row.runs]
        return (
            self.has_settings_of(cell, position),
            tuple(row.trained_on) == trained_on,
            len(runs) > 1,
            all(run.select == cell.metric for run in runs),
            fmean(run.valid for run in runs),
        )


def _match(
    table: PublishedTable,
    cell: PublishedCell,
    every: Sequence[PublishedCell],
    version: DataVersion,
    measured: _MeasuredRows,
) -> Match:
    data = f"{version[0]}/{version[1]}"
    reason = impossible(cell.loss, cell.backbone, cell.settings, table.datasets[cell.dataset].feedback)
    if reason:
        published = published_row(table, cell, data, reasons=(reason,), without_values="not in recbench")
        return Match(table, published, None)
    fitting = measured.fitting(table, cell, every, version)
    if not fitting:
        return Match(table, published_row(table, cell, data, without_values="not run"), None)
    trained_on = _trained_on(table, cell)
    best = max(fitting, key=lambda position: measured.preference(cell, trained_on, position))
    row = measured.rows[best]
    usual = table.datasets[cell.dataset].data(cell.dataset)
    reasons = reasons_for(table, cell.dataset, data, usual, measured.versions[version])
    if tuple(row.trained_on) != trained_on:
        reasons.append(f"trained here on {', '.join(row.trained_on)}, in the paper on {', '.join(trained_on)}")
    if not measured.has_settings_of(cell, best):
        reasons.append("the loss has other settings than in the paper")
    published = published_row(
        table,
        cell,
        data,
        values=[value for value in row.values if value is not None],
        reasons=tuple(reasons),
        settings=tuple(filter(None, row.settings.split(", "))),
        runs=tuple(row.runs),
    )
    return Match(table, published, best)


def _trained_on(table: PublishedTable, cell: PublishedCell) -> tuple[str, ...]:
    """Return the feedback that a run has to be trained on: all of the table's where the loss takes several."""
    if LOSSES.get(cell.loss).multitask:
        return table.datasets[cell.dataset].feedback
    return (cell.by or cell.feedback,)


def _has_settings(cell: PublishedCell, record: RunRecord) -> bool:
    """Whether the loss has the settings of the paper, its defaults elsewhere, and its own sampler."""
    words, of_paper = _loss_settings(LOSSES.get(cell.loss), tuple(cell.settings))
    settings = record.key.settings
    return not any(name.startswith("sampler.") for name in record.non_default) and all(
        settings.get(f"loss.{name}", None if name in words else value) == value for name, value in of_paper.items()
    )


@cache  # asked for every row of the board that may stand beside a cell
def _loss_settings(loss: type[Loss], words: tuple[str, ...]) -> tuple[Set[str], Mapping[str, Value]]:
    """Return the settings of a loss that are named, and the values of all of them."""
    named = split_words(list(words), OWNERS)["loss"]
    return named.keys(), resolve(loss, named)


def _miscounted(version: DataVersion, prepared: Path | None) -> bool:
    """Whether these very data are prepared in a folder and have other counts than the paper; unknown without one."""
    if prepared is None:
        return False
    try:
        manifest = read_manifest(prepared)
    except DataError:
        return False
    return manifest.fingerprint == version[2] and manifest.counts.matches is False


def _is_prepared(dataset: str) -> bool:
    try:
        find_prepared(dataset)
    except UsageError:
        return False
    return True
