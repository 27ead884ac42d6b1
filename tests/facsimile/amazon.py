"""Amazon 2014, Books, CDs and Beauty: ratings_*.csv, reviews_*_5.json.gz, and the files that ComiRec makes of Books.

`rows` counts ratings, all of them held in memory. Rules: `reviews` keeps users and items of five ratings, again and
again, each pair once: the rows of the JSON file; `comirec` is the same in parts by user; `core` keeps ratings of four
or more, each pair once, then users and items of ten, again and again, which leaves nothing of 2000 rows. Quirks:
`rating_1` to `rating_5`, `duplicates` (pairs rated again), `nameless` (reviews without reviewerName), `tied_days`
(reviews of a user on a day with another).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tests.facsimile.contents import Contents, Counts, count_rows, repeats, survives_core
from tests.facsimile.draw import (
    BLOCK,
    Ints,
    draw_choices,
    draw_distinct,
    hash_numbers,
    owner_ranges,
    place_within_owner,
    renumber,
    row_ranges,
    share_rows,
)
from tests.facsimile.text import (
    ColumnValues,
    as_text,
    concat,
    in_digits,
    open_new,
    words_at,
    write_lines,
    write_rows,
)

FIRST_DAY, LAST_DAY = 9863, 16273  # 1997-01-02 to 2014-07-22, in days since 1970
CHANCES = (0.05, 0.05, 0.09, 0.2, 0.61)  # of 1 to 5 stars
TEXTS = (
    'A "must read": I could not put it down.',
    "Not for me.\nThe second half drags\tand drags.",
    "Très bien écrit, café & croissants — 10/10.",
    "C:\\temp is mentioned on page 3, {sic}.",
    "",
)
SUMMARIES = ("Heavenly Highway Hymns", 'The "best" one', "So-so, really", "Don't", "五つ星")
NAMES = ("J. McDonald", 'Robert "Bob" Lee', "José", "A. B., reader", "Kindle Customer")


@dataclass(frozen=True)
class ReviewCategory:
    """One category: its name in the files, and how many ratings a user and an item have on average."""

    title: str
    per_user: float
    per_item: float


BOOKS, CDS = ReviewCategory("Books", 2.804, 9.66), ReviewCategory("CDs_and_Vinyl", 2.375, 7.708)
BEAUTY = ReviewCategory("Beauty", 2.2, 8.116)


@dataclass(frozen=True)
class Reviews:
    """Ratings in file order, [rows] each; users and items from 0, items in the order of their codes."""

    user: NDArray[Any]
    item: NDArray[Any]
    rating: NDArray[Any]
    day: NDArray[Any]

    def take(self, rows: Ints) -> Reviews:
        """Return some of the rows."""
        return Reviews(self.user[rows], self.item[rows], self.rating[rows], self.day[rows])

    def counts(self) -> Counts:
        """Count the rows as one part, each a positive."""
        return count_rows("all", self.user, self.item, {"review": self.rating > 0})


def write_books(folder: Path, rows: int, seed: int) -> Contents:
    """Write ratings_Books.csv, reviews_Books_5.json.gz and book_data/, as ComiRec prepares it."""
    return _write(BOOKS, folder, rows, seed, _write_comirec)


def write_cds(folder: Path, rows: int, seed: int) -> Contents:
    """Write ratings_CDs_and_Vinyl.csv and reviews_CDs_and_Vinyl_5.json.gz."""
    return _write(CDS, folder, rows, seed, None)


def write_beauty(folder: Path, rows: int, seed: int) -> Contents:
    """Write ratings_Beauty.csv and reviews_Beauty_5.json.gz; users rate more often than the real ones."""
    return _write(BEAUTY, folder, rows, seed, None)


PreparedFiles = tuple[dict[str, int], Counts]


def _write(
    family: ReviewCategory,
    folder: Path,
    rows: int,
    seed: int,
    prepare: Callable[[Path, Reviews, int, _Codes], PreparedFiles] | None,
) -> Contents:
    users, items = max(40, round(rows / family.per_user)), max(40, round(rows / family.per_item))
    log = _ratings(rows, users, items, seed)
    names = f"ratings_{family.title}.csv", f"reviews_{family.title}_5.json.gz"
    code = _Codes(users, items)
    with open_new(folder / names[0]) as file:
        for first, stop in row_ranges(rows, BLOCK):
            part = log.take(np.arange(first, stop))
            columns: dict[str, ColumnValues] = {
                "u": code.user(part.user),
                "i": code.item(part.item),
                "r": part.rating.astype(np.float64),
            }
            write_rows(file, {**columns, "t": _seconds(part.day)})
    reviews, core = _core(log, 5), _core(log.take(np.flatnonzero(log.rating >= 4)), 10)
    nameless = _write_reviews(folder / names[1], reviews, code)
    raw = {names[0]: rows, names[1]: len(reviews.user)}
    kept = {"reviews": reviews.counts(), "core": core.counts()}
    if prepare:
        files, kept["comirec"] = prepare(folder / "book_data", reviews, seed, code)
        raw |= files
    quirks = {f"rating_{stars}": int(np.count_nonzero(log.rating == stars)) for stars in range(1, 6)}
    quirks |= {"duplicates": int(np.count_nonzero(repeats(log.item, log.user))), "nameless": nameless}
    quirks["tied_days"] = int(np.count_nonzero(repeats(reviews.day, reviews.user)))
    return Contents(tuple(folder / name for name in raw), raw, log.counts(), kept, quirks)


def _ratings(rows: int, users: int, items: int, seed: int) -> Reviews:
    most = min(60, users / 2 * items / rows)  # times the mean, so that enough users are left to rate a thing once
    counts = share_rows(rows, items, 1, np.random.default_rng([seed, 0]), spread=1.8, most=most)
    parts = []
    for block, (first, stop) in enumerate(owner_ranges(counts, BLOCK)):
        random = np.random.default_rng([seed, 1, block])
        owner, rank = draw_distinct(counts[first:stop], users, random, power=6.0)
        shuffled = np.lexsort((random.random(len(owner)), owner))
        item, user = owner[shuffled] + first, renumber(rank[shuffled], users)
        twice = 1 + random.choice(len(user) - 1, max(2, len(user) // 20_000), replace=False)
        user[twice] = np.where(item[twice] == item[twice - 1], user[twice - 1], user[twice])
        day = FIRST_DAY + ((LAST_DAY - FIRST_DAY) * random.random(len(user)) ** 0.3).astype(np.int64)
        rating = 1 + draw_choices(CHANCES, len(user), random)
        # Narrow types, as the whole log is held.
        narrow = user.astype(np.int32), item.astype(np.int32), rating.astype(np.int8), day.astype(np.int32)
        parts.append(Reviews(*narrow))
    return Reviews(*(np.concatenate([getattr(part, name) for part in parts]) for name in Reviews.__annotations__))


def _seconds(day: NDArray[Any]) -> Ints:
    return day.astype(np.int64) * 86_400


def _core(log: Reviews, least: int) -> Reviews:
    once = log.take(np.flatnonzero(~repeats(log.item, log.user)))
    return once.take(np.flatnonzero(survives_core(once.user, once.item, least)))


class _Codes:
    """The text that stands for a user or an item; those of items ascend."""

    def __init__(self, users: int, items: int) -> None:
        self._step = 36**12 // users
        self._books = items // 2  # the first half has ISBNs, the rest codes that begin with B
        self._isbn, self._asin = 10**10 // (self._books + 1), 36**7 // (items + 1)

    def user(self, user: Ints) -> pl.Series:
        return "A" + in_digits(_jittered(user, self._step), 36, 12)

    def item(self, item: Ints) -> pl.Series:
        book = item < self._books
        isbn = in_digits(_jittered(np.where(book, item, 0), self._isbn), 10, 10)
        asin = "B00" + in_digits(_jittered(item, self._asin), 36, 7)
        return isbn.zip_with(pl.Series(book), asin)


def _jittered(number: Ints, step: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return number.astype(np.uint64) * np.uint64(step) + hash_numbers(number, 5) % np.uint64(step)


def _write_reviews(path: Path, log: Reviews, code: _Codes) -> int:
    nameless = 0
    with open_new(path) as file:
        for first, stop in row_ranges(len(log.user), BLOCK // 4):
            part = log.take(np.arange(first, stop))
            name = (hash_numbers(part.user, 6) % np.uint64(len(NAMES) + 1)).astype(np.int64)
            write_lines(file, _json(part, name, code))
            nameless += int(np.count_nonzero(name == len(NAMES)))
    return nameless


def _json(log: Reviews, name: Ints, code: _Codes) -> pl.Series:
    row = np.arange(len(log.user))
    votes = (log.day + row) % 9
    names = [f', "reviewerName": {json.dumps(word)}' for word in NAMES]
    return concat(
        *(
            '{"reviewerID": "',
            code.user(log.user),
            '", "asin": "',
            code.item(log.item),
            '"',
            words_at([*names, ""], name),
        ),
        *(', "helpful": [', as_text(votes // 2), ", ", as_text(votes)),
        *('], "reviewText": ', words_at([json.dumps(text) for text in TEXTS], row % len(TEXTS))),
        *(', "overall": ', as_text(log.rating.astype(np.float64))),
        *(', "summary": ', words_at([json.dumps(text) for text in SUMMARIES], row // 3 % len(SUMMARIES))),
        *(', "unixReviewTime": ', as_text(_seconds(log.day))),
        *(', "reviewTime": "', pl.Series(log.day).cast(pl.Int32).cast(pl.Date).dt.strftime("%m %-d, %Y"), '"}'),
    )


def _write_comirec(folder: Path, log: Reviews, seed: int, code: _Codes) -> PreparedFiles:
    """Write what ComiRec's preprocess/data.py makes of the reviews: users in three parts, positions for times."""
    users, user = np.unique(log.user, return_inverse=True)
    items, item = np.unique(log.item, return_inverse=True)
    item_number = np.empty(len(items), dtype=np.int64)
    item_number[np.argsort(-np.bincount(item), kind="stable")] = 1 + np.arange(len(items))
    user_number = np.random.default_rng([seed, 2]).permutation(len(users))
    order = np.lexsort((log.day, user_number[user]))
    user, item = user_number[user[order]], item_number[item[order]]
    position = place_within_owner(np.bincount(user, minlength=len(users)))
    edges = np.searchsorted(user, [0, int(0.8 * len(users)), int(0.9 * len(users)), len(users)]).tolist()
    parts = {}
    for part, first, stop in zip(("train", "valid", "test"), edges, edges[1:], strict=False):
        with open_new(folder / f"book_{part}.txt") as file:
            write_rows(file, {"u": user[first:stop], "i": item[first:stop], "p": position[first:stop]})
        parts[part] = stop - first
    maps: dict[str, dict[str, ColumnValues]] = {
        "item_map": {"asin": code.item(items), "id": item_number},
        "user_map": {"reviewer": code.user(users), "id": user_number},
        "item_cate": {"item": item_number, "cate": 1 + items % 1600},
    }
    raw = {f"{folder.name}/book_{part}.txt": rows for part, rows in parts.items()}
    for name, columns in maps.items():
        with open_new(folder / f"book_{name}.txt") as file:
            write_rows(file, columns)
        raw[f"{folder.name}/book_{name}.txt"] = len(users if name == "user_map" else items)
    return raw, Counts(parts, len(users), len(items), {"review": len(user)})
