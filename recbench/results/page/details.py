"""Where every number comes from, as the JSON block that the page reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recbench.results.leaderboard_rows import Column, LeaderboardRow, Method
from recbench.results.leaderboard_tables import DatasetTables
from recbench.results.record import RunRecord


class _Positions(dict[Any, int]):
    """Gives each new value the next position."""

    def __missing__(self, value: Any) -> int:
        self[value] = len(self)
        return self[value]


def details(
    rows: Sequence[LeaderboardRow], records: Mapping[str, RunRecord], datasets: Sequence[DatasetTables]
) -> dict[str, Any]:
    """Return a JSON object in which lists refer to one another by position, so that nothing is written twice.

    `cells` follow the rows of the leaderboard; each names its `signatures`, its `methods` and its `runs`; a run names
    its `versions`. `sections` hold the columns of the charts, their cells best first.
    """
    signatures, versions, groups, digests = _Positions(), _Positions(), _Positions(), _Positions()
    cells = [
        {
            "metric": row.metric,
            "feedback": row.feedback,
            "signature": signatures[row.signature],
            "mean": row.mean,
            "sd": row.sd,
            "values": row.values,
            "chosen": row.chosen,
            "method": groups[records[row.run].key.group],
            "runs": [digests[digest] for digest in row.runs],
        }
        for row in rows
    ]
    first = {records[row.run].key.group: row for row in rows}
    positions = {(row.method, row.column): position for position, row in enumerate(rows)}
    return {
        "cells": cells,
        "signatures": list(signatures),
        "methods": [_method(records[first[group].run], first[group].settings) for group in groups],
        "runs": [_run(records[digest], versions) for digest in digests],
        "versions": [dict(pairs) for pairs in versions],
        "sections": [{"columns": _columns(dataset, positions)} for dataset in datasets],
    }


def _method(record: RunRecord, label: str) -> dict[str, Any]:
    key = record.key
    return {
        "name": key.method,
        "loss": key.loss,
        "backbone": key.backbone,
        "label": label,
        "trained_on": list(key.feedback),
        "settings": dict(key.settings),
        "changed": list(record.non_default),
        "sources": dict(key.sources),
        "data": key.data,
        "fingerprint": key.fingerprint,
    }


def _run(record: RunRecord, versions: _Positions) -> dict[str, Any]:
    return {
        "run": record.key.digest,
        "seed": record.key.seed,
        "select": record.selected_by,
        "best_epoch": record.best_epoch,
        "curve": [[epoch["epoch"], round(epoch["metric"], 6)] for epoch in record.curve],  # finer cannot be drawn
        "seconds": record.seconds,
        "memory": record.peak_memory_mib,
        "device": record.device_name,
        "command": record.command,
        "commit": record.commit,
        "dirty": record.dirty,
        "finished": record.finished,
        "versions": versions[tuple(record.versions.items())],
        "notes": record.notes,
    }


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
