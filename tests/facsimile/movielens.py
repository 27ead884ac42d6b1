"""The numbers behind all MovieLens facsimiles: who rates which film when, and what the films are called.

Quirks of every set: `listed_users`, `listed_movies`, `unrated_movies`, `tied_rows` (rows that share user and second
with an earlier row), `unsorted_rows` (rows older than the row of the same user before them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tests.facsimile.contents import Contents, Counts, RunningCounts, repeats
from tests.facsimile.draw import (
    BLOCK,
    Bools,
    Floats,
    Ints,
    draw_choices,
    draw_distinct,
    fixed_uniform,
    owner_ranges,
    renumber,
    share_rows,
)
from tests.facsimile.text import as_text, concat, join_words, words_at

FIRST = ("Silent", "Golden", "Last", "Broken", "Hidden", "Summer", "Iron", "Misérable", "Été", "Midnight", "Señor's")
SECOND = ("River", "Dream", "Witness", "Garden", "Affair", "Voyage", "Promise", "City", "Game", "Stranger")
WHOLE = (0.056, 0.107, 0.261, 0.349, 0.227)  # chances of the ratings 1 to 5
HALF = (0.012, 0.034, 0.014, 0.0715, 0.0442, 0.2145, 0.11, 0.278, 0.0767, 0.1451)  # of 0.5 to 5.0
PER_FILM = (0.52, 0.34, 0.11, 0.026, 0.003, 0.001)  # chances of 1 to 6 genres


@dataclass(frozen=True)
class ReleaseSize:
    """A real dataset: rows, users, films listed, the highest number of a film, and its time range in seconds."""

    rows: int
    users: int
    movies: int
    highest: int
    start: int
    stop: int
    tags: int = 0
    halves: bool = False


SIZES = {
    "ml-100k": ReleaseSize(100_000, 943, 1682, 1682, 874_724_710, 893_286_638),
    "ml-1m": ReleaseSize(1_000_209, 6040, 3883, 3952, 956_703_932, 1_046_454_590),
    "ml-20m": ReleaseSize(20_000_263, 138_493, 27_278, 131_262, 789_652_009, 1_427_784_002, 465_564, True),
    "ml-25m": ReleaseSize(25_000_095, 162_541, 62_423, 209_171, 789_652_009, 1_574_327_703, 1_093_360, True),
    "ml-32m": ReleaseSize(32_000_204, 200_948, 87_585, 292_757, 789_652_004, 1_697_164_147, 2_000_072, True),
}


@dataclass(frozen=True)
class RatingPlan:
    """What is settled before any rating is drawn."""

    size: ReleaseSize
    rows: int
    seed: int
    counts: Ints  # [users] ratings
    movie: Ints  # [movies] numbers as written, ascending


@dataclass(frozen=True)
class RatingBlock:
    """Ratings of some users in file order, [rows] each; users from 0, films as places in the list."""

    user: Ints
    movie: Ints
    rating: Floats
    time: Ints


def settle(name: str, rows: int, seed: int) -> RatingPlan:
    """Settle the users, the films and how much each user rates."""
    size = SIZES[name]
    random = np.random.default_rng([seed, 0])
    share = rows / size.rows
    counts = share_rows(rows, max(20, round(size.users * share)), 20, random)
    movies = max(round(size.movies * share**0.5), round(1.5 * counts.max()))
    gap = round(size.highest / size.movies)  # numbers have gaps in the later sets
    return RatingPlan(size, rows, seed, counts, np.cumsum(random.integers(1, 2 * gap, movies)))


def blocks(plan: RatingPlan, by_movie: bool) -> Iterator[RatingBlock]:
    """Yield all ratings, by user; inside a user by film or in no order."""
    span = plan.size.stop - plan.size.start
    for number, (first, stop) in enumerate(owner_ranges(plan.counts, BLOCK)):
        random = np.random.default_rng([plan.seed, 1, number])
        owner, rank = draw_distinct(plan.counts[first:stop], round(0.96 * len(plan.movie)), random, power=2.0)
        movie = renumber(rank, len(plan.movie))
        order = np.lexsort((movie if by_movie else random.random(len(movie)), owner))
        user, movie = owner[order] + first, movie[order]
        begin = (span * fixed_uniform(user, plan.seed)).astype(np.int64)
        # As many moments as ratings: some fall together, as where a user rates a page of films at once.
        spent = 9 * (random.random(len(user)) * plan.counts[user]).astype(np.int64)
        chances, half = (HALF, 2) if plan.size.halves else (WHOLE, 1)
        rating = (1 + draw_choices(chances, len(user), random)) / half
        yield RatingBlock(user, movie, rating, plan.size.start + (begin + spent) % span)


class RatingCounts:
    """What has been counted of the ratings so far."""

    def __init__(self, plan: RatingPlan) -> None:
        self._plan = plan
        self._tally = RunningCounts(len(plan.counts), len(plan.movie), ["like"])
        self._tied = self._unsorted = 0

    def add(self, block: RatingBlock) -> None:
        """Count ratings that hold all rows of their users."""
        self._tally.add("all", block.user, block.movie, {"like": block.rating > 4})
        self._tied += int(repeats(block.user, block.time).sum())
        order = np.argsort(block.user, kind="stable")
        older = np.diff(block.time[order]) < 0
        self._unsorted += int(np.count_nonzero(older & (np.diff(block.user[order]) == 0)))

    def known(
        self, folder: Path, raw: Mapping[str, int], kept: Mapping[str, Counts], more: Mapping[str, int]
    ) -> Contents:
        """Return the counts of a finished facsimile."""
        log, movies = self._tally.counts(), len(self._plan.movie)
        quirks = {"listed_users": len(self._plan.counts), "listed_movies": movies, "unrated_movies": movies - log.items}
        quirks |= {"tied_rows": self._tied, "unsorted_rows": self._unsorted, **more}
        return Contents(tuple(folder / name for name in raw), raw, log, kept, quirks)


def inverted(movie: Ints) -> Bools:
    """Return which titles have their article behind a comma."""
    return np.equal(movie % 7, 0)


def nicknamed(movie: Ints) -> Bools:
    """Return which titles have a nickname in double quotes, where the layout allows it."""
    return np.equal(movie % 21, 0)


def accented(movie: Ints) -> Bools:
    """Return which titles have a letter beyond ASCII."""
    return np.array([not word.isascii() for word in FIRST])[_word(movie, FIRST)]


def titles(movie: Ints, quotes: bool) -> pl.Series:
    """Return the title of each film [movies], with its year."""
    article = words_at(["", ", The"], inverted(movie).astype(np.int64))
    nickname = words_at(["", '"Again" '], (nicknamed(movie) & quotes).astype(np.int64))
    first, second = words_at(list(FIRST), _word(movie, FIRST)), words_at(list(SECOND), _word(movie // 11, SECOND))
    return concat(nickname, first, " ", second, " ", as_text(movie), article, " (", as_text(_year(movie)), ")")


def genres(movie: Ints, names: tuple[str, ...]) -> pl.Series:
    """Return 1 to 6 different genres of each film [movies], joined by `|`."""
    chosen = flags(movie, len(names))
    place = np.nonzero(chosen)[1]
    return join_words(words_at(list(names), place), chosen.sum(1), "|")


def flags(movie: Ints, genres: int) -> Bools:
    """Return which genres each film has, [movies, genres]."""
    number = 1 + np.searchsorted(np.cumsum(PER_FILM)[:-1], fixed_uniform(movie, 5), side="right")
    order = np.stack([fixed_uniform(movie, 100 + genre) for genre in range(genres)], 1).argsort(1).argsort(1)
    chosen: Bools = order < number[:, None]
    return chosen


def _word(movie: Ints, words: tuple[str, ...]) -> Ints:
    return movie % len(words)


def _year(movie: Ints) -> Ints:
    return 1920 + (80 * fixed_uniform(movie, 6) ** 0.4).astype(np.int64)


def postcodes(user: Ints, odd: str) -> pl.Series:
    """Return five digits for each user [users], leading zeros included; for one in 30 an odd one."""
    number = (100_000 * fixed_uniform(user, 7)).astype(np.int64) // np.where(user % 12 == 5, 100, 1)
    return as_text(number).str.zfill(5).set(pl.Series(user % 30 == 17), odd)
