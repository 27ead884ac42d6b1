"""Mutual information of columns against plain loops and closed forms."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product

import torch

from recbench.backbones.building_blocks.feature_views import mutual_information
from recbench.data.dataset import Table
from recbench.data.manifest import Column

COLUMNS = (
    Column("id", "categorical", 7),
    Column("colour", "categorical", 3),
    Column("tags", "bag", 4, 2),
    Column("parity", "categorical", 3),
)
ROWS = [
    [1, 1, 1, 2, 1],
    [2, 1, 3, 0, 2],
    [3, 2, 0, 0, 1],
    [4, 2, 1, 3, 2],
    [5, 0, 2, 0, 1],
    [6, 1, 1, 2, 2],  # not seen in train
]
TABLE = Table(COLUMNS, torch.tensor(ROWS, dtype=torch.int32), seen=5)


def members(row: list[int]) -> list[list[int]]:
    """The values of each column of a row; of an empty bag the unknown one."""
    return [[row[0]], [row[1]], [tag for tag in row[2:4] if tag] or [0], [row[4]]]


def by_loops(a: int, b: int) -> float:
    one, two, both = defaultdict(float), defaultdict(float), defaultdict(float)
    for row in ROWS[:5]:
        first, second = members(row)[a], members(row)[b]
        for x in first:
            one[x] += 1 / len(first) / 5
        for y in second:
            two[y] += 1 / len(second) / 5
        for x, y in product(first, second):
            both[x, y] += 1 / len(first) / len(second) / 5
    return sum(p * math.log(p / one[x] / two[y]) for (x, y), p in both.items())


def test_against_loops() -> None:
    found = mutual_information(TABLE)
    expected = [[by_loops(a, b) if a != b else 0.0 for b in range(4)] for a in range(4)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.double))


def test_closed_forms() -> None:
    """An id says all there is to say of a feature, its entropy; features that are independent say nothing."""
    found = mutual_information(TABLE)
    entropy = -sum(p * math.log(p) for p in (2 / 5, 2 / 5, 1 / 5))
    assert math.isclose(found[0, 1], entropy)
    crossed = torch.tensor([[1, 1], [1, 2], [2, 1], [2, 2]], dtype=torch.int32)
    columns = (Column("a", "categorical", 3), Column("b", "categorical", 3))
    assert abs(mutual_information(Table(columns, crossed, seen=4))[0, 1]) < 1e-12
