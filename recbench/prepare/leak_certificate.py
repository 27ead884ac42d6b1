"""The leak certificate: what of the test rows has found its way into the rest, recounted from the stored Parquet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from recbench.prepare.buckets import FIRST, PERCENTILES
from recbench.prepare.recount import Counts, Part, columns_of, count_ids, count_part, rows_since, shared_with_train
from recbench.prepare.split import PARTS

SLACK = 2  # rows by which a bucket may be off, since percentiles fall between rows
CLOSE = 1e-12
STYLES = {"ok": "green", "note": "yellow", "broken": "bold red"}

Numbers = dict[str, int | float]


@dataclass(frozen=True)
class Finding:
    """What one rule found: `ok`, a `note` that a reader of results should know, or `broken`, which is a leak."""

    rule: str
    status: Literal["ok", "note", "broken"]
    told: str  # one sentence with the numbers
    numbers: Numbers


def certify(folder: Path, manifest: dict[str, Any]) -> list[Finding]:
    """Check a prepared folder for leaks; memory grows with the users, items and values, not with the rows.

    Raises DataError if a file is missing or damaged.
    """
    parts = {part: count_part(folder, part, manifest) for part in PARTS}
    used = {side: count_ids(folder, side, manifest, getattr(parts["train"], side)) for side in ("users", "items")}
    findings = [
        _time(folder, manifest, parts),
        _tables(manifest, parts["train"]),
        _new(manifest, parts),
        _repeated_rows(folder, manifest, parts),
        _repeated_pairs(folder, manifest, parts),
        _vocabularies(manifest, used),
        _edges(manifest, used),
        _rates(manifest, parts["train"]),
        _aggregates(manifest),
    ]
    return findings + ([_users_apart(parts)] if _split(manifest) == "users" else [])


def broken(findings: Iterable[Finding]) -> bool:
    """Return whether any rule is broken."""
    return any(finding.status == "broken" for finding in findings)


def as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return the findings as JSON-like records: rule, status, told, numbers."""
    return [asdict(finding) for finding in findings]


def table(findings: Iterable[Finding]) -> Table:
    """Return the findings as a table for a rich console."""
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    shown.add_column("rule", no_wrap=True)
    shown.add_column("status", no_wrap=True)
    shown.add_column("what was found")
    for finding in findings:
        shown.add_row(finding.rule, Text(finding.status, STYLES[finding.status]), Text(finding.told))
    return shown


def _time(folder: Path, manifest: Mapping[str, Any], parts: Mapping[str, Part]) -> Finding:
    """Train before valid before test: over all rows (split `global`), within each user (`user`), or told as it is."""
    split = _split(manifest)
    if manifest["time"] is None:
        return Finding("time order", "ok", "the log has no time, so there is no order to keep", {})
    if split == "global":
        return _time_of_all(folder, manifest["options"]["time_unit"], parts)
    if split == "user":
        return _time_of_each_user(parts)
    train, test = parts["train"], parts["test"]
    late = rows_since(folder, "train", train, int(test.first.min()) + 1)
    design = "the shipped split" if split == "given" else f"split `{split}`"
    told = f"{_of(late, train.rows, 'train rows')} are later than the first test row, by design of {design}"
    numbers: Numbers = {"late_train_rows": late, "train_rows": train.rows}
    return Finding("time order", "note" if late else "ok", told, numbers)


def _time_of_all(folder: Path, unit: str, parts: Mapping[str, Part]) -> Finding:
    train, valid, test = (parts[part] for part in PARTS)
    late_train = rows_since(folder, "train", train, int(valid.first.min()))
    late_valid = rows_since(folder, "valid", valid, int(test.first.min()))
    numbers: Numbers = {"late_train_rows": late_train, "late_valid_rows": late_valid}
    if late_train or late_valid:
        told = (
            f"{_of(late_train, train.rows, 'train rows')} are as late as the first valid row or later, and "
            f"{_of(late_valid, valid.rows, 'valid rows')} as late as the first test row or later"
        )
        return Finding("time order", "broken", told, numbers)
    gaps = [int(after.first.min()) - int(before.last.max()) for before, after in ((train, valid), (valid, test))]
    numbers |= {"gap_to_valid": gaps[0], "gap_to_test": gaps[1]}
    told = f"train ends {gaps[0]:,} {unit} before valid begins, and valid {gaps[1]:,} {unit} before test begins"
    return Finding("time order", "ok", told, numbers)


def _time_of_each_user(parts: Mapping[str, Part]) -> Finding:
    train, valid, test = (parts[part] for part in PARTS)
    users = len(train.users)
    early = int((train.last > np.minimum(valid.first, test.first)).sum())
    mixed = int((valid.last > test.first).sum())
    numbers: Numbers = {"users": users, "users_train_late": early, "users_valid_late": mixed}
    if early or mixed:
        told = (
            f"{_of(early, users, 'users')} have a train row later than their first valid or test row, "
            f"and {mixed:,} a valid row later than their first test row"
        )
        return Finding("time order", "broken", told, numbers)
    told = f"no row of train is later than a valid or test row of its user ({users:,} users)"
    return Finding("time order", "ok", told, numbers)


