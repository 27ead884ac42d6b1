"""Taobao UserBehavior: five columns without a header, by user in the order of their numbers as text.

Rules: `window` keeps 25 November to 3 December 2017, Beijing time; `window_distinct` drops its repeated rows too;
`comirec` keeps `pv`, then items of five such rows, then users of five rows with those items, once each. Quirks:
`outside_window`, `duplicates`, `second_category` (rows whose category is not the usual one of the item).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from tests.facsimile.contents import Contents, Counts, RunningCounts, repeats
from tests.facsimile.draw import (
    BLOCK,
    Bools,
    Ints,
    draw_choices,
    draw_skewed,
    fixed_uniform,
    owner_ranges,
    renumber,
    share_rows,
)
from tests.facsimile.text import ColumnValues, open_new, words_at, write_rows

FEEDBACK = ("pv", "cart", "fav", "buy")
CHANCES = (0.8958, 0.0552, 0.0288, 0.0202)
START, STOP = 1_511_539_200, 1_512_316_800  # seconds
STRAY = (-1_209_600, 7_776_000, 1_505_117_799, 2_122_867_355)  # moments far outside the window
ENOUGH = 5  # rows of an item or user that ComiRec keeps


@dataclass(frozen=True)
class BehaviourBlock:
    """Rows of some users in file order, [rows] each."""

    user: Ints
    item: Ints
    category: Ints
    behaviour: Ints  # place in FEEDBACK
    time: Ints


def write(folder: Path, rows: int, seed: int) -> Contents:
    """Write UserBehavior.csv."""
    random = np.random.default_rng([seed, 0])
    counts = share_rows(rows, max(20, rows // 101), 1, random)
    items = max(60, rows // 24)
    number = _numbers(len(counts), random)
    log, window, once = (RunningCounts(len(counts), items, FEEDBACK) for _ in range(3))
    viewed = np.zeros(items, dtype=np.int64)
    quirks = {"outside_window": 0, "duplicates": 0, "second_category": 0}
    path = folder / "UserBehavior.csv"
    with open_new(path) as file:
        for block in _blocks(counts, items, seed):
            _put(file, block, number)
            inside = (block.time >= START) & (block.time < STOP)
            again = repeats(block.behaviour, block.category, block.item, block.time, block.user)
            for tally, keep in ((log, inside | True), (window, inside), (once, inside & ~again)):
                _add(tally, "all", block, keep)
            viewed += np.bincount(block.item[block.behaviour == 0], minlength=items)
            quirks["outside_window"] += int(np.count_nonzero(~inside))
            quirks["duplicates"] += int(np.count_nonzero(again))
            quirks["second_category"] += int(np.count_nonzero(block.category != _category(block.item, items)))
    comirec = _comirec(_blocks(counts, items, seed), len(counts), viewed >= ENOUGH)
    kept = {"window": window.counts(), "window_distinct": once.counts(), "comirec": comirec}
    return Contents((path,), {path.name: rows}, log.counts(), kept, quirks)


def _numbers(users: int, random: np.random.Generator) -> Ints:
    numbers = np.cumsum(random.integers(1, 3, users))
    order: Ints = numbers.astype(np.dtypes.StringDType()).argsort()  # 1, 10, 100, 11
    ordered: Ints = numbers[order]
    return ordered


def _blocks(counts: Ints, items: int, seed: int) -> Iterator[BehaviourBlock]:
    for number, (first, stop) in enumerate(owner_ranges(counts, BLOCK)):
        random = np.random.default_rng([seed, 1, number])
        user = np.repeat(np.arange(first, stop), counts[first:stop])
        item = renumber(draw_skewed(items, len(user), random, power=9), items)
        time = random.integers(START, STOP, len(user))
        time = time[np.lexsort((time, user))]
        other = random.random(len(user)) < 0.005
        category = np.where(other, _category(item + 1, items), _category(item, items))
        block = BehaviourBlock(user, item, category, draw_choices(CHANCES, len(user), random), time)
        _stray(block, random)
        yield _copy(block, random)


def _stray(block: BehaviourBlock, random: np.random.Generator) -> None:
    rows = random.choice(len(block.time), max(4, round(len(block.time) * 0.00055)), replace=False)
    block.time[rows] = np.array(STRAY)[random.integers(0, len(STRAY), len(rows))] + random.integers(0, 99, len(rows))


def _copy(block: BehaviourBlock, random: np.random.Generator) -> BehaviourBlock:
    """Make a few rows equal to the row before them, where that is of the same user."""
    follows = np.flatnonzero(np.diff(block.user, prepend=-1) == 0)
    source = np.arange(len(block.user))
    source[random.choice(follows, max(3, len(follows) // 500_000), replace=False)] -= 1
    return BehaviourBlock(*(getattr(block, name)[source] for name in BehaviourBlock.__annotations__))


def _category(item: Ints, items: int) -> Ints:
    categories: int = max(12, round(9439 * min(1.0, (items / 4_162_024) ** 0.5)))
    return 100_000 + 517 * (categories * fixed_uniform(item, 3) ** 2).astype(np.int64)


def _put(file: IO[bytes], block: BehaviourBlock, number: Ints) -> None:
    behaviour = words_at(list(FEEDBACK), block.behaviour)
    columns: dict[str, ColumnValues] = {"u": number[block.user], "i": 1 + block.item * 5 // 4, "c": block.category}
    write_rows(file, {**columns, "b": behaviour, "t": block.time})


def _add(tally: RunningCounts, part: str, block: BehaviourBlock, keep: Bools) -> None:
    given = {name: block.behaviour[keep] == place for place, name in enumerate(FEEDBACK)}
    tally.add(part, block.user[keep], block.item[keep], given)


def _comirec(blocks: Iterator[BehaviourBlock], users: int, often: Bools) -> Counts:
    """Count what ComiRec keeps; the blocks are drawn a second time, as the items are only known after the first."""
    tally = RunningCounts(users, len(often), FEEDBACK)
    for block in blocks:
        keep = (block.behaviour == 0) & often[block.item]
        active = np.bincount(block.user[keep], minlength=users) >= ENOUGH
        _add(tally, "all", block, keep & active[block.user])
    return tally.counts()
