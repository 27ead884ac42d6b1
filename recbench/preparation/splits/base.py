"""A split: which rows are for training, validation and test, and what of it the leak certificate must check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.data.manifest import PARTS, Finding, Manifest, Options, Part
from recbench.errors import DataError, UsageError, count_of, counted, in_a_row
from recbench.preparation.coded_log import CodedLog
from recbench.preparation.recount import PartCounts, rows_since
from recbench.registry import Registry
from recbench.sources.dataset_spec import DatasetSpec

PartOfRow = NDArray[np.uint8]  # [R] index into PARTS
Ratio = tuple[int, int, int]  # of train, valid and test
Assign = Callable[[pl.DataFrame], PartOfRow]


@dataclass(frozen=True)
class Split:
    """How the rows of a log are assigned to parts.

    A new split is one file in this folder, called as the split is (`leave_one_out.py` for `leave-one-out`), with a
    class registered by `@SPLITS.add(name)`.
    """

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ("ratio",)  # which of `ratio`, `split_days` and `split_date` decide anything
    needs_time: ClassVar[bool] = False
    shipped: ClassVar[bool] = False  # whether the raw data say the part of each row
    new_test_users: ClassVar[bool] = False  # whether users of valid and test have no train rows

    ratio: Ratio
    rounding: str = "floor"  # of each user's train rows: floor, round or percent-rank
    seed: int = 0
    split_days: int = 1  # days of test
    split_date: date | None = None  # first day of test
    time_unit: str = "s"  # of the log's times: s, ms, us or ns since 1970

    @property
    def rule(self) -> str:
        """What is done, as a sentence."""
        raise NotImplementedError

    @property
    def folder_suffix(self) -> str:
        """What the name of a prepared folder always says beside the name of the split, if anything."""
        return ""

    def needs_whole_users(self, timed: bool) -> bool:
        """Return whether `assign` must see all rows of a user in one frame; `timed`: the log has times."""
        return False

    def raw_files(self, spec: DatasetSpec) -> tuple[str, ...]:
        """Return the names of the files that cannot be done without."""
        return spec.files

    def assign(self, log: CodedLog) -> Assign:
        """Return a function from a frame of the log, R rows, to the part of each row, [R]."""
        raise NotImplementedError

    def check_time_order(self, folder: Path, manifest: Manifest, parts: Mapping[Part, PartCounts]) -> Finding:
        """Return what the leak certificate says of the order of the parts in time; the log has times.

        Here no order is promised: train rows later than the first test row are worth a note.
        """
        train, test = parts["train"], parts["test"]
        late = rows_since(folder, "train", train, int(test.first.min()) + 1)
        by_design = "the shipped split" if self.shipped else f"split `{self.name}`"
        message = f"{count_of(late, train.rows, 'train rows')} are later than the first test row, by design of "
        numbers: dict[str, int | float] = {"late_train_rows": late, "train_rows": train.rows}
        return Finding("time order", "note" if late else "ok", message + by_design, numbers)

    def further_findings(self, parts: Mapping[Part, PartCounts]) -> list[Finding]:
        """Return what else the leak certificate must say of this split."""
        return [_users_apart(parts)] if self.new_test_users else []


SPLITS: Registry[Split] = Registry("split", "recbench.preparation.splits")


def split_of(options: Options) -> Split:
    """Return the split by which a folder was prepared."""
    return SPLITS.get(options.split)(
        options.ratio, options.rounding, options.seed, options.split_days or 1, options.split_date, options.time_unit
    )


def check_split(dataset: str, split: str, allowed: tuple[str, ...], timed: bool) -> type[Split]:
    """Return the class of a split; raises UsageError if the dataset cannot be split that way."""
    if split not in allowed:
        raise UsageError(f"{dataset} has no split `{split}`; choose --split {in_a_row(allowed, 'or')}")
    chosen = SPLITS.get(split)
    if chosen.needs_time and not timed:
        others = [name for name, split_class in SPLITS.items() if not split_class.needs_time]
        raise UsageError(
            f"{dataset} has no time column, which split `{split}` needs; name one as `time` in its table, "
            f"or use --split {in_a_row(others, 'or')}"
        )
    return chosen


def check_parts(dataset: str, split: type[Split], rows: NDArray[np.int64], one_time: bool = False) -> None:
    """Raise DataError if a part has no rows, given the rows of each part [3]; `one_time`: all rows have one time."""
    for part, count in zip(PARTS, rows.tolist(), strict=True):
        if not count:
            others = [f"another --{option.replace('_', '-')}" for option in (*split.options, "split")]
            advice = f"; use {in_a_row(['more rows', *others], 'or')}"
            if one_time:
                advice = ", since all times are equal; correct `time`, or use another --split"
            total = counted(int(rows.sum()), "row")
            raise DataError(f"{dataset}: split `{split.name}` leaves no {part} rows ({total} in all){advice}")


def _users_apart(parts: Mapping[Part, PartCounts]) -> Finding:
    """No user is in two parts."""
    present = [parts[part].users > 0 for part in PARTS]
    several = int((np.sum(present, axis=0) > 1).sum())
    users: dict[str, int | float] = {part: int(mask.sum()) for part, mask in zip(PARTS, present, strict=True)}
    counts = ", ".join(f"{part} {count:,}" for part, count in users.items())
    message = f"{count_of(several, len(present[0]), 'users')} are in more than one part ({counts})"
    return Finding("users apart", "broken" if several else "ok", message, {"several": several, **users})
