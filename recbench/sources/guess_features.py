"""What an unknown log, and tables beside it, may say of its users and items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from recbench.errors import DataError, UsageError
from recbench.sources.guess_feedback import plain
from recbench.sources.unknown_table import LOOK, Guess, numbers_of, read_start_of_table

MOSTLY = 0.8  # share of rows on which a feature that some rows lack must stand
COMMON = ("id", "key", "code")  # names of the key in a table of users or items

Kinds = dict[str, list[str]]  # kind of feature → columns


def guess_features(
    frame: pl.DataFrame, keys: Mapping[str, str], rest: Sequence[str], tables: Mapping[str, Path], guess: Guess
) -> None:
    """Note the columns that say something of a user or of an item; a feature has one value per key.

    `keys` are the columns of the log by side, user and item, `rest` its other columns that are free, and `tables` the
    files that describe a side in place of the log. Raises UsageError for a table that cannot be joined.
    """
    kinds: dict[str, Kinds] = {side: {"categorical": [key]} for side, key in keys.items()}
    left_out, gaps = [], set()
    alike = [name for name in rest if frame[name].n_unique() < 2]
    for name in (name for name in rest if name not in alike):
        found = ((side, _values_per_key(frame, key, name)) for side, key in keys.items() if side not in tables)
        side, values = next(((side, values) for side, values in found if values != "several"), (None, "several"))
        if side is None or not _can_name(name) or frame[name].drop_nulls().n_unique() < 2:
            left_out.append(name)
            continue
        kinds[side].setdefault(_kind(frame[name], frame[keys[side]].n_unique()), []).append(name)
        if values == "one or none":
            gaps.add(side)
    for side, key in keys.items():
        if side in tables:
            guess.table[side] = _of_table(tables[side], side, frame[key], guess)
            continue
        features = [name for names in kinds[side].values() for name in names if name != key]
        settled = features and (side in gaps or len(frame) == LOOK)  # of which more rows may have other values
        guess.table[side] = {"key": key, **kinds[side], **({"changing": "last"} if settled else {})}
        if features:
            also = ", of which some rows lack a value" if side in gaps else ""
            guess.lines.append(f"features of the {side}: {', '.join(features)}{also}")
    if alike:
        guess.lines.append(f"not used: {', '.join(alike)}, the same on every row")
    if left_out:
        guess.lines.append(
            f"not used: {', '.join(left_out)}, for they differ, or are empty, in some rows of one user or item"
        )


def _of_table(path: Path, side: str, keys: pl.Series, guess: Guess) -> dict[str, object]:
    """Return what the catalogue says of a side that a table describes; `keys` are those of the log."""
    found = Guess()
    frame = read_start_of_table(path, found)
    if "columns" in found.table:
        raise UsageError(f"{path}: no header; write the names of its columns into its first line")
    own = _key(frame, side, keys, path)
    if frame[own].drop_nulls().is_duplicated().any():
        raise UsageError(
            f"{path}: some values of {own} stand on several rows; keep one row of each, or say `file_time` in a "
            "catalogue of your own (docs/datasets.md)"
        )
    kinds: Kinds = {"categorical": [keys.name]}
    left_out = []
    for name in (name for name in frame.columns if name != own):
        kind = _kind(frame[name], len(frame))
        distinct = frame[name].drop_nulls().n_unique()
        names_each = kind == "categorical" and distinct == frame[name].count() > 2
        if name == keys.name or not _can_name(name) or distinct < 2 or names_each or not kind:
            left_out.append(name)
        else:
            kinds.setdefault(kind, []).append(name)
    described: dict[str, object] = {"key": keys.name, "file": str(path.resolve())}
    described |= {} if own == keys.name else {"file_key": own}
    separator = found.table.get("separator", ",")
    described |= {} if separator == guess.table.get("separator", ",") else {"file_separator": separator}
    nulls = [*_words(guess.table.get("null_values")), *_words(found.table.get("null_values"))]
    guess.table |= {"null_values": list(dict.fromkeys(nulls))} if nulls else {}
    features = [name for names in kinds.values() for name in names if name != keys.name]
    guess.lines.append(f"features of the {side}, from {path.name} by its column {own}: {', '.join(features) or 'none'}")
    if left_out:
        guess.lines.append(f"not used of {path.name}: {', '.join(left_out)}, which say nothing that several share")
    return described | dict(kinds)


def _key(frame: pl.DataFrame, side: str, keys: pl.Series, path: Path) -> str:
    """Return the column of a table that has the keys of the log: called so, or else the one that holds most of them."""
    if frame.is_empty():
        raise DataError(f"{path}: no rows, so that nothing can be guessed of its columns")
    wanted = keys.drop_nulls().unique().cast(pl.String)
    named = {plain(name): name for name in reversed(frame.columns)}
    likely = [named[word] for word in (plain(keys.name), *COMMON, side, f"{side}id") if word in named]
    shares = {
        name: wanted.is_in(frame[name].cast(pl.String).unique().implode()).mean() or 0.0
        for name in dict.fromkeys([*likely, *frame.columns])
        if not frame[name].dtype.is_nested()
    }
    best = max(shares, key=lambda name: float(str(shares[name])))  # the first of equals: by its name
    if not shares[best]:
        raise UsageError(
            f"{path}: no column has values of {keys.name} of the log, such as {wanted[0]}; it has "
            f"{', '.join(frame.columns)}"
        )
    return best


def _words(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _can_name(name: str) -> bool:
    return "/" not in name and name != "row"


def _values_per_key(frame: pl.DataFrame, key: str, name: str) -> Literal["one", "one or none", "several"]:
    """Return how many values of a column the rows of a key have: one, or none, on all of its rows; one on most rows of
    the log, and none on the others; or several.
    """
    pairs = frame.select(key, name).drop_nulls(key).unique()
    if len(pairs) == pairs[key].n_unique():
        return "one"
    if frame[name].count() < MOSTLY * len(frame):
        return "several"
    pairs = pairs.drop_nulls()
    return "one or none" if len(pairs) == pairs[key].n_unique() else "several"


def _kind(column: pl.Series, entities: int) -> str:
    """Return the kind of a feature, empty for what is none."""
    if isinstance(column.dtype, pl.List | pl.Array):
        lists = column.cast(pl.List(column.dtype.inner)) if isinstance(column.dtype, pl.Array) else column
        inner = column.dtype.inner
        if inner == pl.String:
            return "bag"
        lengths = lists.list.len().drop_nulls().unique()
        return "vector" if isinstance(inner, pl.DataType) and inner.is_numeric() and len(lengths) == 1 else ""
    if column.dtype.is_nested():
        return ""
    numbers = numbers_of(column)
    distinct = column.n_unique()
    if numbers is not None and distinct > min(50, entities // 2):
        return "numeric"
    if (
        numbers is None
        and column.dtype == pl.String
        and column.str.contains("|", literal=True).sum() / len(column) > 0.3
    ):
        return "bag"
    return "categorical"
