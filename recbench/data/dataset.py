"""A prepared dataset as tensors: entity tables and logs of (user, item, feedback) rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbench.data.manifest import Column, EntitySide, Manifest, Part
from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_parquet import damaged, prepared_again, read_parquet
from recbench.errors import UsageError, require_known

TIME = "timestamp"  # column of a prepared log
WEIGHT = "weight"


@dataclass(frozen=True)
class Table:
    """All users or all items: row number = entity; those that occur in train come first."""

    columns: tuple[Column, ...]  # but for vectors
    value: Tensor  # [entities, sum of widths] int32, ids within each column's own vocabulary
    seen: int  # the first `seen` rows occur in train
    dense: Tensor | None = None  # [entities, numbers] float32, the dense vectors side by side

    def __len__(self) -> int:
        return self.value.shape[0]


@dataclass(frozen=True)
class Log:
    """R logged rows in time order."""

    user: Tensor  # [R] int32 row of the user table
    item: Tensor  # [R] int32 row of the item table
    label: Tensor  # [R, T] uint8, 0 or 1
    truth: Tensor | None = None  # [R, T] float32, true probability of each feedback (synthetic data only)
    time: Tensor | None = None  # [R] int64, since 1970 in the unit of the log; None where the log has no times
    weight: Tensor | None = None  # [R] float32, how often each row counts; None: once, or where weights are not used

    def __len__(self) -> int:
        return self.user.shape[0]

    def __getitem__(self, chosen: Tensor | slice) -> Log:
        truth = None if self.truth is None else self.truth[chosen]
        time = None if self.time is None else self.time[chosen]
        weight = None if self.weight is None else self.weight[chosen]
        return Log(self.user[chosen], self.item[chosen], self.label[chosen], truth, time, weight)


@dataclass(frozen=True)
class Info:
    """All that a loss may know of the data; small enough to make by hand in a test."""

    users: int  # that occur in train
    items: int
    rates: tuple[float, ...]  # share of train rows whose level is at least c, for c = 1..T
    feedback: tuple[str, ...] = ("click",)

    @property
    def tasks(self) -> int:
        """Number of feedback types T."""
        return len(self.rates)


@dataclass(frozen=True)
class Positives:
    """The distinct (user, item) pairs of a log that have some feedback, by user: a compressed sparse row matrix."""

    start: Tensor  # [users + 1] int64: user u's items are item[start[u]:start[u + 1]]
    item: Tensor  # [P] int64, sorted within each user
    weight: Tensor | None = None  # [P] float32, the sum of the weights of a pair's rows; None where they are not used

    @cached_property
    def user(self) -> Tensor:
        """User of each pair, [P]."""
        count = self.start.diff()
        return torch.repeat_interleave(torch.arange(len(count), device=count.device), count)

    @staticmethod
    def from_pairs(user: Tensor, item: Tensor, users: int, items: int, weight: Tensor | None = None) -> Positives:
        """Collect the distinct pairs of user [P] and item [P], and add up the weights [P] of each."""
        key = user.long() * items + item.long()
        if weight is None:
            key = torch.unique(key)
        else:
            key, place = torch.unique(key, return_inverse=True)
            weight = weight.new_zeros(len(key)).index_add(0, place, weight)
        count = torch.bincount(torch.div(key, items, rounding_mode="floor"), minlength=users)
        start = torch.zeros(users + 1, dtype=torch.long, device=key.device)
        torch.cumsum(count, 0, out=start[1:])
        return Positives(start, key % items, weight)

    def to(self, device: torch.device | str) -> Positives:
        """Return the same pairs on another device."""
        weight = None if self.weight is None else self.weight.to(device)
        return Positives(self.start.to(device), self.item.to(device), weight)


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset. The test rows stay on disk until `read("test")`, which no training calls."""

    name: str
    split: str
    fingerprint: str
    folder: Path
    feedback: tuple[str, ...]  # T names, from dense to sparse on train
    users: Table
    items: Table
    train: Log
    valid: Log
    new_test_users: bool = False  # whether users of valid and test have no rows in train
    # [rows of train] int64, the sequence that each row belongs to, -1: none. Where there are sequences, samplers draw
    # these, and go through the rows of each in order; see `HistoryBackbone`.
    sequence: Tensor | None = None

    @staticmethod
    def load(folder: Path, device: torch.device | str = "cpu") -> Dataset:
        """Read a prepared folder; raises DataError if a file is missing or damaged."""
        manifest = read_manifest(folder)
        return Dataset(
            name=manifest.dataset,
            split=manifest.split,
            fingerprint=manifest.fingerprint,
            folder=folder,
            feedback=manifest.feedback,
            users=_read_table(folder, "users", manifest, device),
            items=_read_table(folder, "items", manifest, device),
            train=_read_log(folder, "train", manifest.feedback, manifest, device),
            valid=_read_log(folder, "valid", manifest.feedback, manifest, device),
            new_test_users=manifest.new_test_users,
        )

    @property
    def full_name(self) -> str:
        """DATASET/SPLIT, as options take it."""
        return f"{self.name}/{self.split}"

    @property
    def place(self) -> tuple[str, str, str]:
        """Dataset, split and fingerprint, as of `RunKey.place`."""
        return self.name, self.split, self.fingerprint

    def read(self, part: Part) -> Log:
        """Read one part of the log from disk, with this dataset's feedback.

        Raises DataError if something else has been prepared there since.
        """
        return _read_log(self.folder, part, self.feedback, self._own_manifest(), self.train.user.device)

    def _own_manifest(self) -> Manifest:
        manifest = read_manifest(self.folder)
        if manifest.fingerprint != self.fingerprint:
            raise prepared_again(self.folder)
        return manifest

    def raw_ids(self, side: Literal["user", "item"]) -> pl.DataFrame:
        """Return the number `row` of every user or item and the raw columns that identify it, in the order of rows.

        Raises DataError if the file is missing or damaged, or something else has been prepared there since.
        """
        manifest = self._own_manifest()
        count = manifest.entities("users" if side == "user" else "items").count
        return read_parquet(self.folder, f"vocabulary/{side}", manifest, None, count).sort("row")

    def vocabulary(self, side: Literal["user", "item"], column: Column) -> pl.DataFrame:
        """Return the `id` of each `value` that a categorical feature or a bag has in train, null among them.

        Raises DataError if the file is missing or damaged, or something else has been prepared there since.
        """
        name = f"vocabulary/{side}.{column.name}"
        return read_parquet(self.folder, name, self._own_manifest(), None, column.size - 1)

    def narrow(self, feedback: Sequence[str]) -> Dataset:
        """Return the dataset with only these feedback types, still ordered from dense to sparse."""
        require_known(f"feedback of {self.name}", feedback, self.feedback)
        tasks = [t for t, name in enumerate(self.feedback) if name in feedback]
        return replace(
            self,
            feedback=tuple(self.feedback[t] for t in tasks),
            train=_with_tasks(self.train, tasks),
            valid=_with_tasks(self.valid, tasks),
        )

    def weighing_rows(self, weighing: bool) -> Dataset:
        """Return the dataset with the weights of its rows, or without those that it may have.

        Raises UsageError if it has none where they are asked for, or if all train rows weigh 0.
        """
        weight = self.train.weight
        if not weighing:
            without = replace(self, train=replace(self.train, weight=None), valid=replace(self.valid, weight=None))
            return self if weight is None else without
        if weight is None:
            raise UsageError(
                f"train.row_weights=true: the rows of {self.full_name} have no weights; name their column in "
                f'the catalogue entry, as in weight = "plays", and prepare the data again'
            )
        if not weight.any():
            raise UsageError(
                f"train.row_weights=true: all train rows of {self.full_name} weigh 0, so that there is nothing "
                f"to learn from; change `weight` in the catalogue entry, and prepare the data again"
            )
        return self

    def with_valid(self) -> Dataset:
        """Return the dataset with the validation rows added to train, but for users and items unseen in train."""
        known = (self.valid.user < self.users.seen) & (self.valid.item < self.items.seen)
        return replace(self, train=concat_logs(self.train, self.valid[known]), sequence=None)

    def given_and_scored(self, log: Log) -> tuple[Log, Log]:
        """Return the rows of a held-out log that are given as its users' history, and those that are scored.

        Where test users are new (split `users`) nothing else is known of them, so that the first 80 % of each one's
        rows, rounded down, are given (the released code of Tang et al., CIKM 2022,
        https://github.com/WDdeBWT/CROLoss). Else all rows are scored.
        """
        if not self.new_test_users:
            return log[:0], log
        user = log.user.long()
        order = torch.argsort(user, stable=True)
        count = torch.bincount(user, minlength=len(self.users))
        place = torch.empty_like(order)
        place[order] = torch.arange(len(log), device=order.device) - (count.cumsum(0) - count)[user[order]]
        given = place < torch.div(4 * count, 5, rounding_mode="floor")[user]
        return log[given], log[~given]

    @property
    def info(self) -> Info:
        """Counts and rates for the loss."""
        return Info(self.users.seen, self.items.seen, self.rates, self.feedback)

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """Share of train rows that reach level c or higher, c = 1..T (GNOLR, section 3.1)."""
        label = self.train.label
        return tuple(float(label[:, c:].amax(1).count_nonzero()) / len(label) for c in range(label.shape[1]))

    @cached_property
    def positives(self) -> Positives:
        """Distinct training pairs with any of the feedback types."""
        return self.positives_of(self.train, slice(None))

    @cached_property
    def positive_labels(self) -> Tensor:
        """Which of the feedback types each of the `positives` has in any of its training rows, [P, T] uint8."""
        width = len(self.items)
        key = self.train.user.long() * width + self.train.item.long()
        place = torch.searchsorted(self.positives.user * width + self.positives.item, key)
        some = self.train.label.amax(1) > 0
        label = self.train.label.new_zeros(len(self.positives.item), len(self.feedback))
        index = place[some, None].expand(-1, len(self.feedback))
        return label.scatter_reduce_(0, index, self.train.label[some], "amax")

    @cached_property
    def popularity(self) -> Tensor:
        """Number of users of whom each item is a training positive, [items] int64."""
        return torch.bincount(self.positives.item, minlength=len(self.items))

    def positives_of(self, log: Log, feedback: int | slice, weighing: bool = False) -> Positives:
        """Distinct pairs of a log with the given feedback column(s); if `weighing`, with the weights of its rows."""
        label = log.label[:, feedback]
        row = (label if label.ndim == 1 else label.amax(-1)).nonzero()[:, 0]
        weight = log.weight[row] if weighing and log.weight is not None else None
        return Positives.from_pairs(log.user[row], log.item[row], len(self.users), len(self.items), weight)


