"""The leak certificate: what of the test rows has found its way into the rest, recounted from the stored Parquet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from recbench.data.content import how_to_repair, verify_files
from recbench.data.manifest import PARTS, SIDES, EntitySide, Finding, Manifest, Part
from recbench.data.manifest_file import manifest_path, read_manifest
from recbench.errors import DataError, count_of, first_few
from recbench.preparation.buckets import FIRST, PERCENTILES
from recbench.preparation.recount import Counts, PartCounts, columns_of, count_ids, count_part, shared_with_train
from recbench.preparation.splits.base import split_of

SLACK = 2  # rows by which a bucket may be off, since percentiles fall between rows
CLOSE = 1e-12
STYLES = {"ok": "green", "note": "yellow", "broken": "bold red"}

Numbers = dict[str, int | float]
PartsCounted = Mapping[Part, PartCounts]
IdRows = Mapping[EntitySide, Mapping[str, Counts]]  # train rows of each id of each feature, [ids]


def check_folder(folder: Path) -> list[Finding]:
    """Check that every file of a prepared folder is as it was written, then look for leaks as `certify` does.

    Raises DataError if a file is missing or damaged.
    """
    manifest = read_manifest(folder)
    verify_files(folder, manifest.files)
    message = f"all {len(manifest.files)} files are as they were written"
    return [Finding("files", "ok", message, {"files": len(manifest.files)}), *certify(folder, manifest)]


def certify(folder: Path, manifest: Manifest) -> list[Finding]:
    """Check a prepared folder for leaks; memory grows with the users, items and values, not with the rows.

    Raises DataError if a file is missing or damaged.
    """
    try:
        parts = {part: count_part(folder, part, manifest) for part in PARTS}
        id_rows = {side: count_ids(folder, side, manifest, getattr(parts["train"], side)) for side in SIDES}
    except MemoryError:  # whatever the tables hold, the manifest says how many there are of what is counted
        reason = "more users, items or ids of a feature than memory can hold"
        raise DataError(f"{manifest_path(folder)}: damaged ({reason}); {how_to_repair(folder)}") from None
    return [
        _time_order(folder, manifest, parts),
        _entity_tables(manifest, parts["train"]),
        _new_entities(parts),
        _repeated_rows(folder, manifest, parts),
        _repeated_pairs(folder, manifest, parts),
        _vocabularies(manifest, id_rows),
        _bucket_edges(manifest, id_rows),
        _rates(manifest, parts["train"]),
        _aggregates(manifest),
        *split_of(manifest.options).further_findings(parts),
    ]


def broken(findings: Iterable[Finding]) -> bool:
    """Return whether any rule is broken."""
    return any(finding.status == "broken" for finding in findings)


def findings_table(findings: Iterable[Finding]) -> Table:
    """Return the findings as a table for a rich console."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    grid.add_column("rule", no_wrap=True)
    grid.add_column("status", no_wrap=True)
    grid.add_column("what was found", overflow="fold")
    for finding in findings:
        grid.add_row(finding.rule, Text(finding.status, STYLES[finding.status]), Text(finding.message))
    return grid


def _time_order(folder: Path, manifest: Manifest, parts: PartsCounted) -> Finding:
    if manifest.time is None:
        return Finding("time order", "ok", "the log has no time, so there is no order to keep", {})
    return split_of(manifest.options).check_time_order(folder, manifest, parts)


def _entity_tables(manifest: Manifest, train: PartCounts) -> Finding:
    """The first `seen` rows of the entity tables are exactly the users and items in train."""
    wrong: Numbers = {}
    for side in SIDES:
        rows: Counts = getattr(train, side)
        wrong[side] = int(((rows > 0) != (np.arange(len(rows)) < manifest.entities(side).seen)).sum())
    seen = f"the first {manifest.users.seen:,} users and {manifest.items.seen:,} items of the tables"
    if any(wrong.values()):
        message = (
            f"{seen} are not those in train: {wrong['users']:,} users and {wrong['items']:,} items are out of place"
        )
        return Finding("entity tables", "broken", message, wrong)
    return Finding("entity tables", "ok", f"{seen} are exactly those in train", wrong)


