"""What the manifest says of a prepared dataset: counts, rates, rules."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbench.data import labels, split
from recbench.data.catalog import Expect, Side, Spec
from recbench.data.entities import Entities
from recbench.data.rows import Rows

BEFORE_SPLIT = ("feedback is 0 or 1 by its expression",)
AFTER_SPLIT = (
    "feedback types are ordered from dense to sparse by their rate on train rows",
    "level is the highest feedback reached, also by rows that lack a denser one",
    "users and items are those of the log, the ones in train first, each group by raw key",
    "ids 1, 2, … are the sorted raw values of the entities in train, null being a value; 0 is unknown",
    "bags keep the values known from train, cut or padded with 0 to the longest bag in train",
    "numbers: id 1 is NaN or null, the rest are up to 50 right-closed buckets cut at the distinct percentiles "
    "2, 4, …, 98 of train rows; values beyond fall into the end buckets",
    "each part is in time order, ties by file order",
)


def options(spec: Spec, chosen: str, rows: int | None, seed: int) -> dict[str, Any]:
    """Return all that decides the result, apart from the files."""
    return {
        "split": chosen,
        "rows": rows,
        "seed": seed,
        "reader": spec.reader,
        "feedback": spec.feedback,
        "filter": spec.filter,
        "time": spec.time,
        "time_unit": spec.time_unit,
        "separator": spec.separator,
        "encoding": spec.encoding,
        "bag_separator": spec.bag_separator,
        "user": _side(spec.user),
        "item": _side(spec.item),
    }


def rules(spec: Spec, chosen: str) -> list[str]:
    """Return what was done, in order, as sentences."""
    kept = (f"rows are those of the log where {spec.filter}",) if spec.filter else ()
    return [*kept, *BEFORE_SPLIT, split.RULES[chosen], *AFTER_SPLIT]


def facts(spec: Spec, rows: Rows, users: Entities, items: Entities) -> dict[str, Any]:
    """Return counts, rates, thresholds, columns, bucket edges and time spans; times in the unit of the log."""
    rates = labels.level_rates(labels.level(rows.label[rows.of("train")]), len(rows.feedback))
    sides = {"users": users, "items": items}
    return {
        "feedback": list(rows.feedback),
        "rows": {part: int(rows.of(part).sum()) for part in split.PARTS},
        "rates": {part: _by_feedback(rows, rows.label[rows.of(part)].mean(0)) for part in split.PARTS},
        "level_rates": rates,
        "thresholds": labels.thresholds(rates),
        "truth": rows.truth is not None,
        "unnested": labels.unnested(rows.label),
        **{
            side: {
                "count": len(entity.keys),
                "keys": _keys(entity, columns),
                "seen": entity.seen,
                "columns": entity.columns,
            }
            for (side, entity), columns in zip(sides.items(), (spec.user, spec.item), strict=True)
        },
        "new": {
            part: {side: _new(entity, rows.of(part)) for side, entity in sides.items()} for part in ("valid", "test")
        },
        "time": None if rows.time is None else {part: _span(rows, part) for part in split.PARTS},
        "edges": {"user": users.edges, "item": items.edges},
        "counts": _counts(spec.expect, rows, users, items),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "key": side.key,
        "categorical": list(side.categorical),
        "numeric": list(side.numeric),
        "bag": list(side.bag),
    }


def _keys(entity: Entities, side: Side) -> int:
    """Return the number of distinct keys: fewer than entities where features vary from row to row."""
    return entity.keys[side.key].n_unique() if side.key else len(entity.keys)


def _by_feedback(rows: Rows, values: NDArray[np.generic]) -> dict[str, Any]:
    return dict(zip(rows.feedback, values.tolist(), strict=True))


def _new(entity: Entities, rows: NDArray[np.bool_]) -> dict[str, int]:
    held = entity.row[rows]
    new = held[held >= entity.seen]
    return {"distinct": len(np.unique(new)), "rows": len(new)}


def _span(rows: Rows, part: str) -> list[int]:
    assert rows.time is not None
    time = rows.time[rows.of(part)]
    return [int(time[0]), int(time[-1])]


def _counts(expect: Expect, rows: Rows, users: Entities, items: Entities) -> dict[str, Any]:
    sizes = {"rows": len(rows.part), "users": len(users.keys), "items": len(items.keys)}
    return compare(expect, sizes | _by_feedback(rows, rows.label.sum(0, dtype=np.int64)))


def compare(expect: Expect, found: dict[str, int]) -> dict[str, Any]:
    """Return the counts beside those of the catalogue; `matches` is None where it has none."""
    expected = {"rows": expect.rows, "users": expect.users, "items": expect.items} | (expect.positives or {})
    known = {name: count for name, count in expected.items() if count is not None}
    matches = all(found.get(name) == count for name, count in known.items()) if known else None
    return {"expected": known, "found": found, "matches": matches}
