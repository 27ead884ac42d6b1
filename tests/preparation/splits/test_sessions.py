from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.errors import UsageError
from recbench.preparation.splits.base import SPLITS, Split
from tests.preparation.splits.logs import MIDNIGHT, ROWS, Rows, assigned


def split(days: int) -> Split:
    return SPLITS.get("sessions")((8, 1, 1), split_days=days)


@settings(max_examples=60)
@given(ROWS, st.integers(1, 3))
def test_a_session_is_in_the_part_of_the_day_on_which_it_ends(rows: Rows, days: int) -> None:
    end = {user: max(time for who, time in rows if who == user) for user, _ in rows}
    day = {user: datetime.fromtimestamp(time, UTC).date() for user, time in end.items()}
    test = max(day.values()) - timedelta(days - 1)
    valid = test - timedelta(days)
    if min(datetime.fromtimestamp(time, UTC).date() for _, time in rows) >= valid:
        with pytest.raises(UsageError, match=f"--split-days {days}: the days of the log"):
            assigned(rows, split(days))
    else:
        expected = [2 if day[user] >= test else 1 if day[user] >= valid else 0 for user, _ in rows]
        assert assigned(rows, split(days)) == expected


def test_a_session_over_midnight_is_whole() -> None:
    rows = [(0, MIDNIGHT - 1), (1, MIDNIGHT), (2, MIDNIGHT + 86_399), (2, MIDNIGHT + 86_400), (1, MIDNIGHT + 1)]
    assert assigned(rows, split(1)) == [0, 1, 2, 2, 1]
    assert split(1).new_test_users and split(1).folder_suffix == "1-day"
