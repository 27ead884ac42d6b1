"""The log on disk as numbers, a block at a time: filtered, labelled and coded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from recbench.data.manifest import PARTS
from recbench.errors import DataError
from recbench.memory import Memory
from recbench.preparation import labels
from recbench.preparation.entity_keys import Keys
from recbench.preparation.frame_file import FrameFile
from recbench.preparation.order_statistics import Values
from recbench.preparation.time_units import TimeUnits
from recbench.readers.base import RawTables
from recbench.sources.dataset_spec import DatasetSpec, Side
from recbench.sources.text_blocks import map_ahead

Mask = NDArray[np.bool_]
ROW_NUMBER = "number of the row"  # a column name that no file has


@dataclass(frozen=True)
class CodedLog:
    """The rows of the log in groups that are read one after the other.

    Every frame has `row` (number in file order), `user` and `item` (codes) and `pattern` (the feedback as bits), then,
    where there are such, `time`, `weight`, the parts of the shipped split as `given`, `truth_<feedback>`, and at last
    `part`.
    Where the features of a side are made one value per key, `<side> features` is the code of those of the row.
    """

    groups: tuple[FrameFile, ...]
    users: Keys
    items: Keys
    timed: bool
    truth: tuple[str, ...]
    features: Mapping[str, Keys] = field(default_factory=dict)  # by side, where `<side> features` is

    @property
    def rows(self) -> int:
        """Number of rows R."""
        return sum(group.rows for group in self.groups)

    def frames(self, *columns: str) -> Iterator[pl.DataFrame]:
        """Yield all frames, with these columns only if any are named."""
        for group in self.groups:
            yield from group.frames(columns or None)

    def values(self, name: str) -> Values:
        """Return a function that reads one column, a block at a time."""
        return lambda: (frame[name].to_numpy().astype(np.int64, copy=False) for frame in self.frames(name))

    def count(self, side: str, users: Mask | None = None, items: Mask | None = None) -> NDArray[np.int64]:
        """Return the number of rows of each `user` or `item` code, of rows whose user and item are in the masks."""
        total = np.zeros(len(self.users if side == "user" else self.items), np.int64)
        for frame in self.frames("user", "item"):
            code = frame[side].to_numpy()
            if users is not None and items is not None:
                code = code[users[frame["user"].to_numpy()] & items[frame["item"].to_numpy()]]
            count_codes(total, code)
        return total

    def mapped(self, change: Callable[[pl.DataFrame], pl.DataFrame], whole: bool, folder: Path) -> CodedLog:
        """Return the log with every frame changed, or, if `whole`, every group read as one frame and changed.

        The new groups are written into `folder`; the old ones are deleted.
        """
        groups = []
        for number, group in enumerate(self.groups):
            changed = FrameFile(folder / f"{number}.parquet")
            if whole and group.rows:
                changed.append(change(pl.concat(list(group.frames()))))
            elif not whole:
                for frame in group.frames():
                    changed.append(change(frame))
            groups.append(changed.close())
            group.remove()
        return replace(self, groups=tuple(groups))


def read_log(spec: DatasetSpec, raw: RawTables, memory: Memory, folder: Path) -> CodedLog:
    """Filter, label and code the log as it is read.

    Raises DataError for missing columns, rows without a user or item, undefined feedback, a log without rows, times of
    another unit, and more entities than `memory` holds.
    """
    users = Keys(_identity(spec.user, raw.users is not None), folder / "user-keys.parquet")
    items = Keys(_identity(spec.item, raw.items is not None), folder / "item-keys.parquet")
    features = {
        name: Keys(side.identity, folder / f"{name}-features.parquet")
        for name, side in (("user", spec.user), ("item", spec.item))
        if side.settled
    }
    rows, read, units = FrameFile(folder / "log.parquet"), 0, TimeUnits(spec.time_unit)
    for block in raw.log:
        block = block.with_columns(cs.float().fill_nan(None), pl.int_range(read, read + pl.len()).alias(ROW_NUMBER))
        read += len(block)
        block = block.filter(_chosen_rows(spec, block))
        if not len(block):
            continue
        if not raw.optional_keys:
            _check_keys(spec, block)
        user, item = map_ahead(partial(Keys.code, block=block), (users, items))
        columns = {
            "row": pl.Series(np.arange(rows.rows, rows.rows + len(block), dtype=np.uint32)),
            "user": user,
            "item": item,
            "pattern": pl.Series(labels.patterns(labels.evaluate(block.drop(ROW_NUMBER), spec))),
        }
        columns |= {f"{side} features": keys.code(block) for side, keys in features.items()}
        if spec.time is not None:
            columns["time"] = block[spec.time]
            units.add(block[spec.time])
        if spec.weight is not None:
            columns["weight"] = labels.weights(block.drop(ROW_NUMBER), f"{spec.name}: weight", spec.weight)
        if raw.part_column in block.columns:
            columns["given"] = pl.Series(part_numbers(spec.name, block[raw.part_column]))
        rows.append(pl.DataFrame(columns | {name: block[name] for name in raw.truth}))
        memory.check(sum(map(len, (users, items, *features.values()))))
    if not rows.rows:
        raise DataError(f"{spec.name}: no log rows; check the files and the filter ({spec.filter})")
    units.check(spec)
    for keys in (users, items, *features.values()):
        keys.features.close()
    return CodedLog((rows.close(),), users, items, spec.time is not None, raw.truth, features)


def part_numbers(dataset: str, column: pl.Series) -> NDArray[np.uint8]:
    """Return the place in PARTS that each word [R] of a shipped split names; raises DataError for any other word."""
    column = column.cast(pl.String)
    strange = column.filter(~column.is_in(PARTS) | column.is_null())
    if len(strange):
        raise DataError(f"{dataset}: column `split` holds `{strange[0]}`; expected train, valid or test")
    part: NDArray[np.uint8] = column.replace_strict(PARTS, range(len(PARTS)), return_dtype=pl.UInt8).to_numpy()
    return part


def _identity(side: Side, table: bool) -> tuple[str, ...]:
    return (side.key,) if (table or side.settled) and side.key else side.identity


def _chosen_rows(spec: DatasetSpec, block: pl.DataFrame) -> pl.Series:
    if spec.filter is None:
        return pl.repeat(True, len(block), eager=True)
    chosen = labels.column(block.drop(ROW_NUMBER), f"{spec.name}: filter", spec.filter)
    if chosen.dtype != pl.Boolean:
        raise DataError(f'{spec.name}: filter = "{spec.filter}" is not true or false; write it like "rating > 0"')
    return chosen


def _check_keys(spec: DatasetSpec, block: pl.DataFrame) -> None:
    """Raise DataError for a row that names no user or item."""
    for key in (spec.user.key, spec.item.key):
        if key is None or key not in block.columns:
            continue
        empty = block[key].is_null()
        if block[key].dtype == pl.String:
            empty |= block[key] == ""
        if empty.any():
            row = block[ROW_NUMBER][empty.arg_max() or 0] + 1
            raise DataError(
                f"{spec.name}: row {row:,} of the log, column `{key}`: empty; every row needs one; mend the file, "
                f'or leave such rows out with filter = "{key} IS NOT NULL"'
            )


def count_codes(total: NDArray[Any], code: NDArray[np.integer[Any]], part: NDArray[np.uint8] | None = None) -> None:
    """Count each code [R] once in `total` [codes], or with its part [R] in `total` [parts, codes].

    Takes the faster of two ways: one pass over all codes there are, or a step for each row.
    """
    place = code if part is None else part.astype(np.int64) * total.shape[1] + code
    flat = total.reshape(-1)
    if len(place) * 8 > len(flat):
        flat += np.bincount(place, minlength=len(flat)).astype(total.dtype)
    else:
        np.add.at(flat, place, 1)
