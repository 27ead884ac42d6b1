"""Ready splits of positives in the form of LightGCN: `train.txt` and `test.txt`, a user and all its items on a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import read_numbered_blocks

STRANGE = re.compile(rb"[^0-9 \r\n]|[0-9]{19}")
FILES = {"train": "train.txt", "test": "test.txt"}


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read each pair of user and item as a row, train first, with its part; raises DataError for bad files.

    A user may have no item, and an item may be repeated on a line, which makes as many rows.
    """
    return RawTables(_log(spec, source))


def _log(spec: DatasetSpec, source: Source) -> Iterator[pl.DataFrame]:
    user, item = spec.user.key or "user", spec.item.key or "item"
    for part, name in FILES.items():
        path, rows = source.file(name), 0
        for line, piece in read_numbered_blocks(path, source.block, source.advance):
            pairs = _pairs(path, piece, line).rename({"user": user, "item": item})
            rows += len(pairs)
            if len(pairs):
                yield pairs.with_columns(split=pl.lit(part))
        if not rows:
            raise DataError(f"{path}: no user has an item; download the file again")


def _pairs(path: Path, piece: bytes, first: int) -> pl.DataFrame:
    """Return the user and item of every pair on these lines."""
    strange = STRANGE.search(piece)
    if strange is not None:
        line = first + piece.count(b"\n", 0, strange.start())
        raise DataError(
            f"{path}, line {line}: expected whole numbers joined by blanks; correct it or download it again"
        )
    lines = pl.Series(piece.decode("ascii").splitlines(), dtype=pl.String)
    words = lines.str.count_matches(r"[0-9]+").to_numpy().astype(np.int64)
    if (words == 0).any():
        raise DataError(f"{path}, line {first + int((words == 0).argmax())}: blank line; every line begins with a user")
    number = np.fromstring(piece.decode("ascii"), dtype=np.int64, sep=" ")
    start = np.cumsum(words) - words
    item = np.ones(len(number), np.bool_)
    item[start] = False
    return pl.DataFrame({"user": np.repeat(number[start], words - 1), "item": number[item]})
