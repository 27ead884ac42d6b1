"""Columns of numbers to text files, a block at a time."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tests.facsimile.draw import Ints

ColumnValues = pl.Series | NDArray[Any]
ALPHABET = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)


@contextmanager
def open_new(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file for writing, in folders that are made on the way; `.gz` is packed, without a date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed:
                yield cast("IO[bytes]", packed)
        else:
            yield raw


def write_rows(
    file: IO[bytes],
    columns: Mapping[str, ColumnValues],
    *,
    header: bool = False,
    separator: str = ",",
    quote: Literal["never", "necessary"] = "never",
    encoding: str = "utf-8",
) -> None:
    """Append rows: columns [rows] each, the header only where `header` is set; a null is an empty field."""
    inner = separator if len(separator) == 1 else "\x1f"
    buffer = BytesIO()
    pl.DataFrame(dict(columns)).write_csv(buffer, include_header=header, separator=inner, quote_style=quote)
    if inner == separator and encoding == "utf-8":
        file.write(buffer.getbuffer())
    else:
        text = buffer.getvalue().replace(inner.encode(), separator.encode())
        file.write(text.decode().encode(encoding))


def write_lines(file: IO[bytes], lines: pl.Series) -> None:
    """Append lines of text [rows] as they are."""
    write_rows(file, {"line": lines})


def join_words(words: pl.Series, counts: Ints, separator: str) -> pl.Series:
    """Join words to lines: the first counts[0] words are line 0, and so on; a line without words is empty."""
    offsets = np.concatenate([[0], np.cumsum(counts)])
    values = words.to_arrow(compat_level=pl.CompatLevel.oldest())
    lists = cast("pl.Series", pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(offsets), values)))
    return lists.list.join(separator)


def concat(*pieces: str | pl.Series) -> pl.Series:
    """Join pieces to one text for each row, [rows] each or the same text for all; a null stands for nothing."""
    frame = pl.DataFrame({str(place): piece for place, piece in enumerate(pieces) if not isinstance(piece, str)})
    parts = [pl.lit(piece) if isinstance(piece, str) else pl.col(str(place)) for place, piece in enumerate(pieces)]
    return frame.select(pl.concat_str(parts, ignore_nulls=True)).to_series()


def as_text(number: NDArray[Any]) -> pl.Series:
    """Write numbers [rows] as text."""
    return pl.Series(number).cast(pl.String)


def in_digits(number: NDArray[np.uint64], base: int, width: int) -> pl.Series:
    """Write whole numbers [rows] in a base up to 36, upper case, with leading zeros to `width` characters."""
    place = np.uint64(base) ** np.arange(width - 1, -1, -1, dtype=np.uint64)
    characters = ALPHABET[(number[:, None] // place % np.uint64(base)).astype(np.int64)]
    offsets = pa.py_buffer(np.arange(0, len(number) * width + 1, width, dtype=np.int64))
    text = pa.LargeStringArray.from_buffers(len(number), offsets, pa.py_buffer(characters.tobytes()))
    return cast("pl.Series", pl.from_arrow(text))


def words_at(words: pl.Series | list[str], place: NDArray[Any]) -> pl.Series:
    """Return the word at each place [rows]."""
    return pl.Series(words).gather(place)
