"""Which values of a metric are good, and how its signature says so. Loads nothing, so that the leaderboard can."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Better = Literal["high", "low", "one"]  # high values, low ones, or those near 1

WORDS: Mapping[Better, str] = MappingProxyType({"high": "", "low": "better=lower", "one": "better=1"})


def better_of(signature: str) -> Better:
    """Return which values of a number with this signature are good."""
    words = signature.split("; ")
    return next((better for better, word in WORDS.items() if word and word in words), "high")
