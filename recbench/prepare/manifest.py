"""What the manifest says of a prepared dataset: counts, rates, rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.prepare import labels, split
from recbench.prepare.entities import Entities
from recbench.prepare.row_counts import RowCounts
from recbench.prepare.split import PARTS
from recbench.sources.dataset_spec import DatasetSpec, ExpectedCounts, Side

LATER_OPTIONS: dict[
    str, Any
] = {  # with the value that leaves them out, so that what was prepared before them is still known
    "time_format": None,
    "time_zone": None,
    "quote": '"',
    "decimal": ".",
    "null_values": [],
}
BEFORE_SPLIT = ("feedback is 0 or 1 by its expression",)
AFTER_SPLIT = (
    "feedback types are ordered from dense to sparse by their rate on train rows",
    "level is the highest feedback reached, also by rows that lack a denser one",
    "users and items are those of the log, the ones in train first, each group by raw key, or by first appearance "
    "where several columns tell them apart",
    "ids 1, 2, … are the sorted raw values of the entities in train, null being a value; 0 is unknown",
    "bags keep the values known from train, cut or padded with 0 to the longest bag in train",
    "numbers: id 1 is NaN or null, the rest are up to 50 right-closed buckets cut at the distinct percentiles "
    "2, 4, …, 98 of train rows; values beyond fall into the end buckets",
    "each part is in time order, ties by file order",
)


def options(spec: DatasetSpec, chosen: str, rows: int | None, seed: int) -> dict[str, Any]:
    """Return all that decides the result, apart from the files."""
    later = {name: getattr(spec, name) for name in LATER_OPTIONS} | {"null_values": list(spec.null_values)}
    return {
        "split": chosen,
        "rows": rows,
        "seed": seed,
        "rule": spec.rule,
        "reader": spec.reader,
        "feedback": spec.feedback,
        "filter": spec.filter,
        "distinct": spec.distinct,
        "complete": spec.complete,
        "core": None if spec.core is None else asdict(spec.core),
        "min_count": spec.min_count,
        "known_users": spec.known_users,
        "ratio": list(spec.ratio),
        "rounding": spec.rounding,
        "time": spec.time,
        "time_unit": spec.time_unit,
        "columns": list(spec.columns),
        "types": spec.types,
        "separator": spec.separator,
        "encoding": spec.encoding,
        "bag_separator": spec.bag_separator,
        "user": _side(spec.user),
        "item": _side(spec.item),
        **{name: value for name, value in later.items() if value != LATER_OPTIONS[name]},
    }


def rules(spec: DatasetSpec, chosen: str) -> list[str]:
    """Return what was done, in order, as sentences."""
    return [*_filters(spec), *BEFORE_SPLIT, split.rule(chosen, spec.ratio, spec.rounding), *AFTER_SPLIT]


def _filters(spec: DatasetSpec) -> Iterator[str]:
    if spec.filter:
        yield f"rows are those of the log where {spec.filter}"
    if spec.distinct:
        yield "only the first row of each user and item counts"
    if spec.complete:
        yield "rows of users and items that lack a feature are left out"
    if spec.known_users:
        yield f"rows of users on fewer than {spec.min_count} rows of the shipped train part are left out"
    if spec.core is not None:
        rounds = "until nothing changes" if spec.core.rounds is None else f"{spec.core.rounds} times"
        yield f"items with fewer than {spec.core.item} rows go, then users with fewer than {spec.core.user}, {rounds}"
    if spec.min_count > 1:
        yield f"values of categorical features on fewer than {spec.min_count} train rows are unknown"


def facts(spec: DatasetSpec, counts: RowCounts, users: Entities, items: Entities) -> dict[str, Any]:
    """Return counts, rates, thresholds, columns, bucket edges and time spans; times in the unit of the log."""
    sides = {"users": users, "items": items}
    return {
        "feedback": list(counts.feedback),
        "rows": {part: int(counts.rows[p]) for p, part in enumerate(PARTS)},
        "rates": {part: _by_feedback(counts, counts.rates(p)) for p, part in enumerate(PARTS)},
        "level_rates": counts.level_rates,
        "thresholds": labels.thresholds(counts.level_rates),
        "truth": counts.truth,
        "unnested": counts.unnested,
        **{
            side: {
                "count": entity.count,
                "keys": entity.keys,
                "seen": entity.seen,
                "columns": [column.told for column in entity.columns],
            }
            for side, entity in sides.items()
        },
        "new": {part: {side: counts.new(side, p) for side in sides} for p, part in enumerate(PARTS) if part != "train"},
        "time": counts.spans,
        "edges": {side: _edges(entity) for side, entity in (("user", users), ("item", items))},
        "counts": compare(spec.expect, _found(counts, users, items)),
    }


def _edges(entity: Entities) -> dict[str, list[float]]:
    return {column.name: column.edges.tolist() for column in entity.columns if column.edges is not None}


def _found(counts: RowCounts, users: Entities, items: Entities) -> dict[str, int]:
    """Return the counts by which one can tell whether these are the complete data, the parts included."""
    total, parts = int(counts.rows.sum()), counts.rows.tolist()
    sizes = {"rows": total, "users": users.count, "items": items.count}
    return sizes | _by_feedback(counts, counts.positives.sum(0)) | {"train": parts[0] + parts[1], "test": parts[2]}


def _side(side: Side) -> dict[str, Any]:
    return {
        "key": side.key,
        "categorical": list(side.categorical),
        "numeric": list(side.numeric),
        "bag": list(side.bag),
        "vector": list(side.vector),
    }


def _by_feedback(counts: RowCounts, values: NDArray[np.generic]) -> dict[str, Any]:
    return dict(zip(counts.feedback, values.tolist(), strict=True))


def compare(expect: ExpectedCounts, found: dict[str, int]) -> dict[str, Any]:
    """Return the counts beside those of the catalogue; `matches` is None where it has none."""
    expected: dict[str, int | str | None] = {"rows": expect.rows, "users": expect.users, "items": expect.items}
    expected |= expect.positives or {}
    expected |= {"train": expect.train, "test": expect.test}
    known = {name: count for name, count in expected.items() if count is not None}
    matches = all(fits(found.get(name, 0), count) for name, count in known.items()) if known else None
    return {"expected": known, "found": found, "matches": matches, "source": expect.source}


def fits(count: int, expected: int | str) -> bool:
    """Return whether a count is as expected, or is printed like that, as 2,131,000 is 2.13M."""
    if isinstance(expected, int):
        return count == expected
    number, unit = expected[:-1], expected[-1].upper()
    scale = {"K": 10**3, "M": 10**6}[unit]
    return abs(count - float(number) * scale) <= 0.5 * scale * 0.1 ** len(number.partition(".")[2])
