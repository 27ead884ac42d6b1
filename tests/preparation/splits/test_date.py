from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.errors import UsageError
from recbench.preparation.splits.base import SPLITS, Split
from tests.preparation.splits.logs import MIDNIGHT, ROWS, Rows, assigned


def split(day: date | None, unit: str = "s") -> Split:
    return SPLITS.get("date")((8, 1, 1), split_date=day, time_unit=unit)


@settings(max_examples=60)
@given(ROWS, st.dates(date(2024, 2, 27), date(2024, 3, 7)), st.sampled_from(["s", "ms"]))
def test_rows_from_the_day_on_are_test_and_the_last_tenth_before_valid(rows: Rows, day: date, unit: str) -> None:
    moments = [moment for _, moment in rows]
    start = datetime.combine(day, time(), UTC).timestamp()
    before = sorted(moment for moment in moments if moment < start)
    if not 0 < len(before) < len(rows):
        with pytest.raises(UsageError, match=f"--split-date {day}: test or train would have no row, since the log is"):
            assigned(rows, split(day, unit))
    else:
        valid = before[9 * len(before) // 10]
        assert assigned(rows, split(day, unit)) == [2 if m >= start else 1 if m >= valid else 0 for m in moments]


def test_the_days_of_the_log_are_said() -> None:
    rows = [(0, MIDNIGHT + day * 86_400) for day in range(7)]
    for day in (date(2024, 2, 29), date(2024, 3, 7), date(1, 1, 1), date(9999, 12, 31)):
        with pytest.raises(
            UsageError, match=r"the log is of 2024-02-29 to 2024-03-06 \(UTC\); choose a day in between"
        ):
            assigned(rows, split(day))
    assert assigned(rows, split(date(2024, 3, 6))) == [0, 0, 0, 0, 0, 1, 2]


def test_what_is_said_of_it() -> None:
    assert split(date(2024, 5, 1)).folder_suffix == "2024-05-01"
    assert split(date(2024, 5, 1)).rule.startswith("rows from 2024-05-01 00:00 UTC on are test; of the n rows before")
    with pytest.raises(UsageError, match="split `date` needs the first day of test: add --split-date YYYY-MM-DD"):
        _ = split(None).folder_suffix
