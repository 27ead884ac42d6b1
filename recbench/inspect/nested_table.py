"""Nested reports and listings as tables; loads nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text


def report_table(report: Mapping[str, object]) -> RenderableType:
    """Return a two-column table of a nested report."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in report.items():
        lines = _lines(value)
        table.add_row(Text(name.replace("_", " "), style="bold"), Text("\n".join(lines)))
    return table


def items_table(items: Iterable[Mapping[str, object]]) -> RenderableType:
    """Return one block per item: its name, what it is, then its other fields."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for item in items:
        table.add_row(str(item["name"]), str(item.get("about") or item.get("title", "")))
        for line in _further_lines(item):
            table.add_row("", Text(line, style="dim"))
    return table


def _further_lines(item: Mapping[str, object]) -> Iterator[str]:
    for field, value in item.items():
        if field == "variants" and isinstance(value, Mapping):
            yield from (f"{item['name']}({variant}): {definition}" for variant, definition in value.items())
        elif field not in ("name", "about", "title") and value not in ("", [], {}):
            yield f"{field}: {in_words(value)}"


def _lines(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}: {in_words(member)}" for name, member in value.items()]
    if isinstance(value, list):
        return [in_words(member) for member in value] or ["none"]
    return [in_words(value)]


def in_words(value: object) -> str:
    """Return a value as people read it: yes or no, members joined by commas, settings as they are typed."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_typed(member)}" for name, member in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(in_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _typed(value: object) -> str:
    if isinstance(value, Mapping):
        return f"({in_words(value)})"
    return str(value).lower() if isinstance(value, bool) else in_words(value)
