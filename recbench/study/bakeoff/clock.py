"""The time that a bakeoff has, and what it says of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console

from recbench.results.number_words import duration
from recbench.terminal import print_line


@dataclass(frozen=True)
class Clock:
    """A budget in seconds, which runs from when this is made."""

    budget: float
    console: Console  # where it says what begins
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.started

    def say(self, begins: str, seconds: float | None = None) -> None:
        """Print how much of the budget is spent, what begins, and about how many seconds that takes, if known."""
        takes = "" if seconds is None else f", about {duration(seconds)}"
        print_line(self.console, f"{duration(self.elapsed)} of {duration(self.budget)}: {begins}{takes}")
