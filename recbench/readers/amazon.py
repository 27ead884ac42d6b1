"""Amazon reviews of 2014, 5-core: `reviews_<category>_5.json.gz`, one JSON object per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.readers.building_blocks.json_lines import json_object
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import read_numbered_blocks

KEYS = {"reviewerID": pl.String, "asin": pl.String, "overall": pl.Float64, "unixReviewTime": pl.Int64}


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read reviewer, product, rating and day of every review; raises DataError for bad files."""
    return RawTables(_log(source))


def _log(source: Source) -> Iterator[pl.DataFrame]:
    for path in source.files.values():
        rows = 0
        for line, piece in read_numbered_blocks(path, source.block, source.advance):
            frame = _reviews(path, piece, line)
            rows += len(frame)
            yield frame
        if not rows:
            raise DataError(f"{path}: no reviews; download it again")


def _reviews(path: Path, piece: bytes, first: int) -> pl.DataFrame:
    lines = piece.count(b"\n") + (not piece.endswith(b"\n"))
    try:
        frame = pl.read_ndjson(piece, schema=KEYS)
    except pl.exceptions.PolarsError:
        frame = pl.DataFrame(schema=KEYS)
    if len(frame) != lines or any(frame.null_count().row(0)):
        raise _bad(path, piece, first)
    return frame


def _bad(path: Path, piece: bytes, first: int) -> DataError:
    """Return the error for the first line that is not as it should be."""
    for number, line in enumerate(piece.splitlines(), first):
        where = f"{path}, line {number}"
        review = json_object(where, line)
        for key, kind in KEYS.items():
            right = isinstance(review.get(key), str) if kind == pl.String else _is_number(review.get(key))
            if not right:
                return DataError(f"{where}: `{key}` is {str(review.get(key))[:40]!r}; expected {_words(kind)}")
    return DataError(f"{path}, lines from {first}: not readable as JSON lines; download the file again")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(kind: type[pl.DataType]) -> str:
    return "text" if kind == pl.String else "a number"
