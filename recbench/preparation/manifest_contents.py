"""The manifest of a prepared dataset made of what was counted: counts, rates, rules."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

import recbench
from recbench.data.manifest import HELD_OUT, PARTS, CountCheck, EntitySide, Manifest, Options
from recbench.preparation import labels
from recbench.preparation.entities import Entities
from recbench.preparation.row_counts import RowCounts
from recbench.preparation.splits.base import Split
from recbench.sources.dataset_spec import DatasetSpec, ExpectedCounts

BEFORE_SPLIT = ("feedback is 0 or 1 by its expression",)
AFTER_SPLIT = (
    "feedback types are ordered from dense to sparse by their rate on train rows",
    "level is the highest feedback reached, also by rows that lack a denser one",
    "users and items are those of the log, the ones in train first, each group by raw key, or by first appearance "
    "where several columns tell them apart",
    "ids 1, 2, … are the sorted raw values of the entities in train, null being a value; 0 is unknown",
    "bags keep the values known from train, cut or padded with 0 to the longest bag in train",
    "numbers: id 1 is NaN, null or infinite, the rest are up to 50 right-closed buckets cut at the distinct "
    "percentiles 2, 4, …, 98 of train rows; values beyond fall into the end buckets",
    "each part is in time order, ties by file order",
)


def options(spec: DatasetSpec, split: Split, rows: int | None) -> Options:
    """Return all that decides the result, apart from the files: what the catalogue says, but for size and split."""
    own: dict[str, Any] = {"split": split.name, "rows": rows, "seed": split.seed}
    own |= {name: getattr(split, name) if name in split.options else None for name in ("split_days", "split_date")}
    of_catalogue = {name: getattr(spec, name) for name in Options.__struct_fields__ if name not in own}
    return Options(**of_catalogue, **own)


def _filters(spec: DatasetSpec) -> Iterator[str]:
    if spec.filter:
        yield f"rows are those of the log where {spec.filter}"
    if spec.distinct:
        yield "only the first row of each user and item in time counts, or in the file where there is no time"
    if spec.complete:
        yield "rows of users and items that lack a feature are left out"
    if spec.known_users:
        yield f"rows of users on fewer than {spec.min_count} rows of the shipped train part are left out"
    if spec.core is not None:
        rounds = "until nothing changes" if spec.core.rounds is None else f"{spec.core.rounds} times"
        yield f"items with fewer than {spec.core.item} rows go, then users with fewer than {spec.core.user}, {rounds}"
    for name, side in (("user", spec.user), ("item", spec.item)):
        if side.file_time is not None:
            yield f"features of a row's {name} are those of {side.file} at the time of the row"
        if side.settled:
            yield (
                f"features of {name}s are the {side.changing} value that is not empty in the train rows of each, of "
                "those in no train row in their other rows"
            )
    if spec.weight is not None:
        yield f"each row weighs {spec.weight}, where training is asked to use that"
    if spec.min_count > 1:
        yield f"values of categorical features on fewer than {spec.min_count} train rows are unknown"


@dataclass(frozen=True)
class Built:
    """What is known once the tables and parts are written."""

    counts: RowCounts
    users: Entities
    items: Entities


def manifest(spec: DatasetSpec, split: Split, variant: str, built: Built, options: Options) -> Manifest:
    """Return the manifest of a folder called `variant`, without what is found out of its files afterwards."""
    counts = built.counts
    sides: dict[EntitySide, Entities] = {"users": built.users, "items": built.items}
    return Manifest(
        dataset=spec.name,
        split=variant,
        new_test_users=split.new_test_users,
        fingerprint="0" * 64,
        feedback=counts.feedback,
        rows={part: int(counts.rows[p]) for p, part in enumerate(PARTS)},
        rates={part: _by_feedback(counts, counts.rates(p)) for p, part in enumerate(PARTS)},
        level_rates=tuple(counts.level_rates),
        thresholds=tuple(labels.thresholds(counts.level_rates)),
        truth=counts.truth,
        unnested=counts.unnested,
        users=built.users.table,
        items=built.items.table,
        new={part: {side: counts.unseen(side, p) for side in sides} for p, part in enumerate(HELD_OUT, 1)},
        time=counts.spans,
        edges={"user": _edges(built.users), "item": _edges(built.items)},
        sources=(),
        absent=(),
        options=options,
        rules=(*_filters(spec), *BEFORE_SPLIT, split.rule, *AFTER_SPLIT),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=_versions(),
        **_of_catalogue(spec, _counts_by_name(built)),
    )


def about(spec: DatasetSpec, manifest: Manifest) -> Manifest:
    """Return the manifest with what the catalogue says now beside the options, without preparing again."""
    return msgspec.structs.replace(manifest, **_of_catalogue(spec, manifest.counts.found))


def _of_catalogue(spec: DatasetSpec, found: dict[str, int]) -> dict[str, Any]:
    """Return what is taken from the catalogue beside the options, with the counts that were `found`."""
    said = {name: getattr(spec, name) for name in ("title", "licence", "citation", "note", "aggregates")}
    return {**said, "counts": compare(spec.expect, found)}


def _edges(entities: Entities) -> dict[str, tuple[float, ...]]:
    return {it.column.name: tuple(it.edges.tolist()) for it in entities.encodings if it.edges is not None}


def _counts_by_name(built: Built) -> dict[str, int]:
    """Return the counts by which one can tell whether these are the complete data, the parts included."""
    counts = built.counts
    total, parts = int(counts.rows.sum()), counts.rows.tolist()
    sizes = {"rows": total, "users": built.users.count, "items": built.items.count}
    return sizes | _by_feedback(counts, counts.positives.sum(0)) | {"train": parts[0] + parts[1], "test": parts[2]}


def _by_feedback(counts: RowCounts, values: NDArray[np.generic]) -> dict[str, Any]:
    return dict(zip(counts.feedback, values.tolist(), strict=True))


def _versions() -> dict[str, str]:
    return {
        "recbench": recbench.__version__,
        "python": platform.python_version(),
        "polars": pl.__version__,
        "numpy": np.__version__,
    }


def compare(expect: ExpectedCounts, found: dict[str, int]) -> CountCheck:
    """Return the counts beside those of the catalogue; `matches` is None where it has none."""
    expected: dict[str, int | str | None] = {"rows": expect.rows, "users": expect.users, "items": expect.items}
    expected |= expect.positives or {}
    expected |= {"train": expect.train, "test": expect.test}
    known = {name: count for name, count in expected.items() if count is not None}
    matches = all(agrees(found.get(name, 0), count) for name, count in known.items()) if known else None
    return CountCheck(known, found, matches, expect.source)


def agrees(count: int, expected: int | str) -> bool:
    """Return whether a count is as expected, or is printed like that, as 2,131,000 is 2.13M."""
    if isinstance(expected, int):
        return count == expected
    number, unit = expected[:-1], expected[-1].upper()
    scale = {"K": 10**3, "M": 10**6}[unit]
    return abs(count - float(number) * scale) <= 0.5 * scale * 0.1 ** len(number.partition(".")[2])
