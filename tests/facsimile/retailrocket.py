"""RetailRocket: events.csv in no order, both parts of the item properties, and the tree of categories.

Positives: `view` counts the events of that name, `cart` addtocart and transaction, `buy` transaction. Quirks:
`duplicates`, `transactions` (distinct numbers of orders), `shared_transactions` (rows that repeat an order's number),
`single_visitors` (visitors of one event), `roots` (categories without a parent).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from tests.facsimile.contents import Contents, RunningCounts, repeats
from tests.facsimile.draw import (
    BLOCK,
    Ints,
    draw_choices,
    draw_skewed,
    owner_ranges,
    place_within_owner,
    renumber,
    row_ranges,
    share_rows,
)
from tests.facsimile.text import ColumnValues, as_text, concat, open_new, words_at, write_rows

EVENTS = ("view", "addtocart", "transaction")
START, STOP = 1_430_622_004_384, 1_442_545_187_788  # milliseconds
PROPERTIES = 7.357  # rows of item properties for each event
FIRST_PART = 0.5425


@dataclass(frozen=True)
class EventBlock:
    """Events of some visitors in file order, [rows] each; an event that is no transaction has order -1."""

    time: Ints
    visitor: Ints
    event: Ints  # place in EVENTS
    item: Ints
    order: Ints


def write(folder: Path, rows: int, seed: int) -> Contents:
    """Write events.csv, item_properties_part1.csv, item_properties_part2.csv and category_tree.csv."""
    random = np.random.default_rng([seed, 0])
    counts = _visits(rows, random)
    items = max(60, rows // 12)
    tally = RunningCounts(len(counts), items, ["view", "cart", "buy"])
    quirks = {"duplicates": 0, "transactions": 0, "shared_transactions": 0}
    with open_new(folder / "events.csv") as file:
        for number, block in enumerate(_blocks(counts, items, seed)):
            _put(file, block, header=number == 0)
            given = {"view": block.event == 0, "cart": block.event > 0, "buy": block.event == 2}
            tally.add("all", block.visitor, block.item, given)
            again = repeats(block.order, block.event, block.item, block.time, block.visitor)
            orders = block.order[block.order >= 0]
            different_orders = len(np.unique(orders))
            quirks["duplicates"] += int(np.count_nonzero(again))
            quirks["transactions"] += different_orders
            quirks["shared_transactions"] += len(orders) - different_orders
    quirks["single_visitors"] = int(np.count_nonzero(counts == 1))
    raw = {"events.csv": rows, **_write_properties(folder, rows, items, seed)}
    raw["category_tree.csv"], quirks["roots"] = _write_tree(folder / "category_tree.csv", rows)
    return Contents(tuple(folder / name for name in raw), raw, tally.counts(), quirks=quirks)


def _visits(rows: int, random: np.random.Generator) -> Ints:
    visitors = max(20, round(rows / 1.958))
    singles = round(0.7115 * visitors)
    several = share_rows(rows - singles, visitors - singles, 2, random, spread=1.5, most=200)
    return random.permutation(np.concatenate([np.ones(singles, dtype=np.int64), several]))


def _blocks(counts: Ints, items: int, seed: int) -> Iterator[EventBlock]:
    orders = 0
    for number, (first, stop) in enumerate(owner_ranges(counts, BLOCK)):
        random = np.random.default_rng([seed, 1, number])
        size = counts[first:stop]
        owner = np.repeat(np.arange(first, stop), size)
        time = random.integers(START, STOP, len(owner))
        time = time[np.lexsort((time, owner))]
        late = (place_within_owner(size) + 1) / np.repeat(size, size)  # purchases come late in a visit
        event = draw_choices((0.9637, 0.0252, 0.0111), len(owner), random)
        event = np.where((event == 2) & (random.random(len(owner)) > late), 0, event)
        follows = np.flatnonzero(np.diff(owner, prepend=-1) == 0)
        event[follows] = np.where((event[follows - 1] == 2) & (random.random(len(follows)) < 0.4), 2, event[follows])
        item = draw_skewed(items, len(owner), random, power=4)
        order = _orders(owner, time, event, orders, random)
        orders = max(orders, int(order.max()) + 1)
        source = np.arange(len(owner))
        source[random.choice(follows, max(3, len(owner) // 6000), replace=False)] -= 1
        rows = random.permutation(source)
        yield EventBlock(time[rows], renumber(owner[rows], len(counts)), event[rows], item[rows], order[rows])


def _orders(owner: Ints, time: Ints, event: Ints, first: int, random: np.random.Generator) -> Ints:
    """Number the purchases; some that follow another of the same visitor belong to its order, and to its moment."""
    bought = np.flatnonzero(event == 2)
    joins = (np.diff(owner[bought], prepend=-1) == 0) & (random.random(len(bought)) < 0.5)
    order = np.full(len(event), -1, dtype=np.int64)
    order[bought] = first + np.cumsum(~joins) - 1
    head = np.maximum.accumulate(np.where(joins, 0, np.arange(len(bought))))
    time[bought] = time[bought[head]]
    return order


def _put(file: IO[bytes], block: EventBlock, header: bool) -> None:
    order = pl.Series(block.order).set(pl.Series(block.order < 0), None)
    columns: dict[str, ColumnValues] = {
        "timestamp": block.time,
        "visitorid": block.visitor,
        "event": words_at(list(EVENTS), block.event),
    }
    write_rows(file, {**columns, "itemid": block.item * 2, "transactionid": order}, header=header)


def _write_properties(folder: Path, rows: int, items: int, seed: int) -> dict[str, int]:
    total = round(rows * PROPERTIES)
    first = round(total * FIRST_PART)
    sizes = {"item_properties_part1.csv": first, "item_properties_part2.csv": total - first}
    for part, (name, size) in enumerate(sizes.items()):
        with open_new(folder / name) as file:
            for number, (start, stop) in enumerate(row_ranges(size, BLOCK)):
                random = np.random.default_rng([seed, 2, part, number])
                write_rows(file, _properties(stop - start, items, random), header=start == 0)
    return sizes


def _properties(rows: int, items: int, random: np.random.Generator) -> dict[str, pl.Series]:
    week = 1_431_226_800_000 + 604_800_000 * random.integers(0, 18, rows)
    kind = draw_choices((0.04, 0.07, 0.25, 0.64), rows, random)  # category, availability, a price, words
    name = as_text(random.integers(0, 1104, rows))
    name = name.set(pl.Series(kind == 0), "categoryid").set(pl.Series(kind == 1), "available")
    one, two = (as_text(random.integers(1, 1_300_000, rows)) for _ in range(2))
    number = concat(
        "n", as_text(random.integers(1, 900, rows)), ".", as_text(random.integers(0, 1000, rows)).str.zfill(3)
    )
    values = as_text(random.integers(0, 1700, rows)), as_text(random.integers(0, 2, rows)), number
    value = concat(one, " ", two, " ", number)
    for place, other in enumerate(values):
        value = value.zip_with(pl.Series(kind != place), other)
    item = pl.Series(2 * draw_skewed(items, rows, random, power=1.2))
    return {"timestamp": pl.Series(week), "itemid": item, "property": name, "value": value}


def _write_tree(path: Path, rows: int) -> tuple[int, int]:
    size = min(1669, max(30, rows // 100))
    category = np.arange(size)
    roots = category % 67 == 0
    with open_new(path) as file:
        parent = pl.Series(category // 3).set(pl.Series(roots), None)
        write_rows(file, {"categoryid": category, "parentid": parent}, header=True)
    return size, int(roots.sum())
