import math
from itertools import combinations

import pytest
from hypothesis import given

from tests.evaluation.helpers import catalogue_of, counted, lists_of_items, recommended

CATALOGUE = catalogue_of([0] * 6)


def gini(item: list[list[int]], variant: str = "plain") -> float:
    return counted(f"gini@4({variant})", lists_of_items(item, CATALOGUE)).value


def test_by_hand() -> None:
    """The counts 3, 2, 1, 0, 0, 0, whose values are those of the code of Rampisela et al."""
    item = [[0, 1], [0, 1], [0, 2]]
    assert gini(item) == pytest.approx(0.6111111, abs=1e-7)
    assert gini(item, "corrected") == pytest.approx(0.9166667, abs=1e-7)


def test_the_ends_of_the_range() -> None:
    same, apart = [[3, 1, 5]] * 4, [[0, 1, 2], [3, 4, 5]]
    assert gini(same) == pytest.approx(1 - 3 / 6)
    assert gini(same, "corrected") == pytest.approx(1)
    assert gini(apart) == pytest.approx(0)
    assert gini([[4], [2]], "corrected") == pytest.approx(0)  # two places cannot be equal over six items
    assert gini([[4], [2]]) == pytest.approx(4 / 6)


def test_what_cannot_differ_is_undefined() -> None:
    assert math.isnan(gini([[], []]))
    assert math.isnan(gini([[4]], "corrected"))


@given(recommended())
def test_it_is_the_mean_difference_of_two_items_over_twice_their_mean(item: list[list[int]]) -> None:
    count = [sum(one in row for row in item) for one in range(6)]
    if sum(count):
        differences = 2 * sum(abs(a - b) for a, b in combinations(count, 2)) / 36
        assert gini(item) == pytest.approx(differences / (2 * sum(count) / 6))


@given(recommended())
def test_the_corrected_one_is_between_0_and_1(item: list[list[int]]) -> None:
    value = gini(item, "corrected")
    assert math.isnan(value) or -1e-12 <= value <= 1 + 1e-12
