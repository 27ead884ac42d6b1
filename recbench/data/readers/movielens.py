"""MovieLens 100K and 1M in their original layouts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import polars as pl

from recbench.data.catalog import Spec
from recbench.data.readers import Raw, Source
from recbench.data.readers.delimited import Kind, read_delimited

RATING: Mapping[str, Kind] = {"user_id": "int", "movie_id": "int", "rating": "int", "timestamp": "int"}
USER_1M: Mapping[str, Kind] = {
    "user_id": "int",
    "gender": "text",
    "age": "int",
    "occupation": "int",
    "zip": "text",
}
MOVIE_1M: Mapping[str, Kind] = {"movie_id": "int", "title": "text", "genres": "text"}
USER_100K: Mapping[str, Kind] = {
    "user_id": "int",
    "age": "float",
    "gender": "text",
    "occupation": "text",
    "zip": "text",
}
GENRES = (  # the order of the flags in u.item
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
MOVIE_100K: Mapping[str, Kind] = {
    "movie_id": "int",
    "title": "text",
    "released": "text",
    "video": "text",
    "url": "text",
    **dict.fromkeys(GENRES, "int"),
}


def read(spec: Spec, source: Source) -> Raw:
    """Read ratings, users and movies; raises DataError for bad files."""
    return _read_1m(source.files) if "ratings.dat" in source.files else _read_100k(source)


def _read_1m(files: Mapping[str, Path]) -> Raw:
    table = partial(read_delimited, header=False, separator="::", encoding="iso-8859-1", quoted=False)
    return Raw(
        table(files["ratings.dat"], RATING, required=list(RATING)),
        table(files["users.dat"], USER_1M, required=["user_id"], unique="user_id"),
        table(files["movies.dat"], MOVIE_1M, required=["movie_id"], unique="movie_id"),
    )


def _read_100k(source: Source) -> Raw:
    table = partial(read_delimited, header=False, encoding="iso-8859-1", quoted=False)

    def ratings(name: str) -> pl.DataFrame:
        return table(source.files[name], RATING, separator="\t", required=list(RATING))

    if source.split == "given":
        parts = {"train": "ua.base", "test": "ua.test"}
        log = pl.concat(ratings(name).with_columns(split=pl.lit(part)) for part, name in parts.items())
    else:
        log = ratings("u.data")
    user, item = source.files["u.user"], source.files["u.item"]
    users = table(user, USER_100K, separator="|", required=["user_id"], unique="user_id")
    movies = table(item, MOVIE_100K, separator="|", required=["movie_id", *GENRES], unique="movie_id")
    flagged = [pl.when(pl.col(name) == 1).then(pl.lit(name)) for name in GENRES]
    genres = pl.concat_str(flagged, separator="|", ignore_nulls=True)
    return Raw(log, users, movies.select("movie_id", "title", genres=genres))
