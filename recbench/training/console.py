"""Lines for a person, on a rich console."""

from __future__ import annotations

from rich.console import Console


def print_line(console: Console, line: str) -> None:
    """Print a line as it is, whatever its length and the brackets in it."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)
