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

from tests.facsimile.draw import BLOCK, Ints, allot, choose, runs, scatter, skewed, spans, within
from tests.facsimile.known import Known, Tally, repeated
from tests.facsimile.text import Column, create, glued, put, said, taken

EVENTS = ("view", "addtocart", "transaction")
START, STOP = 1_430_622_004_384, 1_442_545_187_788  # milliseconds
PROPERTIES = 7.357  # rows of item properties for each event
FIRST_PART = 0.5425


@dataclass(frozen=True)
class Block:
    """Events of some visitors in file order, [rows] each; an event that is no transaction has order -1."""

    time: Ints
    visitor: Ints
    event: Ints  # place in EVENTS
    item: Ints
    order: Ints


def write(folder: Path, rows: int, seed: int) -> Known:
    """Write events.csv, item_properties_part1.csv, item_properties_part2.csv and category_tree.csv."""
    random = np.random.default_rng([seed, 0])
    counts = _visits(rows, random)
    items = max(60, rows // 12)
    tally = Tally(len(counts), items, ["view", "cart", "buy"])
    quirks = {"duplicates": 0, "transactions": 0, "shared_transactions": 0}
    with create(folder / "events.csv") as file:
        for number, block in enumerate(_blocks(counts, items, seed)):
            _put(file, block, header=number == 0)
            given = {"view": block.event == 0, "cart": block.event > 0, "buy": block.event == 2}
            tally.add("all", block.visitor, block.item, given)
            again = repeated(block.order, block.event, block.item, block.time, block.visitor)
            orders = block.order[block.order >= 0]
            distinct = len(np.unique(orders))
            quirks["duplicates"] += int(np.count_nonzero(again))
            quirks["transactions"] += distinct
            quirks["shared_transactions"] += len(orders) - distinct
    quirks["single_visitors"] = int(np.count_nonzero(counts == 1))
    raw = {"events.csv": rows, **_write_properties(folder, rows, items, seed)}
    raw["category_tree.csv"], quirks["roots"] = _write_tree(folder / "category_tree.csv", rows)
    return Known(tuple(folder / name for name in raw), raw, tally.counts(), quirks=quirks)


def _visits(rows: int, random: np.random.Generator) -> Ints:
    visitors = max(20, round(rows / 1.958))
    singles = round(0.7115 * visitors)
    several = allot(rows - singles, visitors - singles, 2, random, spread=1.5, most=200)
    return random.permutation(np.concatenate([np.ones(singles, dtype=np.int64), several]))


def _blocks(counts: Ints, items: int, seed: int) -> Iterator[Block]:
    orders = 0
    for number, (first, stop) in enumerate(runs(counts, BLOCK)):
        random = np.random.default_rng([seed, 1, number])
        size = counts[first:stop]
        owner = np.repeat(np.arange(first, stop), size)
        time = random.integers(START, STOP, len(owner))
        time = time[np.lexsort((time, owner))]
        late = (within(size) + 1) / np.repeat(size, size)  # purchases come late in a visit
        event = choose((0.9637, 0.0252, 0.0111), len(owner), random)
        event = np.where((event == 2) & (random.random(len(owner)) > late), 0, event)
        follows = np.flatnonzero(np.diff(owner, prepend=-1) == 0)
        event[follows] = np.where((event[follows - 1] == 2) & (random.random(len(follows)) < 0.4), 2, event[follows])
        item = skewed(items, len(owner), random, power=4)
        order = _orders(owner, time, event, orders, random)
        orders = max(orders, int(order.max()) + 1)
        source = np.arange(len(owner))
        source[random.choice(follows, max(3, len(owner) // 6000), replace=False)] -= 1
        rows = random.permutation(source)
        yield Block(time[rows], scatter(owner[rows], len(counts)), event[rows], item[rows], order[rows])


def _orders(owner: Ints, time: Ints, event: Ints, first: int, random: np.random.Generator) -> Ints:
    """Number the purchases; some that follow another of the same visitor belong to its order, and to its moment."""
    bought = np.flatnonzero(event == 2)
    joins = (np.diff(owner[bought], prepend=-1) == 0) & (random.random(len(bought)) < 0.5)
    order = np.full(len(event), -1, dtype=np.int64)
    order[bought] = first + np.cumsum(~joins) - 1
    head = np.maximum.accumulate(np.where(joins, 0, np.arange(len(bought))))
    time[bought] = time[bought[head]]
    return order


def _put(file: IO[bytes], block: Block, header: bool) -> None:
    order = pl.Series(block.order).set(pl.Series(block.order < 0), None)
    columns: dict[str, Column] = {
        "timestamp": block.time,
        "visitorid": block.visitor,
        "event": taken(list(EVENTS), block.event),
    }
    put(file, {**columns, "itemid": block.item * 2, "transactionid": order}, header=header)


def _write_properties(folder: Path, rows: int, items: int, seed: int) -> dict[str, int]:
    total = round(rows * PROPERTIES)
    first = round(total * FIRST_PART)
    sizes = {"item_properties_part1.csv": first, "item_properties_part2.csv": total - first}
    for part, (name, size) in enumerate(sizes.items()):
        with create(folder / name) as file:
            for number, (start, stop) in enumerate(spans(size, BLOCK)):
                random = np.random.default_rng([seed, 2, part, number])
                put(file, _properties(stop - start, items, random), header=start == 0)
    return sizes


def _properties(rows: int, items: int, random: np.random.Generator) -> dict[str, pl.Series]:
    week = 1_431_226_800_000 + 604_800_000 * random.integers(0, 18, rows)
    kind = choose((0.04, 0.07, 0.25, 0.64), rows, random)  # category, availability, a price, words
    name = said(random.integers(0, 1104, rows))
    name = name.set(pl.Series(kind == 0), "categoryid").set(pl.Series(kind == 1), "available")
    one, two = (said(random.integers(1, 1_300_000, rows)) for _ in range(2))
    number = glued("n", said(random.integers(1, 900, rows)), ".", said(random.integers(0, 1000, rows)).str.zfill(3))
    values = said(random.integers(0, 1700, rows)), said(random.integers(0, 2, rows)), number
    value = glued(one, " ", two, " ", number)
    for place, other in enumerate(values):
        value = value.zip_with(pl.Series(kind != place), other)
    item = pl.Series(2 * skewed(items, rows, random, power=1.2))
    return {"timestamp": pl.Series(week), "itemid": item, "property": name, "value": value}


def _write_tree(path: Path, rows: int) -> tuple[int, int]:
    size = min(1669, max(30, rows // 100))
    category = np.arange(size)
    roots = category % 67 == 0
    with create(path) as file:
        parent = pl.Series(category // 3).set(pl.Series(roots), None)
        put(file, {"categoryid": category, "parentid": parent}, header=True)
    return size, int(roots.sum())
