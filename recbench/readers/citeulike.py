"""CiteULike-a and -t: `users.dat`, the articles of a user on each line, and `mult.dat`, the words of an article."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import read_blocks

NUMBER = "[0-9]{1,9}"
ARTICLE, WORD = NUMBER, f"{NUMBER}:{NUMBER}"  # what the lines of `users.dat` and of `mult.dat` list


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read each pair of user and article as a row, and the words of the articles, whose numbers are joined by `|`.

    Users and articles are the lines, from 0. Raises DataError for a line whose first number is not how many follow.
    """
    return RawTables(_log(source.file("users.dat"), source), items=_articles(source.file("mult.dat"), source))


def _log(path: Path, source: Source) -> Iterator[pl.DataFrame]:
    for first, lines, counts in _lines(path, ARTICLE, source):
        number = lines.str.join(" ").str.split(" ")[0].cast(pl.Int64).to_numpy() if len(lines) else np.array([], int)
        kept = np.ones(len(number), np.bool_)
        kept[np.cumsum(counts + 1) - (counts + 1)] = False
        user = np.repeat(np.arange(first, first + len(counts)), counts)
        yield pl.DataFrame({"user": user, "item": number[kept]})


def _articles(path: Path, source: Source) -> Iterator[pl.DataFrame]:
    for first, lines, counts in _lines(path, WORD, source):
        words = lines.str.split(" ").list.slice(1).list.eval(pl.element().str.extract("^([0-9]+):")).list.join("|")
        yield pl.DataFrame({"item": np.arange(first, first + len(counts)), "words": words})


def _lines(
    path: Path, listed: str, source: Source
) -> Iterator[tuple[int, pl.Series, np.ndarray[tuple[int], np.dtype[np.int64]]]]:
    """Yield the number of the first line, from 0, the lines, and how many of what is `listed` follow the first number.

    Raises DataError for the first line that is not written so.
    """
    first, pattern = 0, f"^{NUMBER}( {listed})*$"
    for piece in read_blocks(path, source.block, source.advance):
        lines = pl.Series(piece.decode("latin-1").split("\n"), dtype=pl.String).str.strip_chars()
        lines = lines[:-1] if piece.endswith(b"\n") else lines
        said = lines.str.extract(f"^({NUMBER})").cast(pl.Int64)
        found = lines.str.count_matches(" ").cast(pl.Int64)
        wrong = ~lines.str.contains(pattern) | (said != found).fill_null(value=True)
        if wrong.any():
            raise DataError(
                f"{path}, line {first + (wrong.arg_max() or 0) + 1}: expected a number and as many numbers after it, "
                f"joined by blanks; download the file again"
            )
        yield first, lines, found.to_numpy()
        first += len(lines)
