"""A day of the calendar as it is typed."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date

from recbench.errors import UsageError


def parse_day(word: str, where: str) -> date:
    """Return the day that a word such as 2024-05-01 names; raises UsageError, which says `where`, for any other."""
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", word):
        with suppress(ValueError):
            return date.fromisoformat(word)
    raise UsageError(f"{where} {word[:40]}: expected a day of the calendar as year, month and day, such as 2024-05-01")