def table_of(frame: pl.DataFrame, columns: Sequence[Column], seen: int, device: torch.device | str) -> Table:
    """Return entities [n] whose features are given as they are stored; raises ValueError and the like if not so."""

    def block(column: Column, kind: type, element: type[pl.DataType]) -> NDArray[Any]:
        values = frame.get_column(column.name)
        if values.dtype == pl.List:
            values = values.list.eval(pl.element().cast(element)).list.to_array(column.width)
        return values.to_numpy().reshape(len(frame), column.width).astype(kind, copy=False)

    coded = tuple(column for column in columns if column.kind != "vector")
    ids = [block(column, np.int32, pl.Int32) for column in coded]
    vectors = [block(column, np.float32, pl.Float32) for column in columns if column.kind == "vector"]
    value = np.concatenate([np.zeros((len(frame), 0), np.int32), *ids], axis=1)
    dense = torch.from_numpy(np.concatenate(vectors, axis=1)).to(device) if vectors else None
    return Table(coded, torch.from_numpy(value).to(device), seen, dense)


def concat_logs(*logs: Log) -> Log:
    """Return the rows of all logs, one after the other, without the true probabilities."""
    filled = [log for log in logs if len(log)] or [*logs[:1]]
    if len(filled) == 1:
        return replace(filled[0], truth=None)
    user, item, label = (torch.cat([getattr(log, name) for log in filled]) for name in ("user", "item", "label"))
    times = [log.time for log in filled if log.time is not None]
    weights = [log.weight for log in filled if log.weight is not None]
    return Log(
        user,
        item,
        label,
        time=torch.cat(times) if len(times) == len(filled) else None,
        weight=torch.cat(weights) if len(weights) == len(filled) else None,
    )


