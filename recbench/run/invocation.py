"""What a command works with, whatever it does: where results and lines go, and how it was typed."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from recbench.results.store import Store


@dataclass(frozen=True)
class Invocation:
    """A command that was typed, or a function that was called in its place."""

    store: Store  # where it keeps results
    console: Console  # where it says what it does
    command: str  # as it was typed, for the records
