"""The leaderboard as a terminal table, Markdown, CSV and JSON; every number goes with its signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from csv import DictWriter
from dataclasses import dataclass, field
from io import StringIO
from itertools import pairwise
from string import ascii_lowercase
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from recbench.results.files import write_atomically
from recbench.results.leaderboard_rows import COLUMNS, Row, best_means, board
from recbench.results.sparkline import sparkline
from recbench.results.store import Store

__all__ = ["Row", "board", "csv", "json", "markdown", "table", "write_markdown"]

Column = tuple[str, str]  # metric, signature
Method = tuple[str, str, str]  # loss, backbone, settings

BOUND = "true probability (best attainable)"
BELOW = "↓"
CURVES = "curve: validation by epoch, each from its lowest to its highest"
NARROWEST = 16  # cells that the column of methods may be squeezed to
MINUTE, HOUR = 60, 3600


@dataclass
class _Section:
    """One table: all methods on one feedback of one dataset."""

    title: str
    columns: dict[Column, str] = field(default_factory=dict)  # → heading
    notes: dict[str, str] = field(default_factory=dict)  # signature → letter, for all tables of one dataset
    tested: dict[str, int] = field(default_factory=dict)  # loss × backbone → runs, likewise
    last: bool = True  # of the tables that share the notes
    lines: dict[Method, dict[Column, Row]] = field(default_factory=dict)
    bounds: dict[Column, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Part:
    """What of a section fits side by side."""

    columns: list[Column]
    time: bool = False
    curve: bool = False


def table(rows: Sequence[Row]) -> RenderableType:
    """Return the rows of `board` for a rich console, in tables no wider than it."""
    return _Tables(_sections(rows))


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows of `board` as Markdown, one table per dataset, split and feedback."""
    return "\n".join(line for section in _sections(rows) for line in _markdown_section(section))


def csv(rows: Sequence[Row]) -> str:
    """Return the rows of `board` as CSV, without the curve."""
    return csv_of([{name: dict(row)[name] for name in COLUMNS} for row in rows], COLUMNS)


def csv_of(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return rows as CSV; text that a spreadsheet would take for a formula gets a '."""
    text = StringIO()
    writer = DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _csv_cell(value) for name, value in row.items()})
    return text.getvalue()


def clock(seconds: float) -> str:
    """Return a time as on a stopwatch: "0:07", "1:34", "2:05:00"."""
    whole = round(seconds)
    minutes = f"{whole // MINUTE}" if whole < HOUR else f"{whole // HOUR}:{whole % HOUR // MINUTE:02}"
    return f"{minutes}:{whole % MINUTE:02}"


def json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows of `board` as JSON objects."""
    return [dict(row) for row in rows]


def write_markdown(store: Store) -> None:
    """Write the whole board to `leaderboard.md`, atomically.

    Each writer looks again after writing and repeats if more came, so the last one has seen everything.
    Raises UsageError if nothing was evaluated.
    """
    head = "# Leaderboard\n\nMade from `runs/` by recbench; do not edit.\n\n"
    seen, there = None, store.listing()
    while seen != there:
        seen = there
        write_atomically(store.root / "leaderboard.md", head + markdown(board(store)))
        there = store.listing()


def _sections(rows: Sequence[Row]) -> list[_Section]:
    versions: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        versions.setdefault((row["dataset"], row["split"]), set()).add(row["fingerprint"])
    sections: dict[tuple[str, ...], _Section] = {}
    notes: dict[tuple[str, ...], dict[str, str]] = {}
    tested: dict[tuple[str, ...], dict[str, int]] = {}
    for row in rows:
        data = f" (data {row['fingerprint'][:12]})" if len(versions[row["dataset"], row["split"]]) > 1 else ""
        place = (row["dataset"], row["split"], row["fingerprint"], row["feedback"])
        title = _plain(f"{row['dataset']}/{row['split']}{data}: {row['feedback']}")
        shared = notes.setdefault(place[:3], {}), tested.setdefault(place[:3], {})
        section = sections.setdefault(place, _Section(title, notes=shared[0], tested=shared[1]))
        section.tested[_plain(f"{row['loss']} × {row['backbone']}")] = row["tested"]
        column = row["metric"], row["signature"]
        letter = section.notes.setdefault(row["signature"], _letter(len(section.notes)))
        section.columns.setdefault(column, f"{_plain(row['metric'])} ({letter})")
        method = row["loss"], row["backbone"], row["settings"]
        section.lines.setdefault(method, {})[column] = row
        if row["bound"] is not None:
            section.bounds[column] = row["bound"]
    for section, following in pairwise(sections.values()):
        section.last = section.notes is not following.notes
    return list(sections.values())


def _letter(place: int) -> str:
    return ascii_lowercase[place % 26] * (place // 26 + 1)


def _plain(text: str) -> str:
    """Return the text without characters that break lines or steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _number(row: Row | None) -> str:
    if row is None or row["mean"] is None:
        return "-"
    spread = "" if row["sd"] is None else f" ± {row['sd']:.4f}"
    return f"{f'{BELOW} ' if row['below'] else ''}{row['mean']:.4f}{spread}"