def _new_entities(parts: PartsCounted) -> Finding:
    """Users and items of valid and test that train lacks: they have no vector of their own."""
    numbers: Numbers = {}
    by_part = []
    for part in PARTS[1:]:
        by_side = []
        for side in SIDES:
            rows = np.where(getattr(parts["train"], side) == 0, getattr(parts[part], side), 0)
            distinct, on_rows = int((rows > 0).sum()), int(rows.sum())
            numbers |= {f"{part}_{side}": distinct, f"{part}_{side}_rows": on_rows}
            by_side.append(f"{distinct:,} {side} on {on_rows:,} rows ({on_rows / max(1, parts[part].rows):.2%})")
        by_part.append(f"{' and '.join(by_side)} in {part}")
    if not any(numbers.values()):
        return Finding("new entities", "ok", "all users and items of valid and test are in train", numbers)
    return Finding("new entities", "note", f"not in train: {'; '.join(by_part)}", numbers)


def _repeated_rows(folder: Path, manifest: Manifest, parts: PartsCounted) -> Finding:
    """Rows of valid and test that stand in train too, feedback included."""
    train, valid, test = (parts[part] for part in PARTS)
    timed = manifest.time is not None
    rows = valid.users + test.users
    users = (train.users > 0) & (rows > 0)
    if timed:  # of the others no row can have the time of a train row
        users &= train.last >= np.minimum(valid.first, test.first)
    columns = ["user", "item", *manifest.feedback, *(["timestamp"] if timed else [])]
    *_, repeated = shared_with_train(folder, columns, PARTS[1:], users, int(rows[users].sum()))
    what = "same user, item, time and feedback" if timed else "same user, item and feedback"
    message = f"{count_of(repeated, valid.rows + test.rows, 'valid and test rows')} repeat a train row: {what}"
    return Finding("repeated rows", "note" if repeated else "ok", message, {"rows": repeated})


def _repeated_pairs(folder: Path, manifest: Manifest, parts: PartsCounted) -> Finding:
    """Pairs of user and item that are positive, by any feedback, both in train and in test."""
    rows = int(parts["test"].reached[0])
    shared, pairs, _ = shared_with_train(
        folder, ["user", "item"], ("test",), parts["test"].users > 0, rows, manifest.feedback
    )
    message = f"{count_of(shared, pairs, 'pairs of user and item that are positive in test')} are positive in train too"
    return Finding("repeated pairs", "note" if shared else "ok", message, {"pairs": shared, "test_pairs": pairs})


def _vocabularies(manifest: Manifest, id_rows: IdRows) -> Finding:
    """Every id of a vocabulary stands on a train row, or on `min_count` of them where the dataset asks for that."""
    least = {"categorical": manifest.options.min_count, "bag": 1}
    values, unfit = 0, {}
    for side, column in columns_of(manifest, *least):
        rows = id_rows[side][column.name][1 : column.size]
        values += len(rows)
        if rare := int((rows < least[column.kind]).sum()):
            unfit[f"`{column.name}` of {side} ({rare:,})"] = rare
    numbers: Numbers = {"values": values, "unfit": sum(unfit.values())}
    if unfit:
        message = f"{count_of(sum(unfit.values()), values, 'values')} of the vocabularies do not occur in train"
        message += f", or on fewer than {least['categorical']:,} of its rows" if least["categorical"] > 1 else ""
        return Finding("vocabularies", "broken", f"{message}: {first_few([*unfit])}", numbers)
    enough = f", categorical ones on at least {least['categorical']:,} rows" if least["categorical"] > 1 else ""
    return Finding("vocabularies", "ok", f"all {values:,} values of the vocabularies occur in train{enough}", numbers)


