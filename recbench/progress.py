"""How a long step reports what is done; the command line shows it, and other callers ignore it."""

from __future__ import annotations


class Progress:
    """Receives the steps of a long piece of work and how far they are; this one ignores them."""

    def step(self, what: str, total: int | None = None, unit: str = "bytes") -> None:
        """Begin a step of `total` bytes or rows, or of unknown size."""

    def advance(self, amount: int) -> None:
        """Count so many more as done."""

    def show_message(self, text: str) -> None:
        """Show some lines that a user must read."""
