"""Rows of written files, counted again from their text with nothing of what wrote it."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from tests.facsimile import (
    Counts,
)

LISTS = ("user_list.txt", "item_list.txt")

Row = tuple[str, str | None, str | None, dict[str, bool]]  # part, user, item, feedback


def lines(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return [str(row) for row in pl.read_parquet(path).rows()]
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    latin = path.suffix == ".dat" or path.name.startswith("u.")
    text = raw.decode("iso-8859-1" if latin else "utf-8")
    assert text.endswith("\n") and "\r" not in text
    return text.removesuffix("\n").split("\n")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


def split(path: Path, separator: str, width: int) -> list[list[str]]:
    rows = [line.split(separator) for line in lines(path)]
    assert {len(row) for row in rows} == {width}
    return rows


def counted(rows: Iterable[Row], feedback: Iterable[str]) -> Counts:
    part: Counter[str] = Counter()
    users, items = set(), set()
    positives = dict.fromkeys(feedback, 0)
    for name, user, item, given in rows:
        part[name] += 1
        users.add(user)
        items.add(item)
        for kind in positives:
            positives[kind] += given[kind]
    return Counts(dict(part), len(users - {None}), len(items - {None}), positives)


def core(pairs: set[tuple[str, str]], least: int) -> set[tuple[str, str]]:
    while True:
        user, item = Counter(pair[0] for pair in pairs), Counter(pair[1] for pair in pairs)
        left = {pair for pair in pairs if user[pair[0]] >= least and item[pair[1]] >= least}
        if left == pairs:
            return left
        pairs = left


def copies(rows: Iterable[object]) -> int:
    return sum(number - 1 for number in Counter(rows).values())