def _seeds(row: dict[Column, Row]) -> str:
    counts = sorted(cell["seeds"] for cell in row.values())
    return str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]}-{counts[-1]}"


def _fullest(cells: Mapping[Column, Row]) -> Row:
    """Return the row of a method that has the most runs."""
    return max(cells.values(), key=lambda row: row["seeds"])


def _openings(section: _Section) -> str:
    """Return how many runs of each method have seen the test rows: the more, the more they were chosen by luck."""
    counts = [f"{name} {count}" for name, count in section.tested.items()]
    return f"runs tested on these rows: {', '.join(counts)}"


def _baselines(section: _Section) -> str:
    """Return what the mark of being below a baseline means in this table; "" if nothing has it."""
    best: dict[str, list[str]] = {}
    for column, heading in section.columns.items():
        names = {cells[column]["below"] for cells in section.lines.values() if column in cells} - {""}
        for name in names:
            best.setdefault(name, []).append(heading)
    said = "; ".join(f"{name} in {', '.join(headings)}" for name, headings in best.items())
    return f"{BELOW} mean below that of the best baseline: {said}" if said else ""


def _best(section: _Section) -> str:
    """Return what bold means in this table; "" if nothing competes."""
    said = best_means([row for cells in section.lines.values() for row in cells.values()])
    return f"bold: {said}" if said else ""


def _markdown_section(section: _Section) -> Iterator[str]:
    headings = ["loss", "backbone", "settings", *section.columns.values(), "time", "seeds"]
    yield f"## {_escape(section.title)}\n"
    yield _markdown_line([_escape(heading) for heading in headings])
    yield _markdown_line(["---"] * 3 + ["---:"] * (len(headings) - 3))
    for method, cells in section.lines.items():
        numbers = []
        for column in section.columns:
            row = cells.get(column)
            number = _number(row)
            numbers.append(f"**{number}**" if row and row["best"] else number)
        time = clock(_fullest(cells)["seconds"])
        yield _markdown_line([*(_escape(_plain(name)) for name in method), *numbers, time, _seeds(cells)])
    if section.bounds:
        limits = [f"{section.bounds[c]:.4f}" if c in section.bounds else "" for c in section.columns]
        yield _markdown_line([BOUND, "", "", *limits, "", ""])
    yield ""
    for mark in filter(None, (_best(section), _baselines(section))):
        yield f"{_escape(mark)}\n"
    for signature, letter in section.notes.items() if section.last else ():
        yield f"({letter}) {_escape(_plain(signature))}\n"
    if section.last:
        yield f"{_escape(_openings(section))}\n"


