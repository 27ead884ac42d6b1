"""MovieLens 100K (tab, `|`) and 1M (`::`), both in ISO-8859-1.

Quirks beside those of all sets: `latin_titles` (1M: titles with a byte beyond ASCII), `undated_movies` (100K).
Rule of 100K: `given`, the authors' split ua, with ten ratings of every user in test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from tests.facsimile.contents import Contents, Counts, count_rows
from tests.facsimile.draw import Bools, Ints, fixed_uniform, hash_numbers, place_within_owner
from tests.facsimile.movielens import (
    RatingBlock,
    RatingCounts,
    accented,
    blocks,
    flags,
    genres,
    postcodes,
    settle,
    titles,
)
from tests.facsimile.text import ColumnValues, as_text, concat, open_new, words_at, write_rows

GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
JOBS = (
    *("administrator", "artist", "doctor", "educator", "engineer", "entertainment", "executive", "healthcare"),
    *("homemaker", "lawyer", "librarian", "marketing", "none", "other", "programmer", "retired", "salesman"),
    *("scientist", "student", "technician", "writer"),
)
AGES = (1, 18, 25, 35, 45, 50, 56)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LATIN = "iso-8859-1"


def write_1m(folder: Path, rows: int, seed: int) -> Contents:
    """Write ratings.dat, users.dat and movies.dat; ratings lie by user and are not in order of time."""
    settled = settle("ml-1m", rows, seed)
    seen = RatingCounts(settled)
    with open_new(folder / "ratings.dat") as file:
        for block in blocks(settled, by_movie=False):
            seen.add(block)
            columns: dict[str, ColumnValues] = {
                "u": block.user + 1,
                "m": settled.movie[block.movie],
                "r": block.rating.astype(np.int64),
            }
            write_rows(file, {**columns, "t": block.time}, separator="::")
    user = np.arange(len(settled.counts))
    with open_new(folder / "users.dat") as file:
        age, job = np.array(AGES)[_some(user, 3, len(AGES))], _some(user, 4, len(JOBS))
        people: dict[str, ColumnValues] = {
            "u": user + 1,
            "g": _gender(user),
            "a": age,
            "o": job,
            "z": postcodes(user, "98107-2117"),
        }
        write_rows(file, people, separator="::")
    with open_new(folder / "movies.dat") as file:
        films: dict[str, ColumnValues] = {
            "m": settled.movie,
            "t": titles(settled.movie, quotes=False),
            "g": genres(settled.movie, GENRES[1:]),
        }
        write_rows(file, films, separator="::", encoding=LATIN)
    raw = {"ratings.dat": rows, "users.dat": len(user), "movies.dat": len(settled.movie)}
    return seen.known(folder, raw, {}, {"latin_titles": int(accented(settled.movie).sum())})


def write_100k(folder: Path, rows: int, seed: int) -> Contents:
    """Write u.data in no order at all, the tables u.*, and the ready splits u1 to u5, ua and ub; all rows in memory."""
    settled = settle("ml-100k", rows, seed)
    seen = RatingCounts(settled)
    parts = list(blocks(settled, by_movie=True))
    log = RatingBlock(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in RatingBlock.__annotations__)
    )
    random = np.random.default_rng([seed, 2])
    shuffled = _rows(log, random.permutation(rows))
    seen.add(shuffled)
    _put_ratings(folder / "u.data", shuffled)
    raw = {"u.data": rows}
    order = np.lexsort((random.random(rows), log.user))
    place = np.empty(rows, dtype=np.int64)
    place[order] = place_within_owner(settled.counts)  # of a rating among those of its user, at random
    fold = random.integers(0, 5, rows)
    held_out = {f"u{number + 1}": fold == number for number in range(5)}
    held_out |= {"ua": place < 10, "ub": (place >= 10) & (place < 20)}
    for name, test in held_out.items():
        for part, chosen in (("base", ~test), ("test", test)):
            _put_ratings(folder / f"{name}.{part}", _rows(log, np.flatnonzero(chosen)))
            raw[f"{name}.{part}"] = int(chosen.sum())
    user, movie = np.arange(len(settled.counts)), settled.movie
    raw |= _write_tables(folder, user, movie, rows)
    whole = count_rows("train", log.user, log.movie, {"like": log.rating > 4})
    given = Counts({"train": raw["ua.base"], "test": raw["ua.test"]}, whole.users, whole.items, whole.positives)
    return seen.known(folder, raw, {"given": given}, {"undated_movies": int(_undated(movie).sum())})


def _write_tables(folder: Path, user: Ints, movie: Ints, rows: int) -> dict[str, int]:
    with open_new(folder / "u.user") as file:
        age = 7 + (66 * fixed_uniform(user, 3) ** 1.3).astype(np.int64)
        job = words_at(list(JOBS), _some(user, 4, len(JOBS)))
        people: dict[str, ColumnValues] = {
            "u": user + 1,
            "a": age,
            "g": _gender(user),
            "j": job,
            "z": postcodes(user, "T8H1N"),
        }
        write_rows(file, people, separator="|")
    with open_new(folder / "u.item") as file:
        write_rows(file, _films(movie), separator="|", encoding=LATIN)
    words = {
        "u.genre": [*(f"{name}|{number}" for number, name in enumerate(GENRES)), ""],
        "u.occupation": list(JOBS),
        "u.info": [f"{len(user)} users", f"{len(movie)} items", f"{rows} ratings"],
    }
    for name, lines in words.items():
        with open_new(folder / name) as file:
            file.write("".join(f"{line}\n" for line in lines).encode())
    return {"u.user": len(user), "u.item": len(movie), **{name: len(lines) for name, lines in words.items()}}


def _films(movie: Ints) -> dict[str, ColumnValues]:
    blank = _undated(movie)
    undated = pl.Series(blank)
    title = titles(movie, quotes=False)
    day, year = as_text(1 + movie % 28).str.zfill(2), as_text(1990 + movie % 9)
    link = concat("http://us.imdb.com/M/title-exact?", title.str.replace_all(" ", "%20"))
    films: dict[str, ColumnValues] = {
        "m": movie,
        "t": title.set(undated, "unknown"),
        "d": concat(day, "-", words_at(list(MONTHS), movie % 12), "-", year).set(undated, None),
        "v": pl.Series([None] * len(movie), dtype=pl.String),
        "l": link.set(undated, None),
    }
    flag = np.pad(flags(movie, len(GENRES) - 1), ((0, 0), (1, 0)))
    flag[blank] = np.arange(len(GENRES)) == 0
    return films | {name: flag[:, place].astype(np.int64) for place, name in enumerate(GENRES)}


def _undated(movie: Ints) -> Bools:
    return np.equal(movie, 267)


def _rows(log: RatingBlock, rows: Ints) -> RatingBlock:
    return RatingBlock(log.user[rows], log.movie[rows], log.rating[rows], log.time[rows])


def _put_ratings(path: Path, log: RatingBlock) -> None:
    with open_new(path) as file:
        columns: dict[str, ColumnValues] = {
            "u": log.user + 1,
            "m": log.movie + 1,
            "r": log.rating.astype(np.int64),
            "t": log.time,
        }
        write_rows(file, columns, separator="\t")


def _gender(user: Ints) -> pl.Series:
    return words_at(["F", "M"], (fixed_uniform(user, 2) > 0.28).astype(np.int64))


def _some(key: Ints, salt: int, size: int) -> Ints:
    return (hash_numbers(key, salt) % np.uint64(size)).astype(np.int64)
