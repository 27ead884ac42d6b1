"""Reviews on Steam: one Python dictionary a line, packed by gzip."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import read_numbered_blocks

EPOCH = date(1970, 1, 1).toordinal()
SCHEMA = {"username": pl.String, "product_id": pl.String, "hours": pl.Float64, "date": pl.Int64}


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read user, game, hours played (null where unknown) and day, in seconds since 1970, of every review.

    Raises DataError for a line that is no dictionary of these.
    """
    return RawTables(_log(source))


def _log(source: Source) -> Iterator[pl.DataFrame]:
    for path in source.files.values():
        rows = 0
        for first, piece in read_numbered_blocks(path, source.block, source.advance):
            reviews = [_review(path, line, text) for line, text in enumerate(piece.splitlines(), first)]
            rows += len(reviews)
            yield pl.DataFrame(reviews, schema=SCHEMA, orient="row")
        if not rows:
            raise DataError(f"{path}: no reviews; download it again")


def _review(path: Path, line: int, text: bytes) -> tuple[str, str, float | None, int]:
    try:
        review = ast.literal_eval(text.decode())
        day = date.fromisoformat(review["date"]).toordinal() - EPOCH
        user, game, hours = review["username"], review["product_id"], review.get("hours")
        if not (isinstance(user, str) and isinstance(game, str)):
            raise TypeError
        return user, game, None if hours is None else float(hours), 86_400 * day
    except (ArithmeticError, AttributeError, KeyError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
        raise DataError(
            f"{path}, line {line}: expected a Python dictionary with texts `username`, `product_id` and `date` (as "
            f"2017-12-17); download the file again"
        ) from None
