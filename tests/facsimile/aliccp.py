"""Ali-CCP: a skeleton of impressions and the common features of their users, for train and test.

`rows` counts impressions of both splits. Users are the values of field 101, items those of 205; either may be missing.
Rules: `consistent` drops impressions with a conversion but no click; `frequent` drops also those whose user has fewer
than 12 of the consistent impressions of train, or no number. Quirks: `conversion_without_click`, `rare_rows_train` and
`rare_rows_test` (what `frequent` drops beyond), `users_absent_from_train`, `rows_without_user`, `rows_without_item`,
`frequent_users` and `frequent_items` (values of 12 consistent train rows), `repeated_intentions` (rows that name
field 210 again).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from tests.facsimile.aliccp_tokens import FieldSizes, common_lists, skeleton_lists
from tests.facsimile.contents import Contents, RunningCounts
from tests.facsimile.draw import Bools, Ints, draw_skewed, hash_numbers, renumber, row_ranges, share_rows
from tests.facsimile.text import ColumnValues, in_digits, open_new, write_rows

BLOCK = 200_000  # impressions at once
COMMON_BLOCK = 4096  # rows of common features at once
TRAIN = 0.4958  # share of the rows
PER_COMMON = 58  # impressions on a row of common features
FREQUENT = 12  # train rows
CLICK, CONVERSION = 0.0389, 0.0053  # the second among clicks
FEEDBACK = ("click", "buy")


@dataclass(frozen=True)
class ImpressionSplit:
    """One split: rows of common features, each of them a stretch of the skeleton, in its order."""

    name: str
    place: int  # 0 for train, 1 for test
    user: Ints  # [commons], -1 for a user without a number
    counts: Ints  # [commons] impressions
    odd: Ints  # impressions with a conversion but no click, ascending

    @cached_property
    def ends(self) -> Ints:
        """Return the number of the impression behind the stretch of each row, [commons]."""
        return np.cumsum(self.counts)

    def common(self, impression: Ints) -> Ints:
        """Return the row of common features of each impression."""
        return np.searchsorted(self.ends, impression, side="right")

    def key(self, common: Ints) -> pl.Series:
        """Return the index that stands for each row of common features."""
        return in_digits(hash_numbers(common + (self.place << 40), 11), 16, 16).str.to_lowercase()


@dataclass(frozen=True)
class ImpressionBlock:
    """Impressions in the order of the skeleton, [rows] each; -1 for a user or item without a number."""

    number: Ints  # from 0
    user: Ints
    item: Ints
    named: Bools  # whether the skeleton names the item
    click: Bools
    buy: Bools


def write(folder: Path, rows: int, seed: int) -> Contents:
    """Write sample_skeleton_train.csv, common_features_train.csv and the same for test."""
    users, items = max(40, rows // 350), max(200, rows // 20)
    fields = FieldSizes(users, items)
    splits = _splits(rows, users, seed)
    frequent = _train_rows(splits[0], users) >= FREQUENT
    seen = _ImpressionCounts(frequent, items)
    raw: dict[str, int] = {}
    for split in splits:
        skeleton, common = f"sample_skeleton_{split.name}.csv", f"common_features_{split.name}.csv"
        with open_new(folder / skeleton) as file:
            for place, block in enumerate(_blocks(split, fields, rows, seed)):
                random = np.random.default_rng([seed, 2, split.place, place])
                write_rows(file, _impressions(split, block, fields, random))
                seen.add(split.name, block, fields)
        with open_new(folder / common) as file:
            _write_common(file, split, fields, seed)
        raw |= {skeleton: int(split.ends[-1]), common: len(split.user)}
    return seen.known(folder, raw)


def _impressions(
    split: ImpressionSplit, block: ImpressionBlock, fields: FieldSizes, random: np.random.Generator
) -> dict[str, ColumnValues]:
    counts, lists = skeleton_lists(block.item, block.named, fields, random)
    labels: dict[str, ColumnValues] = {"click": block.click.astype(np.int64), "buy": block.buy.astype(np.int64)}
    key = split.key(split.common(block.number))
    return {"id": block.number + 1, **labels, "key": key, "n": counts, "list": lists}


def _write_common(file: IO[bytes], split: ImpressionSplit, fields: FieldSizes, seed: int) -> None:
    # In another order than the skeleton, so that the two can only be joined by their key.
    order = np.random.default_rng([seed, 3, split.place]).permutation(len(split.user))
    for first, stop in row_ranges(len(order), COMMON_BLOCK):
        random = np.random.default_rng([seed, 4, split.place, first])
        counts, lists = common_lists(split.user[order[first:stop]], fields, random)
        write_rows(file, {"key": split.key(order[first:stop]), "n": counts, "list": lists})


def _splits(rows: int, users: int, seed: int) -> tuple[ImpressionSplit, ImpressionSplit]:
    """Share the rows; a quarter of the users are in train only, a quarter in test only."""
    train = round(rows * TRAIN)
    pools = (np.arange(users * 3 // 4), np.arange(users // 4, users))
    splits = []
    for place, (name, size, pool) in enumerate(zip(("train", "test"), (train, rows - train), pools, strict=True)):
        random = np.random.default_rng([seed, 0, place])
        commons = max(round(size / PER_COMMON), len(pool) * 3 // 2)
        user = np.repeat(renumber(pool, users), share_rows(commons, len(pool), 1, random, spread=1.2))
        user = random.permutation(user)
        user[3::300] = -1
        counts = share_rows(size, commons, 1, random)
        odd = random.choice(size, max(2, size // 187_000), replace=False)
        if name == "train":
            odd = np.append(odd, _on_the_edge(user, counts))
        splits.append(ImpressionSplit(name, place, user, counts, np.unique(odd)))
    return splits[0], splits[1]


def _on_the_edge(user: Ints, counts: Ints) -> int:
    """Give one user 12 impressions, one 11, and one 12 of which one is odd; return the number of the odd one."""
    _, first, times = np.unique(user[user >= 0], return_index=True, return_counts=True)
    alone = np.flatnonzero(user >= 0)[first[times == 1]]  # rows that are the only ones of their user
    edge = alone[np.argsort(abs(counts[alone] - FREQUENT), kind="stable")][:3]
    wanted = np.array([FREQUENT, FREQUENT - 1, FREQUENT])
    counts[np.argmax(counts)] -= (wanted - counts[edge]).sum()
    counts[edge] = wanted
    return int(counts[: edge[2] + 1].sum()) - 1


def _train_rows(train: ImpressionSplit, users: int) -> Ints:
    """Count each user's consistent impressions in train, [users]."""
    odd = np.bincount(train.common(train.odd), minlength=len(train.user))
    known = train.user >= 0
    consistent = (train.counts - odd)[known]
    return np.bincount(train.user[known], consistent, minlength=users).astype(np.int64)


