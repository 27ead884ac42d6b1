"""Ready splits of RecZoo as JSON: a list of the lists of each user's items, one file each for train, valid and test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import read_start

USER = re.compile("0|[1-9][0-9]{0,17}")  # one way to write each number, so that no user hides another
FILES = {"train": "train_data.json", "valid": "validation_data.json", "test": "test_data.json"}


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read each pair of user and item as a row, with its part; users are places in the list, from 0.

    Each file is read as a whole. An object in place of the list has the users' numbers as keys. Raises DataError for
    another content.
    """
    return RawTables(_log(source))


def _log(source: Source) -> Iterator[pl.DataFrame]:
    for part, name in FILES.items():
        items = _lists(source.file(name))
        user = list(chain.from_iterable([number] * len(listed) for number, listed in items.items()))
        item = list(chain.from_iterable(items.values()))
        source.advance(source.file(name).stat().st_size)
        if not item:
            raise DataError(f"{source.file(name)}: no user has an item; download the file again")
        frame = pl.DataFrame({"user": user, "item": item}, {"user": pl.Int64, "item": pl.Int64})
        yield frame.with_columns(split=pl.lit(part))


def _lists(path: Path) -> dict[int, list[int]]:
    read_start(path)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise DataError(f"{path}: not readable as JSON; download the file again") from None
    named = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    items: dict[int, list[int]] = {}
    for user, listed in named:
        whole = isinstance(listed, list) and all(type(item) is int and 0 <= item < 1 << 62 for item in listed)
        if not whole or USER.fullmatch(str(user)) is None:
            raise DataError(f"{path}, user {str(user)[:40]}: expected a list of whole numbers; download the file again")
        items[int(user)] = listed
    return items
