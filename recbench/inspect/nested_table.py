"""A nested report as a table; loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text


def report_table(report: Mapping[str, object]) -> RenderableType:
    """Return a two-column table of a nested report."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in report.items():
        lines = _lines(value)
        table.add_row(Text(name.replace("_", " "), style="bold"), Text("\n".join(lines)))
    return table


def _lines(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}: {in_words(member)}" for name, member in value.items()]
    if isinstance(value, list):
        return [in_words(member) for member in value] or ["none"]
    return [in_words(value)]


def in_words(value: object) -> str:
    """Return a value as people read it: yes or no, members joined by commas, nothing for None."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={in_words(member)}" for name, member in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(in_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