def _blocks(split: ImpressionSplit, fields: FieldSizes, rows: int, seed: int) -> Iterator[ImpressionBlock]:
    conversion = max(CONVERSION, min(0.3, 30 / (rows * CLICK)))  # some even in a small facsimile
    for place, (first, stop) in enumerate(row_ranges(int(split.ends[-1]), BLOCK)):
        random = np.random.default_rng([seed, 1, split.place, place])
        number = np.arange(first, stop)
        item = renumber(draw_skewed(fields.items, len(number), random, power=5), fields.items)
        click = random.random(len(number)) < CLICK
        buy = click & (random.random(len(number)) < conversion)
        odd = np.isin(number, split.odd, assume_unique=True)
        yield ImpressionBlock(
            number, split.user[split.common(number)], item, number % 1000 != 7, click & ~odd, buy | odd
        )


class _ImpressionCounts:
    """What has been counted of the impressions so far."""

    def __init__(self, frequent: Bools, items: int) -> None:
        self._frequent = frequent
        self._tally = {
            rule: RunningCounts(len(frequent), items, FEEDBACK) for rule in ("log", "consistent", "frequent")
        }
        self._users = {split: np.zeros(len(frequent), dtype=bool) for split in ("train", "test")}
        self._train_items = np.zeros(items, dtype=np.int64)
        quirks = ("conversion_without_click", "rare_rows_train", "rare_rows_test")
        self._quirks = dict.fromkeys((*quirks, "rows_without_user", "rows_without_item", "repeated_intentions"), 0)

    def add(self, split: str, block: ImpressionBlock, fields: FieldSizes) -> None:
        """Count impressions of one split."""
        item = np.where(block.named, block.item, -1)
        consistent = block.click | ~block.buy
        known = block.user >= 0
        frequent = consistent & known & self._frequent[block.user]
        for rule, keep in (("log", consistent | True), ("consistent", consistent), ("frequent", frequent)):
            given = {"click": block.click[keep], "buy": block.buy[keep]}
            self._tally[rule].add(split, block.user[keep], item[keep], given)
        self._users[split][block.user[known]] = True
        if split == "train":
            self._train_items += np.bincount(item[consistent & block.named], minlength=len(self._train_items))
        found = {
            "conversion_without_click": ~consistent,
            f"rare_rows_{split}": consistent & ~frequent,
            "rows_without_user": ~known,
            "rows_without_item": ~block.named,
            "repeated_intentions": fields.intentions(block.item) > 1,
        }
        for quirk, rows in found.items():
            self._quirks[quirk] += int(np.count_nonzero(rows))

    def known(self, folder: Path, raw: dict[str, int]) -> Contents:
        """Return the counts of the finished facsimile."""
        kept = {rule: tally.counts() for rule, tally in self._tally.items()}
        quirks = {
            **self._quirks,
            "users_absent_from_train": int(np.count_nonzero(self._users["test"] & ~self._users["train"])),
            "frequent_users": int(np.count_nonzero(self._frequent)),
            "frequent_items": int(np.count_nonzero(self._train_items >= FREQUENT)),
        }
        return Contents(tuple(folder / name for name in raw), raw, kept.pop("log"), kept, quirks)
