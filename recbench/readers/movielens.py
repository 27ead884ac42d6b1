"""MovieLens in its three layouts: 100K (`u.data`), 1M (`::`), and the CSV files of 20M, 25M and 32M."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from recbench.readers.base import RawTables, Source
from recbench.readers.building_blocks.delimited import scan_delimited
from recbench.readers.building_blocks.layout import Kind, Layout
from recbench.sources.dataset_spec import DatasetSpec

Frames = Iterator[pl.DataFrame]

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
NAMES = {"userId": "user_id", "movieId": "movie_id"}  # of the CSV files -> here


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read ratings, users and movies; raises DataError for bad files."""
    if "ratings.csv" in source.files:
        return _read_csv(source)
    return _read_1m(source) if "ratings.dat" in source.files else _read_100k(source)


def _read_csv(source: Source) -> RawTables:
    columns: Mapping[str, Kind] = {"userId": "int", "movieId": "int", "rating": "float", "timestamp": "int"}
    rating = Layout(columns, header=True, required=list(columns))
    movie = Layout({"movieId": "int", "genres": "text"}, header=True, required=["movieId"], unique="movieId")
    return RawTables(
        (block.rename(NAMES) for block in scan_delimited(source.file("ratings.csv"), rating, source)),
        items=(block.rename(NAMES, strict=False) for block in scan_delimited(source.file("movies.csv"), movie, source)),
    )


def _read_1m(source: Source) -> RawTables:
    return RawTables(
        _table(source, "ratings.dat", RATING, "::", list(RATING)),
        _table(source, "users.dat", USER_1M, "::", ["user_id"]),
        _table(source, "movies.dat", MOVIE_1M, "::", ["movie_id"]),
    )


def _read_100k(source: Source) -> RawTables:
    def ratings(name: str) -> Frames:
        return _table(source, name, RATING, "\t", list(RATING))

    def given() -> Frames:
        for part, name in (("train", "ua.base"), ("test", "ua.test")):
            for block in ratings(name):
                yield block.with_columns(split=pl.lit(part))

    flagged = [pl.when(pl.col(name) == 1).then(pl.lit(name)) for name in GENRES]
    genres = pl.concat_str(flagged, separator="|", ignore_nulls=True)
    movies = _table(source, "u.item", MOVIE_100K, "|", ["movie_id", *GENRES])
    return RawTables(
        given() if source.shipped_parts else ratings("u.data"),
        _table(source, "u.user", USER_100K, "|", ["user_id"]),
        (block.select("movie_id", "title", genres=genres) for block in movies),
    )


def _table(source: Source, name: str, columns: Mapping[str, Kind], separator: str, required: list[str]) -> Frames:
    """Yield a file without a header; of users and movies, the first required column names each once."""
    unique = None if columns is RATING else required[0]
    layout = Layout(
        columns, False, required=required, unique=unique, separator=separator, encoding="iso-8859-1", quote=""
    )
    return scan_delimited(source.file(name), layout, source)
