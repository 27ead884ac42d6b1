"""AliExpress search: for each country and split a file of pages and one of items, joined by their first columns.

Users are pages (the number in column 1), items are distinct rows of the 47 item features. Quirks: `pages_train`,
`pages_test`, `pages_in_both` (numbers that both splits use, with features of their own in each), `pages_without_items`,
`above_one` (values of 1.00002).
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from tests.facsimile.contents import Contents, RunningCounts
from tests.facsimile.draw import (
    Floats,
    Ints,
    draw_choices,
    draw_skewed,
    fixed_uniform,
    owner_ranges,
    renumber,
    share_rows,
)
from tests.facsimile.text import ColumnValues, open_new, write_rows

BLOCK = 1 << 18  # rows of 49 columns at once
CATEGORIES = {  # place among the 33 columns of a page -> values; the first of the list is the most frequent
    1: (9,),
    2: (0, 2, 1, 3),
    3: (0, 4, 1, 5, 2, 3, 6),
    4: (0, 1),
    5: (9, 20),
    6: (4, 3, 2, 1, 5, 6, 7),
    7: (25, 0, 26, 31, 30, 40, 36, 43, 46, *range(50, 78)),
    31: (0, 6, 5, 7, 3, 4, 1, 2),
    32: (0, 3, 4, 1, 2, 5, 6, 7),
}
BINARY = (17, 32, 33, 34, 38, 39, 40)  # places among the 47 item features
ZEROS = (41, 42, 43)
NAMING = (10, 11)  # the features whose digits tell one item from all others
REPEATED = 0.08  # share of the rows whose item has been shown before
NO_ITEMS = 0.004  # share of the pages that show nothing
TOO_HIGH = 1.00002
SMALL = 0.001  # below, so that no number needs an exponent


@dataclass(frozen=True)
class Country:
    """Shares and rates of one country's data."""

    per_page: float
    train: float
    click: float
    buy: float


COUNTRIES = {
    "es": Country(22.0, 0.705, 0.02659, 0.000603),
    "fr": Country(22.8, 0.674, 0.02008, 0.000534),
    "nl": Country(19.8, 0.7, 0.02345, 0.000838),
    "us": Country(20.6, 0.728, 0.01641, 0.000395),
}


@dataclass(frozen=True)
class PageSplit:
    """One split of a country: its files, its pages and what sets it apart."""

    name: str
    pages: Ints  # [pages] numbers in the order of the file of pages
    counts: Ints  # [shown] items on each of the pages that show any, in the order of the file of items
    shown: Ints  # [shown] numbers of those pages
    first: int  # number of its first row among the rows of both splits
    salt: int


