"""MovieLens 20M, 25M and 32M: CSV with a header, quoted where a field needs it; links.csv and tags.csv as by-catch.

Quirks beside those of all sets: `quoted_titles`, `doubled_quotes`, `no_genres`. The genome files are not written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from tests.facsimile.contents import Contents
from tests.facsimile.draw import draw_skewed
from tests.facsimile.movielens import RatingCounts, RatingPlan, blocks, genres, inverted, nicknamed, settle, titles
from tests.facsimile.text import ColumnValues, as_text, open_new, words_at, write_rows

GENRES = (
    *("Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "IMAX", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
WORDS = ("dark", "based on a book", 'so-called "art"', "funny, in parts", "Été", "atmospheric")


def write(name: str, folder: Path, rows: int, seed: int) -> Contents:
    """Write ratings.csv, by user and film, with movies.csv, links.csv and tags.csv."""
    settled = settle(name, rows, seed)
    seen = RatingCounts(settled)
    with open_new(folder / "ratings.csv") as file:
        for number, block in enumerate(blocks(settled, by_movie=True)):
            seen.add(block)
            columns: dict[str, ColumnValues] = {
                "userId": block.user + 1,
                "movieId": settled.movie[block.movie],
                "rating": block.rating,
            }
            write_rows(file, {**columns, "timestamp": block.time}, header=number == 0)
    movie = settled.movie
    bare = movie % 40 == 1
    with open_new(folder / "movies.csv") as file:
        kinds = genres(movie, GENRES).set(pl.Series(bare), "(no genres listed)")
        write_rows(
            file,
            {"movieId": movie, "title": titles(movie, quotes=True), "genres": kinds},
            header=True,
            quote="necessary",
        )
    with open_new(folder / "links.csv") as file:
        links: dict[str, ColumnValues] = {"movieId": movie, "imdbId": as_text(100 + 7 * movie).str.zfill(7)}
        write_rows(file, {**links, "tmdbId": pl.Series(movie * 3).set(pl.Series(movie % 90 == 0), None)}, header=True)
    tags = _write_tags(settled, folder / "tags.csv")
    raw = {"ratings.csv": rows, "movies.csv": len(movie), "links.csv": len(movie), "tags.csv": tags}
    quoted, doubled = inverted(movie) | nicknamed(movie), nicknamed(movie)
    counted = {"quoted_titles": quoted, "doubled_quotes": doubled, "no_genres": bare}
    return seen.known(folder, raw, {}, {quirk: int(found.sum()) for quirk, found in counted.items()})


def _write_tags(settled: RatingPlan, path: Path) -> int:
    size = settled.size
    random = np.random.default_rng([settled.seed, 3])
    rows = max(20, round(size.tags * settled.rows / size.rows))
    user = np.sort(draw_skewed(len(settled.counts), rows, random))
    film = settled.movie[draw_skewed(len(settled.movie), rows, random)]
    tag = words_at(list(WORDS), random.integers(0, len(WORDS), rows))
    columns: dict[str, ColumnValues] = {
        "userId": user + 1,
        "movieId": film,
        "tag": tag,
        "timestamp": random.integers(size.start, size.stop, rows),
    }
    with open_new(path) as file:
        write_rows(file, columns, header=True, quote="necessary")
    return rows
