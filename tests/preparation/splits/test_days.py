from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.errors import UsageError
from recbench.preparation.splits.base import SPLITS, Split
from tests.preparation.splits.logs import MIDNIGHT, ROWS, Rows, assigned


def split(days: int, unit: str = "s") -> Split:
    return SPLITS.get("days")((8, 1, 1), split_days=days, time_unit=unit)


@settings(max_examples=60)
@given(ROWS, st.integers(1, 3), st.sampled_from(["s", "ms"]))
def test_the_last_days_are_test_and_as_many_before_valid(rows: Rows, days: int, unit: str) -> None:
    day = [datetime.fromtimestamp(time, UTC).date() for _, time in rows]
    test = max(day) - timedelta(days - 1)
    valid = test - timedelta(days)
    if min(day) >= valid:
        with pytest.raises(UsageError, match=f"--split-days {days}: the days of the log, {min(day)} to {max(day)}"):
            assigned(rows, split(days, unit))
    else:
        assert assigned(rows, split(days, unit)) == [(2 if d >= test else 1 if d >= valid else 0) for d in day]


def test_a_day_begins_at_midnight() -> None:
    rows = [(0, MIDNIGHT + second) for second in (-1, 0, 86_399, 86_400, 86_401)]
    assert assigned(rows, split(1)) == [0, 1, 1, 2, 2]


def test_too_few_days() -> None:
    rows = [(0, MIDNIGHT + day * 86_400) for day in range(7)]
    assert set(assigned(rows, split(3))) == {0, 1, 2}
    with pytest.raises(
        UsageError, match=r"2024-02-29 to 2024-03-06 .* too few for 4 of test, .*; choose 1 to 3, or an"
    ):
        assigned(rows, split(4))
    with pytest.raises(UsageError, match=r"any of train; choose 1, or another --split"):
        assigned(rows[:3], split(2))
    with pytest.raises(UsageError, match=r"any of train; choose another --split"):
        assigned(rows[:2], split(1))


def test_what_is_said_of_it() -> None:
    assert (split(1).folder_suffix, split(7).folder_suffix) == ("1-day", "7-days")
    assert "test is the last day of the log, valid the day before" in split(1).rule
    assert "test is the last 7 days of the log, valid the 7 days before" in split(7).rule