def _with_tasks(log: Log, tasks: list[int]) -> Log:
    truth = None if log.truth is None else log.truth[:, tasks].contiguous()
    return replace(log, label=log.label[:, tasks].contiguous(), truth=truth)


def _read_table(folder: Path, side: EntitySide, manifest: Manifest, device: torch.device | str) -> Table:
    entities = manifest.entities(side)
    frame = read_parquet(folder, side, manifest, [column.name for column in entities.columns], entities.count)
    try:
        return table_of(frame, entities.columns, entities.seen, device)
    except (pl.exceptions.PolarsError, OverflowError, ValueError) as error:
        raise damaged(folder, side, error) from None


def _read_log(folder: Path, part: Part, feedback: Sequence[str], manifest: Manifest, device: torch.device | str) -> Log:
    truth = [f"truth_{name}" for name in feedback] if manifest.truth else []
    time = [] if manifest.time is None else [TIME]
    weight = [] if manifest.options.weight is None else [WEIGHT]
    names = ["user", "item", *feedback, *truth, *time, *weight]
    frame = read_parquet(folder, part, manifest, names, manifest.rows[part])

    def tensor(names: list[str], kind: type) -> Tensor:
        return torch.from_numpy(frame.select(names).to_numpy().astype(kind, copy=True)).to(device)

    try:
        return Log(
            user=tensor(["user"], np.int32)[:, 0].contiguous(),
            item=tensor(["item"], np.int32)[:, 0].contiguous(),
            label=tensor(list(feedback), np.uint8),
            truth=tensor(truth, np.float32) if truth else None,
            time=tensor(time, np.int64)[:, 0] if time else None,
            weight=tensor(weight, np.float32)[:, 0] if weight else None,
        )
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise damaged(folder, part, error) from None
