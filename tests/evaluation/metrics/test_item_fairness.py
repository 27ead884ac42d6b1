"""Measures of how fairly items are recommended, against values of the code of Rampisela et al. and plain loops."""

from __future__ import annotations

import math

import pytest
from hypothesis import given

from tests.evaluation.helpers import catalogue_of, counted, lists_of_items, recommended

CATALOGUE = catalogue_of([0] * 6)
LISTS = [[0, 1], [0, 1], [0, 2]]  # items are recommended 3, 2, 1, 0, 0 and 0 times


def measure(name: str, item: list[list[int]], variant: str = "plain") -> float:
    word = f"{name}@4({variant})" if name in ("jain", "entropy") else f"{name}@4"
    return counted(word, lists_of_items(item, CATALOGUE)).value


@pytest.mark.parametrize(
    ("name", "plain", "corrected"),
    [("jain", 0.4285714, 0.1428571), ("entropy", 0.5644755, 0.2896901)],
)
def test_values_of_the_authors_code(name: str, plain: float, corrected: float) -> None:
    assert measure(name, LISTS) == pytest.approx(plain, abs=1e-7)
    assert measure(name, LISTS, "corrected") == pytest.approx(corrected, abs=1e-7)


def test_other_values_of_the_authors_code() -> None:
    assert measure("ai-d", LISTS) == pytest.approx(0.1359259, abs=1e-7)
    assert measure("fsat", LISTS) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["jain", "entropy"])
def test_the_ends_of_the_range(name: str) -> None:
    alike, apart = [[3, 1, 5]] * 4, [[0, 1, 2], [3, 4, 5], [2, 1, 0], [5, 4, 3]]
    assert measure(name, alike, "corrected") == pytest.approx(0)
    assert measure(name, apart, "corrected") == pytest.approx(1) == measure(name, apart)
    assert math.isnan(measure(name, [[], []]))


def test_places_for_fewer_than_all_items_satisfy_everybody() -> None:
    assert measure("fsat", [[0, 1], [0, 2]]) == 1
    assert measure("fsat", [[0, 1, 2], [0, 1, 2]]) == 0.5
    assert math.isnan(measure("fsat", [[], []]))


def test_equal_attention_is_no_disparity() -> None:
    assert measure("ai-d", [[0], [1], [2], [3], [4], [5]]) == pytest.approx(0)


@given(recommended())
def test_against_loops(item: list[list[int]]) -> None:
    count = [sum(one in row for row in item) for one in range(6)]
    attention = [sum(0.8 ** row.index(one) for row in item if one in row) / len(item) for one in range(6)]
    middle = sum(attention) / 6
    assert measure("ai-d", item) == pytest.approx(sum((a - middle) ** 2 for a in attention) / 6, abs=1e-12)
    if sum(count):
        shares = [c / sum(count) for c in count if c]
        assert measure("jain", item) == pytest.approx(sum(count) ** 2 / (6 * sum(c * c for c in count)))
        assert measure("entropy", item) == pytest.approx(-sum(p * math.log(p, 6) for p in shares), abs=1e-12)
        assert measure("fsat", item) == pytest.approx(sum(c >= sum(count) // 6 for c in count) / 6)


@given(recommended())
def test_the_corrected_ones_are_between_0_and_1(item: list[list[int]]) -> None:
    for name in ("jain", "entropy"):
        value = measure(name, item, "corrected")
        assert math.isnan(value) or -1e-12 <= value <= 1 + 1e-12
