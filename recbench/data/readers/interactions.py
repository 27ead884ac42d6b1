"""Ready splits of positives in the form of LightGCN: `train.txt` and `test.txt`, a user and all its items on a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recbench.data.blocks import blocks
from recbench.data.catalog import Spec
from recbench.data.readers import Raw, Source
from recbench.errors import DataError

FILES = {"train": "train.txt", "test": "test.txt"}


def read(spec: Spec, source: Source) -> Raw:
    """Read each pair of user and item as a row, train first, with its part; raises DataError for bad files.

    A user may have no item, and an item may be repeated on a line, which makes as many rows.
    """
    return Raw(_log(spec, source))


def _log(spec: Spec, source: Source) -> Iterator[pl.DataFrame]:
    user, item = spec.user.key or "user", spec.item.key or "item"
    for part, name in FILES.items():
        path, line, rows = source.file(name), 1, 0
        for piece in blocks(path, source.block, source.advance):
            pairs = _pairs(path, piece, line).rename({"user": user, "item": item})
            rows += len(pairs)
            if len(pairs):
                yield pairs.with_columns(split=pl.lit(part))
            line += piece.count(b"\n")
        if not rows:
            raise DataError(f"{path}: no user has an item; download the file again")


def _pairs(path: Path, piece: bytes, first: int) -> pl.DataFrame:
    try:
        lines = piece.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        line = first + piece.count(b"\n", 0, error.start)
        raise DataError(f"{path}, line {line}: expected whole numbers joined by blanks; download it again") from None
    words = pl.DataFrame({"line": range(first, first + len(lines)), "word": lines}).with_columns(
        pl.col("word").str.strip_chars().str.split(" ").list.eval(pl.element().filter(pl.element() != ""))
    )
    empty = words.filter(pl.col("word").list.len() == 0)
    if len(empty):
        raise DataError(f"{path}, line {empty['line'][0]}: blank line; every line begins with a user")
    numbers = words.select("line", "word", user=pl.col("word").list.first(), item=pl.col("word").list.slice(1)).explode(
        "item"
    )
    whole = numbers.select(
        "line",
        pl.col("user", "item").cast(pl.Int64, strict=False),
        wrong=pl.col("user").cast(pl.UInt64, strict=False).is_null()
        | (pl.col("item").is_not_null() & pl.col("item").cast(pl.UInt64, strict=False).is_null()),
    )
    if whole["wrong"].any():
        line = whole["line"][whole["wrong"].arg_max() or 0]
        raise DataError(
            f"{path}, line {line}: expected whole numbers joined by blanks; correct it or download it again"
        )
    return whole.select("user", "item").drop_nulls()
