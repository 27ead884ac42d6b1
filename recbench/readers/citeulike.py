"""CiteULike-a and -t: `users.dat`, the articles of a user on each line, and `mult.dat`, the words of an article."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import read_numbered_blocks

NUMBER = "[0-9]{1,9}"
ARTICLE, WORD = NUMBER, f"{NUMBER}:{NUMBER}"  # what lines of `users.dat` and of `mult.dat` list


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read each pair of user and article as a row, and the words of the articles, whose numbers are joined by `|`.

    Users and articles are the lines, from 0. Raises DataError for a line whose first number is not how many follow.
    """
    return RawTables(_log(source.file("users.dat"), source), items=_articles(source.file("mult.dat"), source))


def _log(path: Path, source: Source) -> Iterator[pl.DataFrame]:
    for lines in _lines(path, ARTICLE, source):
        yield lines.explode("listed").drop_nulls().select(user="line", item=pl.col("listed").cast(pl.Int64))


def _articles(path: Path, source: Source) -> Iterator[pl.DataFrame]:
    word = pl.element().str.extract("^([0-9]+):")
    for lines in _lines(path, WORD, source):
        yield lines.select(item="line", words=pl.col("listed").list.eval(word).list.join("|"))


def _lines(path: Path, each: str, source: Source) -> Iterator[pl.DataFrame]:
    """Yield the number of each line, from 0, as `line` and what follows its first number as `listed`, a list of texts.

    Raises DataError for the first line that does not list as much as its first number says, `each` written so.
    """
    pattern = f"^{NUMBER}( {each})*$"
    for first, piece in read_numbered_blocks(path, source.block, source.advance):
        lines = pl.Series(piece.decode("latin-1").split("\n"), dtype=pl.String).str.strip_chars()
        lines = lines[:-1] if piece.endswith(b"\n") else lines
        said = lines.str.extract(f"^({NUMBER})").cast(pl.Int64)
        wrong = ~lines.str.contains(pattern) | (said != lines.str.count_matches(" ")).fill_null(value=True)
        if wrong.any():
            raise DataError(
                f"{path}, line {first + (wrong.arg_max() or 0)}: expected a number and as many numbers after it, "
                f"joined by blanks; download the file again"
            )
        number = pl.int_range(first - 1, first - 1 + len(lines), eager=True)
        yield pl.DataFrame({"line": number, "listed": lines.str.split(" ").list.slice(1)})
