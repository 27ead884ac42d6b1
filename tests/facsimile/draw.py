"""Random numbers with the shapes of logs: skewed, distinct within a user, and repeatable block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

BLOCK = 1 << 20  # rows made at once


def row_ranges(rows: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the first row of each block of `size` rows, and the row behind its last."""
    return ((first, min(first + size, rows)) for first in range(0, rows, size))


def owner_ranges(counts: Ints, size: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of owners that hold about `size` rows each; counts [owners] says how many an owner has."""
    block = (np.cumsum(counts) - counts) // size
    edges = np.flatnonzero(np.diff(block, prepend=-1))
    return zip(edges.tolist(), [*edges[1:].tolist(), len(counts)], strict=True)


def share_rows(
    total: int, owners: int, least: int, random: np.random.Generator, spread: float = 1.0, most: float = 6
) -> Ints:
    """Share `total` rows among owners by log-normal weights, [owners].

    Each gets at least `least` rows, and none more than `most` times the mean, which is to be above `least`.
    """
    weight = random.lognormal(0, spread, owners)
    counts = least + random.multinomial(total - least * owners, weight / weight.sum())
    most_rows = math.ceil(most * total / owners)
    while (over := np.maximum(counts - most_rows, 0)).any():
        weight = np.where(counts < most_rows, weight, 0)
        counts = counts - over + random.multinomial(over.sum(), weight / weight.sum())
    return counts


def draw_skewed(size: int, rows: int, random: np.random.Generator, power: float = 2.5) -> Ints:
    """Draw ranks [rows] below `size`: beyond the first, chances fall as rank ** (1 / power - 1)."""
    rank = (size * _skew(random.random(rows), size, power)).astype(np.int64)
    return np.minimum(rank, size - 1)


def draw_distinct(counts: Ints, size: int, random: np.random.Generator, power: float = 2.5) -> tuple[Ints, Ints]:
    """Draw for each owner as many ranks below `size` as it has rows, none twice, the low ones more often.

    Returns owner and rank, [rows] each, in ascending order. No count may exceed `size`.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    place = place_within_owner(counts)
    share = (place + random.random(len(owner))) / counts[owner]
    # Each place has a stratum of its own; where strata are narrower than one rank, what collides moves up.
    lane = owner * (2 * size)
    wished = lane + (size * _skew(share, size, power)).astype(np.int64) - place
    rank = np.maximum.accumulate(wished) - lane + place
    return owner, np.minimum(rank, size - counts[owner] + place)


def _skew(share: Floats, size: int, power: float) -> Floats:
    """Map [0, 1) to itself, the more of it to the lower end the larger `power` is (Zipf-Mandelbrot)."""
    shift = 10 / (size + 100)
    least = shift ** (1 / power)
    bent: Floats = ((least + (1 - least) * share) ** power - shift) / (1 - shift)
    return bent


def place_within_owner(counts: Ints) -> Ints:
    """Return the place of each row [rows] among those of its owner, from 0."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def draw_choices(chances: Sequence[float], rows: int, random: np.random.Generator) -> Ints:
    """Draw [rows] places in `chances`, with those chances; the last takes what is missing to 1."""
    return np.searchsorted(np.cumsum(chances)[:-1], random.random(rows), side="right")


def renumber(rank: Ints, size: int) -> Ints:
    """Number ranks below `size` anew, each once, so that numbers do not tell who is popular."""
    step = round(size * 0.6180339887) | 1
    while np.gcd(step, size) != 1:
        step += 2
    return (rank * step + size // 3) % size


def hash_numbers(number: Ints, salt: int) -> NDArray[np.uint64]:
    """Hash whole numbers to 64 bits, no two alike for one salt (splitmix64, Steele et al., OOPSLA 2014)."""
    z = number.astype(np.uint64) + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fixed_uniform(number: Ints, salt: int) -> Floats:
    """Return for each number a value in [0, 1) that is always the same for one salt."""
    return (hash_numbers(number, salt) >> np.uint64(11)).astype(np.float64) / 2**53
