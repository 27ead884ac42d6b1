"""What a long step tells of itself; the command line shows it, and everybody else need not listen."""

from __future__ import annotations


class Progress:
    """Hears of steps and of what is done of them; does nothing with it."""

    def step(self, what: str, total: int | None = None, unit: str = "bytes") -> None:
        """Begin a step of `total` bytes or rows, or of unknown size."""

    def advance(self, amount: int) -> None:
        """Count so many more as done."""

    def tell(self, text: str) -> None:
        """Say some lines that a user must read."""
