"""What has been measured, as a page to read and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One number that was measured, or why it was not."""

    section: str
    work: str
    way: str
    unit: str = ""
    rate: float | None = None
    milliseconds: float | None = None
    mebibytes: float | None = None
    agrees: bool | None = None
    target: float | None = None
    before: float | None = None
    note: str = ""
    error: str = ""


def page(machine: Mapping[str, str], lines: Sequence[Line]) -> str:
    """Return the page as Markdown: targets first, then every section."""
    parts = ["# Measured on one GPU", "; ".join(f"{name} {value}" for name, value in machine.items()), _targets(lines)]
    for section in dict.fromkeys(line.section for line in lines):
        own = [line for line in lines if line.section == section]
        parts.append(f"## {section.capitalize()}")
        parts += _rates([line for line in own if line.unit or line.error])
        parts += _checks([line for line in own if not line.unit and not line.error])
    return "\n\n".join(part for part in parts if part) + "\n"


def _targets(lines: Iterable[Line]) -> str:
    rows = []
    for line in lines:
        if line.target is not None:
            reached = "not measured" if line.rate is None else "yes" if line.rate >= line.target else "**missed**"
            cells = (line.work, line.way, _rate(line.target, line.unit), _rate(line.rate, line.unit), reached)
            rows.append(_row(cells))
    if not rows:
        return ""
    return "\n".join(
        ["## Targets", "", _row(("work", "way", "target", "reached", "")), "|---|---|---:|---:|---|", *rows]
    )


def _rates(lines: Sequence[Line]) -> list[str]:
    """Return the table of what has a rate, with its ratio to the first way of the same work."""
    if not lines:
        return []
    first: dict[str, float] = {}
    rows = []
    for line in lines:
        base = first.setdefault(line.work, line.rate) if line.rate else None
        cells = (
            line.work,
            line.way,
            "" if line.milliseconds is None else f"{line.milliseconds:,.3f}",
            _rate(line.rate, line.unit),
            f"{line.rate / base:.2f}" if line.rate and base else "",
            _rate(line.before, line.unit),
            "" if line.mebibytes is None else f"{line.mebibytes:,.0f}",
            line.error or "; ".join(filter(None, (_words(line.agrees), line.note))),
        )
        rows.append(_row(cells))
    head = ("work", "way", "ms", "rate", "of the first", "earlier, H200", "peak MiB", "")
    return ["\n".join([_row(head), "|---|---|---:|---:|---:|---:|---:|---|", *rows])]


def _checks(lines: Sequence[Line]) -> list[str]:
    """Return a paragraph for each kind of check: how many agree, and all that do not."""
    parts = []
    for way in dict.fromkeys(line.way for line in lines):
        own = [line for line in lines if line.way == way]
        decided = [line for line in own if line.agrees is not None]
        agree = sum(bool(line.agrees) for line in decided)
        others = [
            f"- {line.work}: {'not compared' if line.agrees is None else '**differs**'}; {line.note}"
            for line in own
            if not line.agrees
        ]
        parts.append(
            "\n".join([f"{way[:1].upper()}{way[1:]}: {agree} of {len(decided)}.", *([""] if others else []), *others])
        )
    return parts


def _words(agrees: bool | None) -> str:
    return "" if agrees is None else "holds" if agrees else "**does not hold**"


def _rate(rate: float | None, unit: str) -> str:
    if rate is None:
        return ""
    number = f"{rate / 1e6:.2f} M" if rate >= 1e6 else f"{rate / 1e3:.0f}k" if rate >= 1e4 else f"{rate:,.0f}"
    return f"{number} {unit}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
