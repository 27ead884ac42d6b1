import math

import pytest
from hypothesis import given

from tests.evaluation.helpers import catalogue_of, counted, lists_of_items, recommended

CATALOGUE = catalogue_of([0] * 6)


def test_by_hand() -> None:
    coverage = counted("coverage@4", lists_of_items([[0, 1], [1, 5], []], CATALOGUE))
    assert (coverage.value, coverage.count) == (0.5, 3)


def test_without_users_it_is_undefined() -> None:
    assert math.isnan(counted("coverage@4", lists_of_items([], CATALOGUE)).value)


@given(recommended())
def test_a_plain_count_agrees(item: list[list[int]]) -> None:
    distinct = {one for row in item for one in row}
    assert counted("coverage@4", lists_of_items(item, CATALOGUE)).value == pytest.approx(len(distinct) / 6)