def write(name: str, folder: Path, rows: int, seed: int) -> Contents:
    """Write xx_user_train.csv, xx_item_train.csv and the same for test; `rows` counts the items of both splits."""
    code = name.removeprefix("ae-")
    country = COUNTRIES[code]
    total = max(40, round(rows / country.per_page))
    tally = RunningCounts(total, rows, ["click", "buy"])
    raw: dict[str, int] = {}
    quirks = {"pages_in_both": max(2, total // 50), "pages_without_items": 0, "above_one": 0}
    for split in _splits(country, total, rows, quirks["pages_in_both"], seed):
        user, item = f"{code}_user_{split.name}.csv", f"{code}_item_{split.name}.csv"
        raw |= {user: len(split.pages), item: int(split.counts.sum())}
        with open_new(folder / user) as file:
            for first in range(0, len(split.pages), BLOCK):
                write_rows(file, _page(split.pages[first : first + BLOCK], split.salt))
        with open_new(folder / item) as file:
            for page, vector, label in _impressions(split, country, rows, seed):
                columns = _item(vector, seed)
                write_rows(file, {"page": page, **columns, "label": label})
                tally.add(split.name, page - 1, vector, {"click": label >= 1, "buy": label == 2})
                quirks["above_one"] += sum(int(np.count_nonzero(column == TOO_HIGH)) for column in columns.values())
        quirks[f"pages_{split.name}"] = len(split.pages)
        quirks["pages_without_items"] += len(split.pages) - len(split.shown)
    return Contents(tuple(folder / name for name in raw), raw, tally.counts(), quirks=quirks)


def archive_ae(folder: Path, target: Path) -> tuple[Path, ...]:
    """Pack the files of each country in `folder` as Tianchi ships them: four zips in a folder in a zip, in `target`."""
    target.mkdir(parents=True, exist_ok=True)
    archives = []
    for code in sorted({path.name[:2] for path in folder.glob("??_item_train.csv")}):
        inner = f"aliexpress_{code.upper()}_datasets"
        archives.append(target / f"{inner}.zip")
        with zipfile.ZipFile(archives[-1], "w") as outer:
            for path in sorted(folder.glob(f"{code}_*_t*.csv")):
                with outer.open(_undated(f"{inner}/{path.stem}.zip"), "w", force_zip64=True) as file:
                    _pack(path, file)
    return tuple(archives)


def _pack(path: Path, file: IO[bytes]) -> None:
    packed = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with packed, path.open("rb") as source, packed.open(_undated(path.name), "w", force_zip64=True) as member:
        shutil.copyfileobj(source, member, 1 << 20)


def _undated(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".csv") else zipfile.ZIP_STORED
    return entry


def _splits(country: Country, total: int, rows: int, both: int, seed: int) -> Iterator[PageSplit]:
    train = round(total * country.train)
    pages = {"train": np.arange(train), "test": np.arange(train - both, total)}
    size = {"train": round(rows * country.train)}
    size["test"] = rows - size["train"]
    for place, (name, codes) in enumerate(pages.items()):
        random = np.random.default_rng([seed, place])
        number = 1 + renumber(codes, total)
        shown = random.permutation(number)[: len(number) - max(1, round(len(number) * NO_ITEMS))]
        counts = share_rows(size[name], len(shown), 1, random, spread=0.6)
        yield PageSplit(name, number, counts, shown, place * size["train"], 100 * (2 * seed + place))


def _impressions(split: PageSplit, country: Country, rows: int, seed: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield the page, the item as a number below `rows` and the label of each row."""
    done = split.first
    buy = max(country.buy, 20 / rows)  # some even in a small facsimile
    for block, (first, stop) in enumerate(owner_ranges(split.counts, BLOCK)):
        random = np.random.default_rng([seed, 2, split.salt, block])
        page = np.repeat(split.shown[first:stop], split.counts[first:stop])
        fresh = np.arange(done, done + len(page))
        seen_before = random.random(len(page)) < REPEATED
        vector = np.where(seen_before, renumber(draw_skewed(rows, len(page), random), rows), fresh)
        yield page, vector, draw_choices((1 - country.click, country.click - buy, buy), len(page), random)
        done += len(page)


def _page(number: Ints, salt: int) -> dict[str, ColumnValues]:
    columns: dict[str, ColumnValues] = {"page": number}
    for place in range(1, 33):
        values = CATEGORIES.get(place)
        part = fixed_uniform(number, salt + place)
        if values:
            columns[str(place)] = np.array(values)[(len(values) * part**3).astype(np.int64)]
        else:
            columns[str(place)] = _share(part, place)
    return columns


def _item(vector: Ints, seed: int) -> dict[str, ColumnValues]:
    columns: dict[str, ColumnValues] = {}
    low = 100_000 + vector % 900_000
    for place in range(47):
        part = fixed_uniform(vector, 100 * seed + place)
        if place in ZEROS:
            column: ColumnValues = np.zeros(len(vector), dtype=np.int64)
        elif place in BINARY:
            column = (part < 0.3).astype(np.int64)
        elif place in NAMING:
            column = (low if place == NAMING[0] else vector // 900_000 + 1000 * (100 + low % 897)) / 1_000_000
        else:
            column = _share(part, place)
        columns[str(place)] = column
    return columns


def _share(part: Floats, place: int) -> Floats:
    """Return a number of up to six decimals in [0, 1]: many of a column are 0, and a few are just above 1."""
    none = 0.9 * float(fixed_uniform(np.array([place]), 1)[0])
    share = np.maximum(part - none, 0) / (1 - none)
    share = np.where(share > 0.9999, TOO_HIGH, np.round(share, 6))
    return np.where(share < SMALL, 0, share)