def _markdown_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{character}" if character in r"\|*_`[]" else character for character in text)


def _csv_cell(value: object) -> object:
    if isinstance(value, list):
        value = " ".join("" if member is None else str(member) for member in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


class _Tables:
    """Sections that break into several tables where the console is too narrow for all metrics."""

    def __init__(self, sections: list[_Section]) -> None:
        self.sections = sections

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        curves = False
        for place, section in enumerate(self.sections):
            yield Text("\n" * (place > 0 and self.sections[place - 1].last) + section.title, style="bold")
            spread = "+/-" if options.ascii_only else "±"
            for part in _fit(section, options.max_width, spread):
                yield _grid(section, part, spread)
                yield Text()
                curves |= part.curve
            marks = [_best(section) if console.is_terminal else "", _baselines(section)]  # bold is lost elsewhere
            for mark in filter(None, marks):
                yield Text(_for(spread, mark), style="dim")
            if any(marks) and not section.last:
                yield Text()
            for signature, letter in section.notes.items() if section.last else ():
                yield Text(f"({letter}) {_plain(signature)}", style="dim")
            if section.last and curves:
                yield Text(CURVES, style="dim")
                curves = False
            if section.last:
                yield Text(_for(spread, _openings(section)), style="dim")


def _fit(section: _Section, width: int, spread: str) -> Iterator[_Part]:
    """Split the columns so that each table fits the width, names of methods folded if need be.

    The last one has the times and the curves if there is room beside whole names; curves are the first to go.
    """
    names = max(cell_len(f"{loss} × {backbone}") for loss, backbone, _ in section.lines)
    free = width - min(names, NARROWEST) - len("  seeds")
    taken: list[Column] = []
    room = free
    for column, heading in section.columns.items():
        numbers = (_cell(cells.get(column), spread).cell_len for cells in section.lines.values())
        needed = 2 + max(cell_len(heading), *numbers)
        if taken and needed > room:
            yield _Part(taken)
            taken, room = [], free
        taken.append(column)
        room -= needed
    room -= max(names - NARROWEST, 0)
    longest = [_fullest(cells) for cells in section.lines.values()]
    room -= 2 + max(cell_len(clock(row["seconds"])) for row in longest)
    curve = 2 + max(len("curve"), *(len(sparkline(row["curve"])) for row in longest))
    drawn = spread == "±" and any(sparkline(row["curve"]) for row in longest)
    yield _Part(taken, time=room >= 0, curve=drawn and room >= curve)


def _grid(section: _Section, part: _Part, spread: str) -> Table:
    times = "×" if spread == "±" else "x"
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    grid.add_column(Text(f"loss {times} backbone"), overflow="fold")
    for column in part.columns:
        grid.add_column(Text(section.columns[column]), justify="right", no_wrap=True, overflow="fold")
    if part.curve:
        grid.add_column("curve", no_wrap=True)
    if part.time:
        grid.add_column("time", justify="right", no_wrap=True)
    grid.add_column("seeds", justify="right", no_wrap=True)
    for method, cells in section.lines.items():
        numbers = [_cell(cells.get(column), spread) for column in part.columns]
        shown = {column: cells[column] for column in part.columns if column in cells}
        fullest = _fullest(cells)
        curve = [sparkline(fullest["curve"])] if part.curve else []
        time = [clock(fullest["seconds"])] if part.time else []
        grid.add_row(_method(method, times), *numbers, *curve, *time, _seeds(shown) if shown else "-")
    if section.bounds.keys() & set(part.columns):
        limits = [f"{section.bounds[c]:.4f}" if c in section.bounds else "" for c in part.columns]
        grid.add_row(BOUND, *limits, *[""] * (1 + part.time + part.curve), style="dim")
    return grid


def _method(method: Method, times: str) -> RenderableType:
    loss, backbone, settings = map(_plain, method)
    name = Text(f"{loss} {times} {backbone}")
    return Group(name, Padding(Text(settings, style="dim"), (0, 0, 0, 2))) if settings else name


def _cell(row: Row | None, spread: str) -> Text:
    return Text(_for(spread, _number(row)), style="bold" if row and row["best"] else "")


def _for(spread: str, text: str) -> str:
    """Return the text in ASCII where the console has `+/-` for ±."""
    return text if spread == "±" else text.replace("±", spread).replace("×", "x").replace(BELOW, "v")
