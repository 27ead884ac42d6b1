"""Where every number comes from, as the JSON block that the page reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recbench.results.leaderboard_rows import Row
from recbench.results.page.tables import Section
from recbench.results.record import RunRecord


class _Places(dict[Any, int]):
    """Gives each value a place, in the order of their coming."""

    def __missing__(self, value: Any) -> int:
        self[value] = len(self)
        return self[value]


def details(rows: Sequence[Row], records: Mapping[str, RunRecord], sections: Sequence[Section]) -> dict[str, Any]:
    """Return a JSON object in which lists refer to one another by place, so that nothing is written twice.

    `cells` follow the rows of the board; each names its `signatures`, its `methods` and its `runs`; a run names its
    `versions`. `sections` hold the columns of the charts, their cells best first.
    """
    signatures, versions, groups = _Places(), _Places(), _Places()
    digests = _Places()
    cells = [
        {
            "metric": row["metric"],
            "feedback": row["feedback"],
            "signature": signatures[row["signature"]],
            "mean": row["mean"],
            "sd": row["sd"],
            "values": row["values"],
            "method": groups[records[row["run"]].key.group],
            "runs": [digests[digest] for digest in row["runs"]],
        }
        for row in rows
    ]
    labels = {records[row["run"]].key.group: row["settings"] for row in rows}
    of_group = {records[row["run"]].key.group: records[row["run"]] for row in rows}
    return {
        "cells": cells,
        "signatures": list(signatures),
        "methods": [_method(of_group[group], labels[group]) for group in groups],
        "runs": [_run(records[digest], versions) for digest in digests],
        "versions": [dict(pairs) for pairs in versions],
        "sections": [_section(section) for section in sections],
    }


def _method(record: RunRecord, label: str) -> dict[str, Any]:
    key = record.key
    return {
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


def _run(record: RunRecord, versions: _Places) -> dict[str, Any]:
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


def _section(section: Section) -> dict[str, Any]:
    return {
        "columns": [
            {
                "name": f"{column.metric} ({column.letter})",
                "feedback": table.feedback,
                "metric": column.metric,
                "lower": column.lower_is_better,
                "cells": [number.cell for number in table.of_column(column)],
            }
            for table in section.tables.values()
            for column in table.columns
        ]
    }
