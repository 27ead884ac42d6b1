"""A made-up shop whose true probabilities are known, so that a model can be compared with the best possible one.

A feedback's logit is a scaled inner product of a user and an item vector plus an item bias. The vectors are functions
of the features, not linear in the numbers, plus a part that only the id can tell. View, cart and buy share two
directions of the space; cart and buy have one more each. One uniform number a row decides all three, so that a buy is a
cart and a cart is a view, but where the sparser feedback is the likelier; on a few rows each draws a number of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbench.errors import UsageError

ROWS = 200_000
SMALLEST = 1000
CHUNK = 1 << 18
PILOT = 1 << 16  # pairs to scale the logits by
START = 1_704_067_200  # 2024-01-01 UTC, in seconds
SECONDS = 30 * 24 * 3600

FEEDBACK = ("view", "cart", "buy")
RATE = (0.25, 0.03, 0.006)
SPREAD = (1.3, 1.6, 1.8)  # standard deviation of each logit
ALONE = 0.05  # share of rows whose feedback types are drawn independently
WEIGHT = np.array(  # [T, DIMENSION] how much each direction counts for each feedback; the last is the item bias
    [[1.0, 1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.5, 0.0, 1.0], [1.0, 1.0, 0.4, 0.4, 1.0]]
)
DIMENSION = WEIGHT.shape[1]
PERSONAL = 0.2  # standard deviation of the part of a vector that only the id can tell; the rest has 1

REGIONS, DEVICES, INTERESTS = 10, 3, 10
CATEGORIES, BRANDS, TAGS = 12, 25, 15

DECIMALS = 8  # of the probabilities, whose last digits depend on the processor and numpy's version
Array = NDArray[np.float64]


def generate(rows: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame, Iterator[pl.DataFrame]]:
    """Return users, items and, in chunks, a log of that many rows over 30 days, the same for the same seed.

    The log holds keys, time in seconds, feedback as 0 or 1, and `truth_<feedback>`, its probability.
    Raises UsageError for fewer than 1000 rows.
    """
    if rows < SMALLEST:
        raise UsageError(f"--rows {rows}: synthetic needs at least {SMALLEST} rows")
    random = np.random.default_rng([seed, 0])
    users, user_vector = _users(_growing(rows, 150), random)
    items, item_vector = _items(_growing(rows, 400), random)
    user_vector[:, -1] = 1
    user_start, item_start = _starts(len(users), random), _starts(len(items), random)
    activity = _cumulative(random.lognormal(0, 0.7, len(users)))
    popularity = _cumulative(random.lognormal(0, 1.0, len(items)))
    pilot = _draw(activity, PILOT, random), _draw(popularity, PILOT, random)
    scale, offset = _calibrate((user_vector[pilot[0]] * item_vector[pilot[1]]) @ WEIGHT.T)

    def chunk(number: int, size: int) -> pl.DataFrame:
        random = np.random.default_rng([seed, 1, number])
        user, item = _draw(activity, size, random), _draw(popularity, size, random)
        start = np.maximum(user_start[user], item_start[item])
        time = START + (start + (1 - start) * random.random(size)) * SECONDS
        logit = scale * ((user_vector[user] * item_vector[item]) @ WEIGHT.T) + offset
        truth = np.round(1 / (1 + np.exp(-logit)), DECIMALS)
        alone = random.random((size, 1)) < ALONE
        draw = np.where(alone, random.random((size, len(FEEDBACK))), random.random((size, 1)))
        given = (draw < truth).astype(np.uint8)
        columns: dict[str, NDArray[Any]] = {"user_id": user + 1, "item_id": item + 1}
        columns["time"] = time.astype(np.int64)
        columns |= {f"is_{name}": given[:, t] for t, name in enumerate(FEEDBACK)}
        columns |= {f"truth_{name}": truth[:, t] for t, name in enumerate(FEEDBACK)}
        return pl.DataFrame(columns)

    sizes = (min(CHUNK, rows - first) for first in range(0, rows, CHUNK))
    return users, items, (chunk(number, size) for number, size in enumerate(sizes))


def _growing(rows: int, each: int) -> int:
    """One entity per `each` rows up to the default size, fewer beyond."""
    small = min(rows, ROWS)
    return max(20, round(small / each * math.pow(rows / small, 0.75)))


def _users(count: int, random: np.random.Generator) -> tuple[pl.DataFrame, Array]:
    region = _skewed(REGIONS, count, random)
    device = _skewed(DEVICES, count, random)
    age = np.clip(random.normal(38, 13, count), 16, 85).round()
    bags, interests = _bags(INTERESTS, 4, count, random)
    vector = (
        _table(REGIONS, random)[region]
        + 0.6 * _table(DEVICES, random)[device]
        + 1.5 * interests @ _table(INTERESTS, random)
        + _wave((age - 38) / 13, random)
    )
    frame = pl.DataFrame(
        {
            "user_id": np.arange(1, count + 1),
            "region": _words("region", region),
            "device": _words("device", device),
            "age": pl.Series(age).set(pl.Series(random.random(count) < 0.05), None),
            "interests": bags,
        }
    )
    return frame, _personal(vector, random)


def _items(count: int, random: np.random.Generator) -> tuple[pl.DataFrame, Array]:
    category = _skewed(CATEGORIES, count, random)
    brand = _skewed(BRANDS, count, random)
    price = random.lognormal(3, 0.9, count).round(2)
    bags, tags = _bags(TAGS, 5, count, random)
    vector = (
        _table(CATEGORIES, random)[category]
        + 0.6 * _table(BRANDS, random)[brand]
        + 1.5 * tags @ _table(TAGS, random)
        + _wave((np.log(price + 0.01) - 3) / 0.9, random)
    )
    frame = pl.DataFrame(
        {
            "item_id": np.arange(1, count + 1),
            "category": _words("category", category),
            "brand": _words("brand", brand),
            "price": price,
            "tags": bags,
        }
    )
    return frame, _personal(vector, random)


def _table(size: int, random: np.random.Generator) -> Array:
    return random.standard_normal((size, DIMENSION))


def _wave(number: Array, random: np.random.Generator) -> Array:
    """A function of a standardised number [entities] that no line approximates, [entities, DIMENSION]."""
    phase, speed = random.uniform(0, 2 * np.pi, DIMENSION), random.uniform(1.2, 2.4, DIMENSION)
    wave: Array = np.sqrt(2) * np.sin(np.outer(number, speed) + phase)
    return wave


def _personal(vector: Array, random: np.random.Generator) -> Array:
    """Standardise what the features make and add what only the id can tell."""
    vector = (vector - vector.mean(0)) / vector.std(0)
    return vector + PERSONAL * random.standard_normal(vector.shape)


def _skewed(size: int, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    weight = 1 / np.arange(1, size + 1) ** 0.7
    return _draw(_cumulative(weight), count, random)


def _bags(size: int, longest: int, count: int, random: np.random.Generator) -> tuple[pl.Series, Array]:
    """Draw 1 to `longest` distinct words for each entity: joined by `|`, and as shares [count, size]."""
    rank = random.random((count, size)).argsort(1).argsort(1)
    chosen = rank < random.integers(1, longest + 1, (count, 1))
    owner, word = chosen.nonzero()
    tokens = pl.DataFrame({"owner": owner, "word": "t" + pl.Series(word).cast(pl.String).str.zfill(2)})
    bags = tokens.group_by("owner", maintain_order=True).agg(pl.col("word").str.join("|"))["word"]
    return bags, chosen / chosen.sum(1, keepdims=True)


def _words(prefix: str, code: NDArray[np.int64]) -> pl.Series:
    return pl.Series(code).cast(pl.String).str.zfill(2).str.replace("^", f"{prefix}-")


def _starts(count: int, random: np.random.Generator) -> Array:
    """The share of the 30 days before an entity first appears: 0 for 24 in 25."""
    return np.where(random.random(count) < 0.04, random.random(count), 0.0)


def _cumulative(weight: Array) -> Array:
    total = np.cumsum(weight)
    share: Array = total[:-1] / total[-1]
    return share


def _draw(cumulative: Array, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    return np.searchsorted(cumulative, random.random(count), side="right")


def _calibrate(affinity: Array) -> tuple[Array, Array]:
    """Return scale and offset [T] that give the logits of the pairs [R, T] their spread and rates."""
    scale = np.array(SPREAD) / affinity.std(0)
    low, high = np.full(len(RATE), -30.0), np.full(len(RATE), 30.0)
    for _ in range(60):
        offset = (low + high) / 2
        over = (1 / (1 + np.exp(-(scale * affinity + offset)))).mean(0) > RATE
        low, high = np.where(over, low, offset), np.where(over, offset, high)
    return scale, offset