def _bucket_edges(manifest: Manifest, id_rows: IdRows) -> Finding:
    """The edges of every numeric feature can be the percentiles of train rows, as far as the buckets tell."""
    names, unfit = 0, []
    for side, column in columns_of(manifest, "numeric"):
        names += 1
        edges = manifest.edges_of(side, column.name)
        if not fits(id_rows[side][column.name], len(edges)):
            unfit.append(f"`{column.name}` of {side}")
    numbers: Numbers = {"features": names, "unfit": len(unfit)}
    if not names:
        return Finding("bucket edges", "ok", "there are no numeric features", numbers)
    if unfit:
        message = (
            f"{count_of(len(unfit), names, 'numeric features')} have edges that are not percentiles of the train rows"
        )
        return Finding("bucket edges", "broken", f"{message}: {first_few(unfit)}", numbers)
    message = f"numeric features: {names:,}; all edges fit the percentiles of the train rows"
    return Finding("bucket edges", "ok", message, numbers)


def fits(rows: Counts, edges: int) -> bool:
    """Return whether the distinct percentiles 2, 4, … 98 of some values can be that many edges, given their buckets.

    `rows` [ids] are the values with each id; the edges themselves are not needed.

    The percentile p of n sorted values stands at place (n - 1) p / 100, between two values or on one. So the values
    at or below it are at least floor(place) + 1, and those at or below an edge that is p but no longer the next
    percentile q are at most ceil(place of q). Every edge is one or more percentiles, and the last is the 98th; the
    edges fit if each can be given the highest percentile that it stands for, in increasing order.
    """
    upto = np.cumsum(rows[FIRST:])  # values at or below each edge; at last all
    if edges + 1 != len(upto) or not edges or not upto[-1]:
        return edges == 0 and not upto[-1]
    place = (upto[-1] - 1) * (PERCENTILES / 100)
    least = np.floor(place) + 1 - SLACK
    most = np.append(np.ceil(place[1:]), upto[-1]) + SLACK
    lowest = np.searchsorted(most, upto[:edges], side="left")
    highest = np.searchsorted(least, upto[:edges], side="right") - 1
    step = np.arange(edges)
    given = np.maximum.accumulate(lowest - step) + step  # each above the one before
    return bool((given <= highest).all() and highest[-1] == len(PERCENTILES) - 1)


def _rates(manifest: Manifest, train: PartCounts) -> Finding:
    """The order of the feedback types, their rates, the rates of the levels and the thresholds are those of train."""
    names = manifest.feedback
    rates, levels = (counted / max(1, train.rows) for counted in (train.positives, train.reached))
    thresholds = [math.log((1 - rate) / rate) if 0 < rate < 1 else None for rate in levels.tolist()]
    wrong = [
        what
        for what, same in (
            ("the order of the feedback types", bool((np.diff(train.positives) <= 0).all())),
            ("the rates", _same([manifest.rates["train"].get(name) for name in names], rates.tolist())),
            ("the rates of the levels", _same(manifest.level_rates, levels.tolist())),
            ("the thresholds", _same(manifest.thresholds, thresholds)),
        )
        if not same
    ]
    shown = ", ".join(f"{name} {rate:.4%}" for name, rate in zip(names, rates, strict=True))
    numbers: Numbers = {name: float(rate) for name, rate in zip(names, rates, strict=True)}
    if wrong:
        return Finding("rates", "broken", f"not those of the train rows ({shown}): {', '.join(wrong)}", numbers)
    return Finding("rates", "ok", f"rates, thresholds and order are those of the train rows: {shown}", numbers)


def _aggregates(manifest: Manifest) -> Finding:
    """No feature sums up a period that includes the test days."""
    known = manifest.aggregates
    leaks = [f"`{column.name}` of {side}" for side, column in columns_of(manifest) if column.name in known]
    features = len(list(columns_of(manifest)))
    numbers: Numbers = {"features": features, "aggregates": len(leaks)}
    if leaks:
        why = next(iter(known[column.name] for _, column in columns_of(manifest) if column.name in known))
        message = f"known leak: {count_of(len(leaks), features, 'features')} include the test days: "
        message += f"{first_few(leaks)} ({why})"
        return Finding("aggregates", "broken", message, numbers)
    return Finding("aggregates", "ok", f"none of {features:,} features is known to include the test days", numbers)


def _same(recorded: Sequence[float | None], counted: Sequence[float | None]) -> bool:
    return len(recorded) == len(counted) and all(
        a is b is None or (a is not None and b is not None and abs(a - b) <= CLOSE)
        for a, b in zip(recorded, counted, strict=True)
    )
