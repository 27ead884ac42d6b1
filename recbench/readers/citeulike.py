"""CiteULike-a and -t: `users.dat`, the articles of a user on each line, and `mult.dat`, the words of an article."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import read_blocks

STRANGE = re.compile(rb"[^0-9: \r\n]|[0-9]{10}")


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read each pair of user and article as a row, and the words of the articles, whose numbers are joined by `|`.

    Users and articles are the lines, from 0. Raises DataError for a line whose first number is not how many follow.
    """
    return RawTables(_log(source.file("users.dat"), source), items=_articles(source.file("mult.dat"), source))


def _log(path: Path, source: Source) -> Iterator[pl.DataFrame]:
    for first, lines, counts in _lines(path, source):
        number = lines.str.join(" ").str.split(" ")[0].cast(pl.Int64).to_numpy() if len(lines) else np.array([], int)
        kept = np.ones(len(number), np.bool_)
        kept[np.cumsum(counts + 1) - (counts + 1)] = False
        user = np.repeat(np.arange(first, first + len(counts)), counts)
        yield pl.DataFrame({"user": user, "item": number[kept]})


def _articles(path: Path, source: Source) -> Iterator[pl.DataFrame]:
    for first, lines, counts in _lines(path, source):
        words = lines.str.split(" ").list.slice(1).list.eval(pl.element().str.extract("^([0-9]+):")).list.join("|")
        yield pl.DataFrame({"item": np.arange(first, first + len(counts)), "words": words})


def _lines(path: Path, source: Source) -> Iterator[tuple[int, pl.Series, np.ndarray[tuple[int], np.dtype[np.int64]]]]:
    """Yield the number of the first line, from 0, the lines, and how many words follow the first on each."""
    first = 0
    for piece in read_blocks(path, source.block, source.advance):
        strange = STRANGE.search(piece)
        lines = pl.Series(piece.decode("latin-1").splitlines(), dtype=pl.String).str.strip_chars()
        said = lines.str.extract("^([0-9]{1,9})( |$)").cast(pl.Int64)
        found = lines.str.count_matches(" ").cast(pl.Int64)
        wrong = (said.is_null() | (said != found)).fill_null(value=True)
        if strange is not None or wrong.any():
            place = piece.count(b"\n", 0, strange.start()) if strange is not None else (wrong.arg_max() or 0)
            raise DataError(
                f"{path}, line {first + place + 1}: expected a number and as many numbers after it, joined by blanks; "
                f"download the file again"
            )
        yield first, lines, found.to_numpy()
        first += len(lines)
