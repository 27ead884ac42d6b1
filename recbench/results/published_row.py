"""A published number beside what was measured for it, and such lines as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, stdev
from typing import Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.results.leaderboard import csv_of
from recbench.results.published import Cell, Published

Verdict = Literal["matches", "differs", "not comparable", "undefined", "not run", "not in recbench"]

CLOSE = 0.01  # a mean so near to the printed value matches it
NUMBERS = ("reported", "measured", "difference", "seeds")
HEADINGS = ("method", "metric", "feedback", *NUMBERS, "verdict")
STYLES = {"matches": "green", "differs": "bold", "not comparable": "yellow"}  # what has no number is dim
FIELDS = (
    *("table", "data", "method", "loss", "backbone", "settings", "dataset", "metric", "feedback", "printed"),
    *("reported", "mean", "sd", "difference", "seeds", "verdict", "reasons", "runs"),
)


@dataclass(frozen=True)
class Line:
    """One published number and what recbench measures for it."""

    table: str
    data: str  # DATASET/SPLIT that was measured on
    method: str
    loss: str
    backbone: str
    settings: tuple[str, ...]  # by which the runs differ from what they would usually have
    dataset: str
    metric: str
    feedback: str
    printed: str
    reported: float  # as a fraction
    mean: float | None
    sd: float | None  # over seeds; None for one
    seeds: int
    verdict: Verdict
    reasons: tuple[str, ...]  # why the two are not the same quantity, or why nothing was measured
    runs: tuple[str, ...]

    @property
    def difference(self) -> float | None:
        """What was measured less what was reported."""
        return None if self.mean is None else self.mean - self.reported


def line_of(
    table: Published,
    cell: Cell,
    data: str,
    values: Sequence[float] = (),
    reasons: tuple[str, ...] = (),
    settings: tuple[str, ...] = (),
    runs: tuple[str, ...] = (),
    absent: Verdict = "undefined",
) -> Line:
    """Return a cell with the values of single runs; `absent` is the verdict where there is none."""
    mean = fmean(values) if values else None
    verdict: Verdict = (
        absent
        if mean is None
        else "not comparable"
        if reasons
        else "matches"
        if abs(mean - cell.value) <= CLOSE
        else "differs"
    )
    return Line(
        table=table.name,
        data=data,
        method=cell.method,
        loss=cell.loss,
        backbone=cell.backbone,
        settings=settings,
        dataset=cell.dataset,
        metric=cell.metric + (f":{cell.by}" if cell.by else ""),
        feedback=cell.feedback,
        printed=cell.printed,
        reported=cell.value,
        mean=mean,
        sd=stdev(values) if len(values) > 1 else None,
        seeds=len(values),
        verdict=verdict,
        reasons=reasons,
        runs=runs,
    )


def lines_json(lines: Iterable[Line]) -> list[dict[str, object]]:
    """Return a JSON object per line, with its difference."""
    return [vars(line) | {"difference": line.difference} for line in lines]


def lines_csv(lines: Iterable[Line]) -> str:
    """Return the same as CSV."""
    rows = [
        vars(line)
        | {"difference": line.difference, "settings": ", ".join(line.settings), "reasons": "; ".join(line.reasons)}
        | {"runs": list(line.runs)}
        for line in lines
    ]
    return csv_of(rows, FIELDS)


def lines_table(lines: Sequence[Line]) -> RenderableType:
    """Return the lines for a rich console, a table per data; below each, what was run and why it does not compare."""
    parts: list[RenderableType] = []
    for _, of_data in _by_data(lines):
        held = list(of_data)
        said, headings = _title(held)
        parts += [Text("\n" * bool(parts) + said, style="bold"), _grid(held, headings), Text()]
        settings = dict.fromkeys((_method(line, held), ", ".join(line.settings)) for line in held if line.settings)
        parts += [Text(f"{method}: {words}", style="dim") for method, words in settings]
        parts += [Text(reason) for reason in _reasons(held)]
    said = f"matches: the mean is within {CLOSE} of the printed value, whatever its spread"
    return Group(*parts, Text(said, style="dim") if any(line.mean is not None for line in lines) else Text())


def lines_markdown(lines: Sequence[Line]) -> str:
    """Return the same as Markdown."""
    return "\n".join(text for _, of_data in _by_data(lines) for text in _markdown(list(of_data)))


def _reasons(lines: Sequence[Line]) -> list[str]:
    """Return why numbers do not compare: of all lines that have one, then, by number, of some."""
    common, some = _notes(lines)
    return [f"not comparable: {reason}" for reason in common] + [f"({n}) {reason}" for n, reason in enumerate(some, 1)]


def _notes(lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    every = list(dict.fromkeys(reason for line in lines for reason in line.reasons))
    measured = [line for line in lines if line.mean is not None]
    common = [reason for reason in every if measured and all(reason in line.reasons for line in measured)]
    return common, [reason for reason in every if reason not in common]


def _by_data(lines: Sequence[Line]) -> Iterator[tuple[tuple[str, str], Iterator[Line]]]:
    return groupby(lines, key=lambda line: (line.table, line.data))


def _title(lines: Sequence[Line]) -> tuple[str, list[str]]:
    """Return what stands above a table, with what all lines share, and the headings that are left."""
    shared = {
        name: {str(getattr(line, name)) for line in lines}
        for name in ("metric", "feedback")
        if len({getattr(line, name) for line in lines}) == 1
    }
    words = " of ".join(value for values in shared.values() for value in values)
    title = f"{lines[0].table} on {lines[0].data}" + (f": {words}" if words else "")
    return title, [name for name in HEADINGS if name not in shared]


def _grid(lines: Sequence[Line], headings: Sequence[str]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    for name in headings:
        folds = name in ("method", "verdict")
        word = "diff" if name == "difference" else name
        grid.add_column(word, justify="right" if name in NUMBERS else "left", no_wrap=not folds, overflow="fold")
    some = _notes(lines)[1]
    before = ""
    for line in lines:
        cells = _cells(line, some) | {"method": _method(line, lines)}
        if cells["method"] == before:
            cells["method"] = ""
        else:
            before = cells["method"]
        style = STYLES.get(line.verdict, "dim")
        grid.add_row(*(Text(cells[name], style if name == "verdict" else "") for name in headings))
    return grid


def _markdown(lines: Sequence[Line]) -> Iterator[str]:
    some = _notes(lines)[1]
    yield f"## {lines[0].table} on {lines[0].data}\n"
    yield _markdown_line(["method", "settings", *HEADINGS[1:]])
    yield _markdown_line(["---", "---", *("---:" if name in NUMBERS else "---" for name in HEADINGS[1:])])
    for line in lines:
        cells = _cells(line, some)
        yield _markdown_line([_method(line, lines), ", ".join(line.settings), *(cells[name] for name in HEADINGS[1:])])
    yield ""
    for reason in _reasons(lines):
        yield f"{reason}\n"


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") for cell in cells) + " |"


def _cells(line: Line, some: Sequence[str]) -> dict[str, str]:
    numbers = ", ".join(str(some.index(reason) + 1) for reason in line.reasons if reason in some)
    spread = "" if line.sd is None else f" ± {line.sd:.4f}"
    return {
        "metric": line.metric,
        "feedback": line.feedback,
        "reported": _reported(line),
        "measured": "" if line.mean is None else f"{line.mean:.4f}{spread}",
        "difference": "" if line.difference is None else f"{line.difference:+.4f}",
        "seeds": str(line.seeds or ""),
        "verdict": f"{line.verdict} ({numbers})" if numbers else line.verdict,
    }


def _method(line: Line, lines: Sequence[Line]) -> str:
    """Return what to call the method of a line among all of a table."""
    return f"{line.method} × {line.backbone}" if len({other.backbone for other in lines}) > 1 else line.method


def _reported(line: Line) -> str:
    """Return the number as printed, as a fraction also where the paper has percent."""
    percent = float(line.printed) != line.reported
    return f"{line.reported:.{len(line.printed.partition('.')[2]) + 2}f}" if percent else line.printed
