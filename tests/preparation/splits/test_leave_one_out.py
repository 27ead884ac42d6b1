from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.preparation.splits.base import SPLITS, Split
from tests.preparation.splits.logs import ROWS, Rows, assigned


def split() -> Split:
    return SPLITS.get("leave-one-out")((8, 1, 1), split_date=date(2024, 3, 1))


@settings(max_examples=60)
@given(ROWS, st.sampled_from([1, 7]))
def test_the_last_row_of_each_user_is_test_and_the_last_but_one_valid(rows: Rows, at_once: int) -> None:
    expected = [0] * len(rows)
    for user in {user for user, _ in rows}:
        own = sorted((time, number) for number, (who, time) in enumerate(rows) if who == user)
        if len(own) >= 3:
            expected[own[-1][1]] = 2
            expected[own[-2][1]] = 1
    assert assigned(rows, split(), at_once) == expected


def test_ties_are_in_file_order_and_two_rows_are_too_few() -> None:
    moment = 1_709_100_000
    rows = [(0, moment), (1, moment), (0, moment), (0, moment), (1, moment), (0, moment - 1)]
    assert assigned(rows, split()) == [0, 0, 1, 2, 0, 0]