def _tables(manifest: Mapping[str, Any], train: Part) -> Finding:
    """The first `seen` rows of the entity tables are exactly the users and items in train."""
    wrong: Numbers = {}
    for side, rows in (("users", train.users), ("items", train.items)):
        wrong[side] = int(((rows > 0) != (np.arange(len(rows)) < manifest[side]["seen"])).sum())
    seen = f"the first {manifest['users']['seen']:,} users and {manifest['items']['seen']:,} items of the tables"
    if any(wrong.values()):
        told = f"{seen} are not those in train: {wrong['users']:,} users and {wrong['items']:,} items stand wrong"
        return Finding("entity tables", "broken", told, wrong)
    return Finding("entity tables", "ok", f"{seen} are exactly those in train", wrong)


def _new(manifest: Mapping[str, Any], parts: Mapping[str, Part]) -> Finding:
    """Users and items of valid and test that train lacks: they have no vector of their own."""
    numbers: Numbers = {}
    words = []
    for part in PARTS[1:]:
        told = []
        for side in ("users", "items"):
            rows = np.where(getattr(parts["train"], side) == 0, getattr(parts[part], side), 0)
            distinct, held = int((rows > 0).sum()), int(rows.sum())
            numbers |= {f"{part}_{side}": distinct, f"{part}_{side}_rows": held}
            told.append(f"{distinct:,} {side} on {held:,} rows ({held / max(1, parts[part].rows):.2%})")
        words.append(f"{' and '.join(told)} in {part}")
    if not any(numbers.values()):
        return Finding("new entities", "ok", "all users and items of valid and test are in train", numbers)
    return Finding("new entities", "note", f"not in train: {'; '.join(words)}", numbers)


def _repeated_rows(folder: Path, manifest: Mapping[str, Any], parts: Mapping[str, Part]) -> Finding:
    """Rows of valid and test that stand in train too, feedback included."""
    train, valid, test = (parts[part] for part in PARTS)
    timed = manifest["time"] is not None
    rows = valid.users + test.users
    users = (train.users > 0) & (rows > 0)
    if timed:  # of the others no row can have the time of a train row
        users &= train.last >= np.minimum(valid.first, test.first)
    columns = ["user", "item", *manifest["feedback"], *(["timestamp"] if timed else [])]
    *_, repeated = shared_with_train(folder, columns, PARTS[1:], users, int(rows[users].sum()))
    what = "same user, item, time and feedback" if timed else "same user, item and feedback"
    told = f"{_of(repeated, valid.rows + test.rows, 'valid and test rows')} repeat a train row: {what}"
    return Finding("repeated rows", "note" if repeated else "ok", told, {"rows": repeated})


def _repeated_pairs(folder: Path, manifest: Mapping[str, Any], parts: Mapping[str, Part]) -> Finding:
    """Pairs of user and item that are positive, by any feedback, both in train and in test."""
    rows = int(parts["test"].reached[0])
    shared, pairs, _ = shared_with_train(
        folder, ["user", "item"], ("test",), parts["test"].users > 0, rows, manifest["feedback"]
    )
    told = f"{_of(shared, pairs, 'pairs of user and item that are positive in test')} are positive in train too"
    return Finding("repeated pairs", "note" if shared else "ok", told, {"pairs": shared, "test_pairs": pairs})


def _vocabularies(manifest: Mapping[str, Any], used: Mapping[str, Mapping[str, Counts]]) -> Finding:
    """Every id of a vocabulary stands on a train row, or on `min_count` of them where the dataset asks for that."""
    least = {"categorical": manifest["options"].get("min_count", 1), "bag": 1}
    values, unfit = 0, {}
    for side, column in columns_of(manifest, *least):
        rows = used[side][column["name"]][1 : column["size"]]
        values += len(rows)
        if rare := int((rows < least[column["kind"]]).sum()):
            unfit[f"`{column['name']}` of {side} ({rare:,})"] = rare
    numbers: Numbers = {"values": values, "unfit": sum(unfit.values())}
    if unfit:
        told = f"{_of(sum(unfit.values()), values, 'values')} of the vocabularies do not occur in train"
        told += f", or on fewer than {least['categorical']:,} of its rows" if least["categorical"] > 1 else ""
        return Finding("vocabularies", "broken", f"{told}: {_listed([*unfit])}", numbers)
    enough = f", categorical ones on at least {least['categorical']:,} rows" if least["categorical"] > 1 else ""
    return Finding("vocabularies", "ok", f"all {values:,} values of the vocabularies occur in train{enough}", numbers)


