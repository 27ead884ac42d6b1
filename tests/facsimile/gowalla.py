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

from tests.facsimile.contents import Contents, Counts, RunningCounts, count_rows, repeats, survives_core
from tests.facsimile.draw import (
    BLOCK,
    Bools,
    Ints,
    draw_distinct,
    draw_skewed,
    fixed_uniform,
    hash_numbers,
    owner_ranges,
    renumber,
    share_rows,
)
from tests.facsimile.text import (
    ColumnValues,
    as_text,
    concat,
    in_digits,
    join_words,
    open_new,
    write_lines,
    write_rows,
)

START, STOP = 1_233_705_600, 1_287_792_000  # 2009-02-04 to 2010-10-23, in seconds
CORE = 10
TEST = 0.2115  # share of a user's items that is held out
AGAIN = {"train": 0.876, "test": 0.455}  # how much oftener than once Last.fm names an item, on average


def write_checkins(folder: Path, rows: int, seed: int) -> Contents:
    """Write loc-gowalla_totalCheckins.txt.gz, newest first inside a user."""
    random = np.random.default_rng([seed, 0])
    counts = share_rows(rows, max(20, rows // 60), 1, random, spread=1.3, most=20)
    places = max(100, rows // 5)
    number = np.cumsum(random.integers(1, 3, len(counts))) - 1
    tally = RunningCounts(len(counts), places, ["visit"])
    pairs, strange = [], 0
    path = folder / "loc-gowalla_totalCheckins.txt.gz"
    with open_new(path) as file:
        for user, place, time in _checkins(counts, places, seed):
            write_rows(
                file, {"u": number[user], "t": _moment(time), **_spots(place), "p": 8904 + place}, separator="\t"
            )
            tally.add("all", user, place, {"visit": user >= 0})
            new = ~repeats(place, user)
            pairs.append((user[new], place[new]))
            strange += int(np.count_nonzero(_misplaced(place)))
    user, place = (np.concatenate(column) for column in zip(*pairs, strict=True))
    keep = survives_core(user, place, CORE)
    kept = {"pairs": _distinct(user, place), "core": _distinct(user[keep], place[keep])}
    quirks = {"repeat_visits": rows - len(user), "out_of_range": strange}
    return Contents((path,), {path.name: rows}, tally.counts(), kept, quirks)


def _checkins(counts: Ints, places: int, seed: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    for block, (first, stop) in enumerate(owner_ranges(counts, BLOCK)):
        random = np.random.default_rng([seed, 1, block])
        user = np.repeat(np.arange(first, stop), counts[first:stop])
        rank = draw_skewed(places, len(user), random, power=5)
        source = np.arange(len(user))
        here = np.flatnonzero((random.random(len(user)) < 0.3) & (np.diff(user, prepend=-1) == 0))
        source[here] -= 1  # visits the place of the row above once more
        time = random.integers(START, STOP, len(user))
        yield user, renumber(rank[source], places), time[np.lexsort((-time, user))]


def _moment(time: Ints) -> pl.Series:
    return pl.Series(time * 1000).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _spots(place: Ints) -> dict[str, ColumnValues]:
    latitude = np.where(_misplaced(place), 177.4657897949, 1 + 70 * fixed_uniform(place, 1))
    west = np.where(fixed_uniform(place, 4) < 0.7, -1, 1)
    return {"latitude": latitude.round(10), "longitude": (west * (1 + 178 * fixed_uniform(place, 2))).round(10)}


def _misplaced(place: Ints) -> Bools:
    return fixed_uniform(place, 3) < 0.002


def _distinct(user: Ints, place: Ints) -> Counts:
    return count_rows("all", user, place, {"visit": user >= 0})


def write_gowalla(folder: Path, rows: int, seed: int) -> Contents:
    """Write train.txt, test.txt, user_list.txt and item_list.txt as LightGCN has them for Gowalla."""
    return _write_lines(folder, rows, seed, "visit", (34, 25), again=False)


def write_lastfm(folder: Path, rows: int, seed: int) -> Contents:
    """Write the same files as KGAT has them for Last.fm: items repeat in a line, and item_list.txt names an entity."""
    return _write_lines(folder, rows, seed, "listen", (72, 36), again=True)


def _write_lines(folder: Path, rows: int, seed: int, feedback: str, per: tuple[int, int], again: bool) -> Contents:
    random = np.random.default_rng([seed, 0])
    counts = share_rows(rows, max(20, rows // per[0]), 10, random, spread=1.1)
    items = max(rows // per[1], round(1.5 * counts.max()))
    tally = RunningCounts(len(counts), items, [feedback])
    tokens = {"train": 0, "test": 0}
    with open_new(folder / "train.txt") as train, open_new(folder / "test.txt") as test:
        for block, (first, stop) in enumerate(owner_ranges(counts, BLOCK)):
            random = np.random.default_rng([seed, 1, block])
            user, rank = draw_distinct(counts[first:stop], items, random)
            item = renumber(rank, items)
            tested = _tested(user, random)
            for name, file, chosen in (("train", train, ~tested), ("test", test, tested)):
                tally.add(name, user[chosen] + first, item[chosen], {feedback: user[chosen] >= 0})
                times = 1 + random.poisson(AGAIN[name] if again else 0, int(chosen.sum()))
                repeated_user, repeated_item = np.repeat(user[chosen], times), np.repeat(item[chosen], times)
                order = np.lexsort(
                    (random.random(len(repeated_item)) if again or name == "test" else repeated_item, repeated_user)
                )
                write_lines(file, _lines(repeated_user, repeated_item[order], first, stop))
                tokens[name] += len(repeated_item)
    raw = {"train.txt": len(counts), "test.txt": len(counts)} | _write_lists(folder, len(counts), items, again)
    quirks = {"train_tokens": tokens["train"], "test_tokens": tokens["test"]}
    quirks["repeated_tokens"] = sum(tokens.values()) - rows
    return Contents(tuple(folder / name for name in raw), raw, tally.counts(), quirks=quirks)


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
    named = join_words(as_text(item), np.bincount(user, minlength=stop - first), " ")
    return concat(as_text(np.arange(first, stop)), " ", named)


def _write_lists(folder: Path, users: int, items: int, entities: bool) -> dict[str, int]:
    user, item = np.arange(users), np.arange(items)
    with open_new(folder / "user_list.txt") as file:
        write_rows(file, {"org_id": 3 * user + 7, "remap_id": user}, header=True, separator=" ")
    columns: dict[str, ColumnValues] = {"org_id": 5 * item + 420_315, "remap_id": item}
    if entities:
        columns["freebase_id"] = "m.0" + in_digits(hash_numbers(item, 9) % np.uint64(36**6), 36, 6).str.to_lowercase()
    with open_new(folder / "item_list.txt") as file:
        write_rows(file, columns, header=True, separator=" ")
    return {"user_list.txt": users, "item_list.txt": items}
