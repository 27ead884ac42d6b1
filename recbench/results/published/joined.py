"""Several published tables of one paper as one: `gnolr/table2+11`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from recbench.errors import UsageError
from recbench.results.published.tables import (
    PublishedDataset,
    PublishedMethod,
    PublishedProtocol,
    PublishedTable,
    find_table,
)

SHARED = ("unit", "candidates", "seen", "seeds", "test_selected")  # of the protocol


def find(name: str) -> PublishedTable:
    """Return a table, or several of one paper as one, where their numbers joined by `+` are given.

    Raises UsageError with the nearest name if there is none, and for tables that do not go together.
    """
    if "+" not in name:
        return find_table(name)
    match = re.fullmatch(r"(?P<paper>[^+]+)/table(?P<numbers>[^/]+)", name)
    numbers = [number.removeprefix("table") for number in match["numbers"].split("+")] if match else []
    if match is None or len(set(numbers)) < len(numbers) or not all(numbers):
        raise UsageError(f"{name}: expected the numbers of different tables of one paper, as in gnolr/table2+11")
    return join([find_table(f"{match['paper']}/table{number}") for number in numbers])


def join(tables: Sequence[PublishedTable]) -> PublishedTable:
    """Return tables of one paper as one, on the datasets that all have.

    A method that stands in several has the number of the first. Raises UsageError, which says what differs, unless they
    share backbones, what is ranked and how it was chosen, and of the datasets split and feedback.
    """
    first = tables[0]
    for other in tables[1:]:
        differing = [name for name in SHARED if getattr(first.protocol, name) != getattr(other.protocol, name)]
        if {row.backbone for row in first.rows} != {row.backbone for row in other.rows}:
            differing.append("backbones")
        if differing:
            raise _apart(first, other, differing)
    common = [name for name in first.datasets if all(name in table.datasets for table in tables)]
    if not common:
        raise _apart(first, tables[1], ["datasets"])
    datasets = {name: _dataset(name, tables) for name in common}
    return replace(
        first,
        further=tuple(table.table for table in tables[1:]),
        section=_once([table.section for table in tables], ", "),
        title=_once([table.title for table in tables], "; "),
        compares=_once([table.compares for table in tables], "; "),
        notes=tuple(dict.fromkeys(note for table in tables for note in table.notes)),
        protocol=_protocol(tables),
        datasets=datasets,
        rows=tuple(_rows(tables, datasets)),
    )


def _apart(first: PublishedTable, other: PublishedTable, differing: Sequence[str]) -> UsageError:
    return UsageError(f"{first.name} and {other.name} differ in {', '.join(differing)}; take one after the other")


def _protocol(tables: Sequence[PublishedTable]) -> PublishedProtocol:
    protocols = [table.protocol for table in tables]
    return replace(
        protocols[0],
        split=_sentence({table.name: table.protocol.split for table in tables}),
        feedback=_sentence({table.name: table.protocol.feedback for table in tables}),
        definition=_sentence({table.name: table.protocol.definition for table in tables}),
        selection=_sentence({table.name: table.protocol.selection for table in tables}),
        backbone=_sentence({table.name: table.protocol.backbone for table in tables}),
        training=_sentence({table.name: table.protocol.training for table in tables}),
        metrics=tuple(dict.fromkeys(metric for protocol in protocols for metric in protocol.metrics)),
        incomparable=tuple(dict.fromkeys(reason for protocol in protocols for reason in protocol.incomparable)),
        logged=tuple(dict.fromkeys(best for protocol in protocols for best in protocol.logged)),
    )


def _sentence(by_table: Mapping[str, str]) -> str:
    """Return a sentence that all tables have in common, or that of each."""
    if len(set(by_table.values())) == 1:
        return next(iter(by_table.values()))
    return "; ".join(f"{name}: {sentence}" for name, sentence in by_table.items())


def _dataset(name: str, tables: Sequence[PublishedTable]) -> PublishedDataset:
    own = [table.datasets[name] for table in tables]
    for table, dataset in zip(tables, own, strict=True):
        if (dataset.split, dataset.feedback, dataset.rule) != (own[0].split, own[0].feedback, own[0].rule):
            raise _apart(tables[0], table, [f"split or feedback of {name}"])
    reasons = dict.fromkeys(reason for dataset in own for reason in dataset.incomparable)
    return replace(own[0], incomparable=tuple(reasons))


def _rows(tables: Sequence[PublishedTable], datasets: dict[str, PublishedDataset]) -> Iterator[PublishedMethod]:
    """Yield the rows of all tables, without what an earlier one has of the same method."""
    seen: set[tuple[str, str, str, str]] = set()
    for row in (row for table in tables for row in table.rows):
        values: dict[str, dict[str, Decimal]] = {}
        for dataset, by_metric in row.values.items():
            for metric, number in by_metric.items():
                cell = row.method, row.backbone, dataset, metric
                if dataset in datasets and cell not in seen:
                    values.setdefault(dataset, {})[metric] = number
                    seen.add(cell)
        if values:
            yield replace(row, values=values)


def _once(words: Sequence[str], between: str) -> str:
    return between.join(dict.fromkeys(words))
