"""Gowalla and Last.fm: check-ins as SNAP ships them, and the lines of LightGCN and KGAT, `user item item ...`.

`rows` counts check-ins (gowalla-checkins) or distinct pairs of user and item (gowalla, lastfm). Rules of check-ins:
`pairs` makes each user and place one row, `core` then keeps users and places of ten, again and again. Quirks of
check-ins: `repeat_visits`, `out_of_range` (rows with an impossible coordinate); of lines: `train_tokens`,
`test_tokens` and `repeated_tokens` (items named again in a line; Last.fm only).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from tests.facsimile.draw import BLOCK, Bools, Ints, allot, distinct, fixed, mix, runs, scatter, skewed
from tests.facsimile.known import Counts, Known, Tally, count, in_core, repeated
from tests.facsimile.text import Column, create, digits, glued, joined, put, put_lines, said

START, STOP = 1_233_705_600, 1_287_792_000  # 2009-02-04 to 2010-10-23, in seconds
CORE = 10
TEST = 0.2115  # share of a user's items that is held out
AGAIN = {"train": 0.876, "test": 0.455}  # how much oftener than once Last.fm names an item, on average


def write_checkins(folder: Path, rows: int, seed: int) -> Known:
    """Write loc-gowalla_totalCheckins.txt.gz, newest first inside a user."""
    random = np.random.default_rng([seed, 0])
    counts = allot(rows, max(20, rows // 60), 1, random, spread=1.3, most=20)
    places = max(100, rows // 5)
    number = np.cumsum(random.integers(1, 3, len(counts))) - 1
    tally = Tally(len(counts), places, ["visit"])
    pairs, strange = [], 0
    path = folder / "loc-gowalla_totalCheckins.txt.gz"
    with create(path) as file:
        for user, place, time in _checkins(counts, places, seed):
            put(file, {"u": number[user], "t": _moment(time), **_spots(place), "p": 8904 + place}, separator="\t")
            tally.add("all", user, place, {"visit": user >= 0})
            new = ~repeated(place, user)
            pairs.append((user[new], place[new]))
            strange += int(np.count_nonzero(_misplaced(place)))
    user, place = (np.concatenate(column) for column in zip(*pairs, strict=True))
    keep = in_core(user, place, CORE)
    kept = {"pairs": _distinct(user, place), "core": _distinct(user[keep], place[keep])}
    quirks = {"repeat_visits": rows - len(user), "out_of_range": strange}
    return Known((path,), {path.name: rows}, tally.counts(), kept, quirks)


def _checkins(counts: Ints, places: int, seed: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    for block, (first, stop) in enumerate(runs(counts, BLOCK)):
        random = np.random.default_rng([seed, 1, block])
        user = np.repeat(np.arange(first, stop), counts[first:stop])
        rank = skewed(places, len(user), random, power=5)
        source = np.arange(len(user))
        here = np.flatnonzero((random.random(len(user)) < 0.3) & (np.diff(user, prepend=-1) == 0))
        source[here] -= 1  # visits the place of the row above once more
        time = random.integers(START, STOP, len(user))
        yield user, scatter(rank[source], places), time[np.lexsort((-time, user))]


def _moment(time: Ints) -> pl.Series:
    return pl.Series(time * 1000).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _spots(place: Ints) -> dict[str, Column]:
    latitude = np.where(_misplaced(place), 177.4657897949, 1 + 70 * fixed(place, 1))
    west = np.where(fixed(place, 4) < 0.7, -1, 1)
    return {"latitude": latitude.round(10), "longitude": (west * (1 + 178 * fixed(place, 2))).round(10)}


def _misplaced(place: Ints) -> Bools:
    return fixed(place, 3) < 0.002


def _distinct(user: Ints, place: Ints) -> Counts:
    return count("all", user, place, {"visit": user >= 0})


def write_gowalla(folder: Path, rows: int, seed: int) -> Known:
    """Write train.txt, test.txt, user_list.txt and item_list.txt as LightGCN has them for Gowalla."""
    return _write_lines(folder, rows, seed, "visit", (34, 25), again=False)


def write_lastfm(folder: Path, rows: int, seed: int) -> Known:
    """Write the same files as KGAT has them for Last.fm: items repeat in a line, and item_list.txt names an entity."""
    return _write_lines(folder, rows, seed, "listen", (72, 36), again=True)


def _write_lines(folder: Path, rows: int, seed: int, feedback: str, per: tuple[int, int], again: bool) -> Known:
    random = np.random.default_rng([seed, 0])
    counts = allot(rows, max(20, rows // per[0]), 10, random, spread=1.1)
    items = max(rows // per[1], round(1.5 * counts.max()))
    tally = Tally(len(counts), items, [feedback])
    tokens = {"train": 0, "test": 0}
    with create(folder / "train.txt") as train, create(folder / "test.txt") as test:
        for block, (first, stop) in enumerate(runs(counts, BLOCK)):
            random = np.random.default_rng([seed, 1, block])
            user, rank = distinct(counts[first:stop], items, random)
            item = scatter(rank, items)
            tested = _tested(user, random)
            for name, file, chosen in (("train", train, ~tested), ("test", test, tested)):
                tally.add(name, user[chosen] + first, item[chosen], {feedback: user[chosen] >= 0})
                times = 1 + random.poisson(AGAIN[name] if again else 0, int(chosen.sum()))
                said_user, said_item = np.repeat(user[chosen], times), np.repeat(item[chosen], times)
                order = np.lexsort((random.random(len(said_item)) if again or name == "test" else said_item, said_user))
                put_lines(file, _lines(said_user, said_item[order], first, stop))
                tokens[name] += len(said_item)
    raw = {"train.txt": len(counts), "test.txt": len(counts)} | _write_lists(folder, len(counts), items, again)
    quirks = {"train_tokens": tokens["train"], "test_tokens": tokens["test"]}
    quirks["repeated_tokens"] = sum(tokens.values()) - rows
    return Known(tuple(folder / name for name in raw), raw, tally.counts(), quirks=quirks)


def _tested(user: Ints, random: np.random.Generator) -> Bools:
    """Hold out a share of the items of each user, user [rows] ascending: at least one, and not all."""
    chance = random.random(len(user))
    order = np.lexsort((chance, user))
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    tested = chance < TEST
    tested[order[starts]] = True
    tested[order[np.append(starts[1:], len(user)) - 1]] = False
    return tested


def _lines(user: Ints, item: Ints, first: int, stop: int) -> pl.Series:
    named = joined(said(item), np.bincount(user, minlength=stop - first), " ")
    return glued(said(np.arange(first, stop)), " ", named)


def _write_lists(folder: Path, users: int, items: int, entities: bool) -> dict[str, int]:
    user, item = np.arange(users), np.arange(items)
    with create(folder / "user_list.txt") as file:
        put(file, {"org_id": 3 * user + 7, "remap_id": user}, header=True, separator=" ")
    columns: dict[str, Column] = {"org_id": 5 * item + 420_315, "remap_id": item}
    if entities:
        columns["freebase_id"] = "m.0" + digits(mix(item, 9) % np.uint64(36**6), 36, 6).str.to_lowercase()
    with create(folder / "item_list.txt") as file:
        put(file, columns, header=True, separator=" ")
    return {"user_list.txt": users, "item_list.txt": items}
