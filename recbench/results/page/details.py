"""Where every number comes from, as the JSON block that the page reads."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recbench.results.leaderboard_rows import Column, LeaderboardRow, Method
from recbench.results.leaderboard_tables import DatasetTables
from recbench.results.matrix.methods_by_datasets import Cell, Matrix
from recbench.results.matrix.pairwise_wins import MOST, NOBODY, PairwiseWins, note_of_left, pairwise_wins, wins_notes
from recbench.results.matrix.rank_block import rank_block
from recbench.results.record import Epoch, RunRecord

DIGITS = 6  # of numbers: finer is neither shown nor drawn
POINTS = 60  # of a curve at most


class _Positions(dict[Any, int]):
    """Gives each new value the next position."""

    def __missing__(self, value: Any) -> int:
        self[value] = len(self)
        return self[value]


def details(
    rows: Sequence[LeaderboardRow], records: Mapping[str, RunRecord], datasets: Sequence[DatasetTables]
) -> dict[str, Any]:
    """Return a JSON object in which lists refer to one another by position, so that nothing is written twice.

    `cells` follow the rows of the leaderboard; each names its `definitions` (metric, feedback, signature), its
    `methods` and its `runs`; a run names its `places` (device, commit, versions) and the `epochs` of its curve.
    `compared` has, of cells that a test compared with the best of their column, the interval of the difference, and
    whether it does not tell them apart. `sections` hold the columns of the charts, their cells best first. Methods
    refer to the names and values in `settings`. Lists of objects are as `compact` returns them.
    """
    definitions, places, groups, digests, epochs, settings = (_Positions() for _ in range(6))
    cells = [
        {
            "definition": definitions[row.metric, row.feedback, row.signature],
            "mean": _rounded(row.mean),
            "sd": _rounded(row.sd),
            "values": [_rounded(value) for value in row.values],
            "chosen": int(row.chosen),
            "method": groups[records[row.run].key.group],
            "runs": [digests[digest] for digest in row.runs],
        }
        for row in rows
    ]
    first = {records[row.run].key.group: row for row in rows}
    positions = {(row.method, row.column): position for position, row in enumerate(rows)}
    section_of = {dataset.place: number for number, dataset in enumerate(datasets)}
    return {
        "cells": compact(cells),
        "definitions": compact([dict(zip(("metric", "feedback", "signature"), d, strict=True)) for d in definitions]),
        "methods": compact(
            [_method(records[first[group].run], first[group].settings, section_of, settings) for group in groups],
            shared=("backbone", "trained_on", "changed", "sources", "data", "fingerprint"),
        ),
        "runs": compact([_run(records[digest], places, epochs) for digest in digests], shared=("select", "notes")),
        "places": [
            {"device": device, "commit": commit, "dirty": dirty, "versions": dict(pairs)}
            for device, commit, dirty, pairs in places
        ],
        "epochs": list(epochs),
        "settings": [[name, value] for name, value, _ in settings],
        "sections": [{"columns": _columns(dataset, positions)} for dataset in datasets],
        "compared": {
            position: [_rounded(row.to_best_low), _rounded(row.to_best_high), int(row.best)]
            for position, row in enumerate(rows)
            if row.compared
        },
    }


def compact(objects: Sequence[dict[str, Any]], shared: Collection[str] = ()) -> dict[str, Any]:
    """Return objects of equal fields as a table, a third of their size as JSON: names once, values in their order.

    Of a `shared` field, `values` has each value once, and an object its place there.
    """
    fields = list(objects[0]) if objects else []
    places: dict[str, dict[str, int]] = {name: {} for name in fields if name in shared}
    rows = [
        [
            places[name].setdefault(json.dumps(one[name]), len(places[name])) if name in places else one[name]
            for name in fields
        ]
        for one in objects
    ]
    values = {name: [json.loads(value) for value in of_field] for name, of_field in places.items()}
    return {"fields": fields, "rows": rows, "values": values}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _method(
    record: RunRecord, label: str, section_of: Mapping[tuple[str, str, str], int], settings: _Positions
) -> dict[str, Any]:
    key = record.key
    return {
        "name": key.method,
        "loss": key.loss,
        "backbone": key.backbone,
        "label": label,
        "trained_on": list(key.feedback),
        "settings": [settings[name, value, type(value)] for name, value in key.settings.items()],  # True is not 1
        "changed": list(record.non_default),
        "sources": dict(key.sources),
        "data": key.data,
        "fingerprint": key.fingerprint,
        "section": section_of[key.place],
    }


def _run(record: RunRecord, places: _Positions, epochs: _Positions) -> dict[str, Any]:
    curve = _curve(record)
    return {
        "run": record.key.digest,
        "seed": record.key.seed,
        "select": record.selected_by,
        "valid": _rounded(record.valid),
        "best_epoch": record.best_epoch,
        "of_epochs": record.epochs,
        "epochs": epochs[tuple(epoch["epoch"] for epoch in curve)],
        "curve": [float(f"{epoch['metric']:.4g}") for epoch in curve],
        "seconds": round(record.seconds, 3),
        "memory": round(record.peak_memory_mib),
        "command": record.command,
        "finished": record.finished[:19],
        "place": places[record.device_name, record.commit, record.dirty, tuple(record.versions.items())],
        "notes": record.notes,
    }


def _curve(record: RunRecord) -> list[Epoch]:
    """Return about POINTS validations at most, the first, the last and the best among them."""
    every = -(-len(record.curve) // POINTS)
    last = len(record.curve) - 1
    return [
        epoch
        for place, epoch in enumerate(record.curve)
        if place % every == 0 or place == last or epoch["epoch"] == record.best_epoch
    ]


def _columns(dataset: DatasetTables, positions: Mapping[tuple[Method, Column], int]) -> list[dict[str, Any]]:
    return [
        {
            "name": dataset.heading(column),
            "feedback": table.feedback,
            "metric": column.metric,
            "lower": column.lower_is_better,
            "cells": [positions[row.method, column] for row in rows],
        }
        for table in dataset.tables.values()
        for column, rows in table.columns.items()
    ]


def matrix_details(
    matrices: Sequence[Matrix], positions: Mapping[tuple[Method, Column], int], datasets: Sequence[DatasetTables]
) -> list[dict[str, Any]]:
    """Return the matrices that compare something: of two methods and two columns or more.

    A cell is the position of its number, its rank, the difference to the best baseline, its interval, the verdict and
    the position of that baseline among those of the column, one or two, as what learned from validation rows too is
    compared with baselines that did.
    """
    sections = {dataset.place: number for number, dataset in enumerate(datasets)}
    return [
        _matrix(matrix, positions, sections)
        for matrix in matrices
        if len(matrix.columns) > 1 and len(matrix.methods) > 1
    ]


def _matrix(
    matrix: Matrix, positions: Mapping[tuple[Method, Column], int], sections: Mapping[tuple[str, str, str], int]
) -> dict[str, Any]:
    methods, block, wins = matrix.methods, rank_block(matrix), pairwise_wins(matrix)
    baselines = [
        list(dict.fromkeys(cell.baseline for cell in column.cells.values() if cell.baseline))
        for column in matrix.columns
    ]
    return {
        "metric": matrix.metric,
        "words": block.words if block else "",
        "critical": block.test.critical if block and block.test and block.test.real else None,
        "wins": _wins(wins, methods) if wins else None,
        "wins_words": [*wins_notes(wins), *note_of_left(wins)] if wins else [NOBODY],
        "columns": [
            {
                "title": column.title,
                "feedback": column.column.feedback,
                "section": sections[column.column[:3]],
                "baselines": names,
                "refitted": sorted(map(methods.index, column.refitted)),
            }
            for column, names in zip(matrix.columns, baselines, strict=True)
        ],
        "methods": [
            {
                "name": name,
                "rank": round(block.mean_ranks[name], 3) if block and name in block.mean_ranks else None,
                "cells": [
                    _cell(column.cells.get(name), positions, names)
                    for column, names in zip(matrix.columns, baselines, strict=True)
                ],
            }
            for name in methods
        ],
    }


def _wins(wins: PairwiseWins, methods: Sequence[str]) -> dict[str, Any]:
    """Return the places among all `methods`, and of each pair: wins, comparisons, wins beyond chance, tests."""
    names = wins.methods[:MOST]

    def against(one: str, other: str) -> list[int] | None:
        found = wins.against.get((one, other))
        if found is None:
            return None
        return [found.better, found.of, *([found.sure, found.tested] if found.tested else [])]

    return {
        "methods": [methods.index(name) for name in names],
        "cells": [[against(one, other) for other in names] for one in names],
    }


def _cell(
    cell: Cell | None, positions: Mapping[tuple[Method, Column], int], baselines: Sequence[str]
) -> list[Any] | None:
    if cell is None:
        return None
    if cell.difference is None:
        return [positions[cell.row.method, cell.row.column], cell.rank]
    low, high = (round(end, 4) for end in cell.interval) if cell.interval else (None, None)
    place = baselines.index(cell.baseline)
    return [
        positions[cell.row.method, cell.row.column],
        cell.rank,
        round(cell.difference, 4),
        low,
        high,
        cell.verdict,
        place,
    ]
