import math

import pytest
from hypothesis import given

from tests.evaluation.helpers import catalogue_of, counted, lists_of_items, recommended

POPULARITY = [8, 4, 2, 1, 0, 3]
CATALOGUE = catalogue_of(POPULARITY, users=8)


def test_by_hand() -> None:
    """Items of all, half, a quarter and an eighth of the users have 0, 1, 2 and 3 bits; one of nobody has 3 too."""
    novelty = counted("novelty@4", lists_of_items([[0, 1, 2, 3], [4], []], CATALOGUE))
    assert (novelty.value, novelty.count) == ((1.5 + 3) / 2, 2)


def test_without_a_training_user_nothing_is_known() -> None:
    assert counted("novelty@4", lists_of_items([[0]], catalogue_of([0], users=0))).value == 0


@given(recommended())
def test_a_plain_loop_agrees(item: list[list[int]]) -> None:
    means = [sum(-math.log2(max(POPULARITY[one], 1) / 8) for one in row) / len(row) for row in item if row]
    value = counted("novelty@4", lists_of_items(item, CATALOGUE)).value
    assert value == pytest.approx(sum(means) / len(means)) if means else math.isnan(value)
