import math

import pytest
from hypothesis import given

from tests.evaluation.helpers import catalogue_of, counted, lists_of_items, recommended

POPULARITY = [7, 3, 3, 1, 0, 9]
CATALOGUE = catalogue_of(POPULARITY)


def test_by_hand() -> None:
    popularity = counted("arp@4", lists_of_items([[0, 1], [4], []], CATALOGUE))
    assert (popularity.value, popularity.count) == ((5 + 0) / 2, 2)  # the empty list does not count


@given(recommended())
def test_a_plain_loop_agrees(item: list[list[int]]) -> None:
    means = [sum(POPULARITY[one] for one in row) / len(row) for row in item if row]
    value = counted("arp@4", lists_of_items(item, CATALOGUE))
    assert value.count == len(means)
    assert value.value == pytest.approx(sum(means) / len(means)) if means else math.isnan(value.value)
