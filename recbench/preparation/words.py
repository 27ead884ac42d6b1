"""Counts as they are shown to people."""

from __future__ import annotations


def count_of(count: int, whole: int, what: str) -> str:
    """Return "3 of 1,000 rows (0.30%)", or "none of 1,000 rows"."""
    return f"{count:,} of {whole:,} {what} ({count / whole:.2%})" if count else f"none of {whole:,} {what}"
