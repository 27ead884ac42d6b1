"""The feature lists of Ali-CCP: tokens of field, feature and value between control characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from tests.facsimile.draw import Bools, Ints, draw_skewed, fixed_uniform, place_within_owner
from tests.facsimile.text import as_text, concat, join_words, words_at

NEXT, FEATURE, VALUE = "\x01", "\x02", "\x03"
# Plain features count 1.0, those of behaviour the logarithm of a count.
VALUES = ("1.0", *(str(round(math.log(number), 5)) for number in range(2, 400)))
PROFILE = {"121": 97, "122": 13, "124": 2, "125": 7, "126": 3, "127": 3, "128": 2, "129": 4}  # field -> values
HISTORY = {"109_14": "206", "110_14": "207", "127_14": "216", "150_14": "210"}  # behaviour -> field of its items
CROSSED = {"508": ("206", 0.8), "509": ("207", 0.55), "702": ("216", 0.5), "853": ("210", 0.6)}  # share that has it
NAMED = {"206": 0.998, "207": 0.997, "216": 0.9}  # share of the items that have a category, shop, brand
POSITIONS = 3
LONG = 120  # tokens of one behaviour in a row, on average
SILENT = 0.03  # share of the users without behaviour
FIRST_FEATURE = 3_438_600  # numbers below are those of users


@dataclass(frozen=True)
class FieldTokens:
    """Tokens of one field, [tokens] each: their row, feature and place in VALUES."""

    row: Ints
    field: str
    feature: Ints
    value: Ints


@dataclass(frozen=True)
class FieldSizes:
    """How many features each field has, and the numbers that tell them from those of other fields."""

    users: int
    items: int

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Return the features of each field."""
        categories = max(20, round(7000 * min(1.0, (self.items / 4_300_000) ** 0.5)))
        sizes = {**PROFILE, "205": self.items, "206": categories, "207": self.items // 5, "216": self.items // 12}
        sizes["210"] = self.items // 40 + 30
        sizes |= {field: sizes[other] for field, other in HISTORY.items()}
        return sizes | {field: sizes[other] for field, (other, _) in CROSSED.items()} | {"301": POSITIONS}

    @cached_property
    def starts(self) -> dict[str, int]:
        """Return the number of the first feature of each field; 101 begins at 1."""
        ends = np.cumsum(list(self.sizes.values())) + max(FIRST_FEATURE, self.users + 1)
        return {"101": 1} | {field: int(end) - self.sizes[field] for field, end in zip(self.sizes, ends, strict=True)}

    def of(self, item: Ints, field: str) -> Ints:
        """Return the category, shop, brand or first intention of each item [rows]."""
        return (self.sizes[field] * fixed_uniform(item, int(field)) ** 2).astype(np.int64)

    def intentions(self, item: Ints) -> Ints:
        """Return how many intentions each item [rows] has."""
        return np.where(item % 97 == 0, 20, (11 * fixed_uniform(item, 1)).astype(np.int64))


def skeleton_lists(item: Ints, named: Bools, fields: FieldSizes, random: np.random.Generator) -> tuple[Ints, pl.Series]:
    """Return the number of tokens and the feature list of each impression [rows]; items not `named` lack 205."""
    row = np.arange(len(item))
    tokens = [_plain(row[named], "205", item[named])]
    for field, share in NAMED.items():
        has = fixed_uniform(item, 500 + int(field)) < share
        tokens.append(_plain(row[has], field, fields.of(item[has], field)))
    times = fields.intentions(item)
    several = np.repeat(item, times) * 32 + place_within_owner(times)
    tokens.append(_plain(np.repeat(row, times), "210", fields.of(several, "210")))
    for field, (other, share) in CROSSED.items():
        twice = (random.random(len(row)) < share).astype(np.int64) + (random.random(len(row)) < 0.03)
        rows = np.repeat(row, twice)
        feature = (fields.of(item[rows], other) + 7 * place_within_owner(twice)) % fields.sizes[other]
        tokens.append(FieldTokens(rows, field, feature, _logarithms(len(rows), random)))
    positioned = row[random.random(len(row)) < 0.995]
    tokens.append(_plain(positioned, "301", random.integers(0, POSITIONS, len(positioned))))
    return _lists(len(row), tokens, fields, random)


def common_lists(user: Ints, fields: FieldSizes, random: np.random.Generator) -> tuple[Ints, pl.Series]:
    """Return the number of tokens and the feature list of each row of common features; a user of -1 lacks 101."""
    row = np.arange(len(user))
    tokens = [_plain(row[user >= 0], "101", user[user >= 0])]
    for field, size in PROFILE.items():
        has = fixed_uniform(user, 500 + int(field)) < 0.95
        tokens.append(_plain(row[has], field, (size * fixed_uniform(user[has], int(field)) ** 2).astype(np.int64)))
    talks = random.random(len(row)) >= SILENT
    habit = random.lognormal(-0.3, 0.8, len(row))
    for field in HISTORY:
        times = np.where(talks, LONG * habit * random.lognormal(-0.1, 0.5, len(row)), 0).astype(np.int64)
        rows = np.repeat(row, times)
        feature = draw_skewed(fields.sizes[field], len(rows), random, power=1.5)
        tokens.append(FieldTokens(rows, field, feature, _logarithms(len(rows), random)))
    return _lists(len(row), tokens, fields, random)


def _plain(row: Ints, field: str, feature: Ints) -> FieldTokens:
    return FieldTokens(row, field, feature, np.zeros(len(row), dtype=np.int64))


def _logarithms(size: int, random: np.random.Generator) -> Ints:
    return 1 + draw_skewed(len(VALUES) - 1, size, random, power=4)


def _lists(
    rows: int, tokens: Sequence[FieldTokens], fields: FieldSizes, random: np.random.Generator
) -> tuple[Ints, pl.Series]:
    """Join the tokens of each row; each row begins with another field, as the order of the fields is not fixed."""
    row = np.concatenate([part.row for part in tokens])
    field = np.repeat(np.arange(len(tokens)), [len(part.row) for part in tokens])
    turn = random.integers(0, len(tokens), rows)
    order = np.argsort(row * len(tokens) + (field + turn[row]) % len(tokens), kind="stable")
    feature = np.concatenate([part.feature + fields.starts[part.field] for part in tokens])[order]
    value = np.concatenate([part.value for part in tokens])[order]
    head = words_at([part.field + FEATURE for part in tokens], field[order])
    words = concat(head, as_text(feature), VALUE, words_at(list(VALUES), value))
    counts = np.bincount(row, minlength=rows)
    return counts, join_words(words, counts, NEXT)
