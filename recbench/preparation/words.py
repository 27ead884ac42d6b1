"""Counts and lists as they are shown to people."""

from __future__ import annotations

from collections.abc import Sequence


def count_of(count: int, whole: int, what: str) -> str:
    """Return "3 of 1,000 rows (0.30%)", or "none of 1,000 rows"."""
    return f"{count:,} of {whole:,} {what} ({count / whole:.2%})" if count else f"none of {whole:,} {what}"


def first_few(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