def _edges(manifest: Mapping[str, Any], used: Mapping[str, Mapping[str, Counts]]) -> Finding:
    """The edges of every numeric feature can be the percentiles of train rows, as far as the buckets tell."""
    names, unfit = 0, []
    for side, column in columns_of(manifest, "numeric"):
        names += 1
        edges = manifest["edges"][side[:-1]][column["name"]]
        if not fits(used[side][column["name"]], len(edges)):
            unfit.append(f"`{column['name']}` of {side}")
    numbers: Numbers = {"features": names, "unfit": len(unfit)}
    if not names:
        return Finding("bucket edges", "ok", "there are no numeric features", numbers)
    if unfit:
        told = f"{_of(len(unfit), names, 'numeric features')} have edges that are no percentiles of the train rows"
        return Finding("bucket edges", "broken", f"{told}: {_listed(unfit)}", numbers)
    told = f"numeric features: {names:,}; all edges fit the percentiles of the train rows"
    return Finding("bucket edges", "ok", told, numbers)


def fits(rows: Counts, edges: int) -> bool:
    """Return whether the distinct percentiles 2, 4, … 98 of some values can be that many edges, given their buckets.

    `rows` [ids] are the values with each id; the edges themselves are not needed.

    The percentile p of n sorted values stands at place (n - 1) p / 100, between two values or on one. So the values
    at or below it are at least floor(place) + 1, and those at or below an edge that is p but no longer the next
    percentile q are at most ceil(place of q). Every edge is one or more percentiles, and the last is the 98th; the
    edges fit if each can be given the highest percentile that it stands for, in increasing order. Infinite values,
    which the edges do not count, are taken for finite ones.
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


def _rates(manifest: Mapping[str, Any], train: Part) -> Finding:
    """The order of the feedback types, their rates, the rates of the levels and the thresholds are those of train."""
    names = manifest["feedback"]
    rates, levels = (counted / max(1, train.rows) for counted in (train.positives, train.reached))
    thresholds = [math.log((1 - rate) / rate) if 0 < rate < 1 else None for rate in levels.tolist()]
    wrong = [
        what
        for what, same in (
            ("the order of the feedback types", bool((np.diff(train.positives) <= 0).all())),
            ("the rates", _same([manifest["rates"]["train"].get(name) for name in names], rates.tolist())),
            ("the rates of the levels", _same(manifest["level_rates"], levels.tolist())),
            ("the thresholds", _same(manifest["thresholds"], thresholds)),
        )
        if not same
    ]
    shown = ", ".join(f"{name} {rate:.4%}" for name, rate in zip(names, rates, strict=True))
    numbers: Numbers = {name: float(rate) for name, rate in zip(names, rates, strict=True)}
    if wrong:
        return Finding("rates", "broken", f"not those of the train rows ({shown}): {', '.join(wrong)}", numbers)
    return Finding("rates", "ok", f"rates, thresholds and order are those of the train rows: {shown}", numbers)


def _aggregates(manifest: Mapping[str, Any]) -> Finding:
    """No feature sums up a period that includes the test days."""
    known = manifest.get("aggregates", {})
    leaks = [f"`{column['name']}` of {side}" for side, column in columns_of(manifest) if column["name"] in known]
    features = len(list(columns_of(manifest)))
    numbers: Numbers = {"features": features, "aggregates": len(leaks)}
    if leaks:
        why = next(iter(known[column["name"]] for _, column in columns_of(manifest) if column["name"] in known))
        told = f"known leak: {_of(len(leaks), features, 'features')} know of the test days: {_listed(leaks)} ({why})"
        return Finding("aggregates", "broken", told, numbers)
    return Finding("aggregates", "ok", f"none of {features:,} features is known to sum up the test days", numbers)


def _users_apart(parts: Mapping[str, Part]) -> Finding:
    """No user is in two parts."""
    held = [parts[part].users > 0 for part in PARTS]
    several = int((np.sum(held, axis=0) > 1).sum())
    numbers: Numbers = {"several": several, **{p: int(h.sum()) for p, h in zip(PARTS, held, strict=True)}}
    counts = ", ".join(f"{p} {numbers[p]:,}" for p in PARTS)
    told = f"{_of(several, len(held[0]), 'users')} are in more than one part ({counts})"
    return Finding("users apart", "broken" if several else "ok", told, numbers)


def _split(manifest: Mapping[str, Any]) -> str:
    return str(manifest["split"]).partition("+")[0]


def _same(told: Sequence[float | None], found: Sequence[float | None]) -> bool:
    return len(told) == len(found) and all(
        a is b is None or (a is not None and b is not None and abs(a - b) <= CLOSE)
        for a, b in zip(told, found, strict=True)
    )


def _of(count: int, whole: int, what: str) -> str:
    return f"{count:,} of {whole:,} {what} ({count / whole:.2%})" if count else f"none of {whole:,} {what}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
