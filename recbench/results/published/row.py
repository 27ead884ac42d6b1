"""A published number beside what was measured for it, and such rows as tables, Markdown, CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, stdev
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.results.csv_text import as_csv
from recbench.results.leaderboard import markdown_row, markdown_text
from recbench.results.number_words import mean_with_sd
from recbench.results.published.tables import PublishedCell, PublishedTable
from recbench.terminal import empty_table

Verdict = Literal["matches", "differs", "not comparable", "undefined", "not run", "not in recbench"]

CLOSE = 0.01  # a mean so near to the printed value matches it
NUMBERS = ("reported", "measured", "difference", "seeds")
HEADINGS = ("method", "metric", "feedback", *NUMBERS, "verdict")
STYLES = {"matches": "green", "differs": "bold", "not comparable": "yellow"}  # verdicts without a number are dim
FIELDS = (
    *("table", "data", "method", "loss", "backbone", "settings", "dataset", "metric", "feedback", "printed"),
    *("reported", "mean", "sd", "difference", "seeds", "verdict", "reasons", "runs"),
)


@dataclass(frozen=True)
class PublishedRow:
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


def published_row(
    table: PublishedTable,
    cell: PublishedCell,
    data: str,
    values: Sequence[float] = (),
    reasons: tuple[str, ...] = (),
    settings: tuple[str, ...] = (),
    runs: tuple[str, ...] = (),
    without_values: Verdict = "undefined",
) -> PublishedRow:
    """Return a published number beside the values of single runs on `data`; `reasons` say why they do not compare."""
    mean = fmean(values) if values else None
    verdict: Verdict
    if mean is None:
        verdict = without_values
    elif reasons:
        verdict = "not comparable"
    else:
        verdict = "matches" if abs(mean - cell.value) <= CLOSE else "differs"
    return PublishedRow(
        table=table.name,
        data=data,
        method=cell.method,
        loss=cell.loss,
        backbone=cell.backbone,
        settings=settings,
        dataset=cell.dataset,
        metric=cell.measured_as,
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


def rows_as_json(rows: Iterable[PublishedRow]) -> list[dict[str, object]]:
    """Return a JSON object per row, with its difference."""
    return [vars(row) | {"difference": row.difference} for row in rows]


def rows_as_csv(rows: Iterable[PublishedRow]) -> str:
    """Return the same as CSV."""
    objects = [
        vars(row)
        | {"difference": row.difference, "settings": ", ".join(row.settings), "reasons": "; ".join(row.reasons)}
        | {"runs": list(row.runs)}
        for row in rows
    ]
    return as_csv(objects, FIELDS)


def rows_table(rows: Sequence[PublishedRow]) -> RenderableType:
    """Return the rows for a rich console, a table per data; below each, what was run and why it does not compare."""
    parts: list[RenderableType] = []
    for group in _by_data(rows):
        title, headings = _title(group)
        parts += [Text("\n" * bool(parts) + title, style="bold"), _grid(group, headings), Text()]
        settings = dict.fromkeys((_method(row, group), ", ".join(row.settings)) for row in group if row.settings)
        parts += [Text(f"{method}: {words}", style="dim") for method, words in settings]
        parts += [Text(reason) for reason in _numbered_reasons(group)]
    if any(row.mean is not None for row in rows):
        parts.append(Text(f"matches: the mean over seeds is within {CLOSE} of the printed value", style="dim"))
    return Group(*parts)


def rows_markdown(rows: Sequence[PublishedRow]) -> str:
    """Return the same as Markdown."""
    return "\n".join(line for group in _by_data(rows) for line in _markdown(group))


def _by_data(rows: Sequence[PublishedRow]) -> Iterator[list[PublishedRow]]:
    for _, group in groupby(rows, key=lambda row: (row.table, row.data)):
        yield list(group)


def _numbered_reasons(rows: Sequence[PublishedRow]) -> list[str]:
    """Return why numbers do not compare: reasons of all measured rows, then, by number, of some."""
    common, some = _reasons(rows)
    return [f"not comparable: {reason}" for reason in common] + [f"({n}) {reason}" for n, reason in enumerate(some, 1)]


def _reasons(rows: Sequence[PublishedRow]) -> tuple[list[str], list[str]]:
    every = list(dict.fromkeys(reason for row in rows for reason in row.reasons))
    measured = [row for row in rows if row.mean is not None]
    common = [reason for reason in every if measured and all(reason in row.reasons for row in measured)]
    return common, [reason for reason in every if reason not in common]


def _title(rows: Sequence[PublishedRow]) -> tuple[str, list[str]]:
    """Return what stands above a table, with what all rows share, and the headings that are left."""
    shared = {}
    for name in ("metric", "feedback"):
        values = {str(getattr(row, name)) for row in rows}
        if len(values) == 1:
            shared[name] = values.pop()
    title = f"{rows[0].table} on {rows[0].data}" + (f": {' of '.join(shared.values())}" if shared else "")
    return title, [name for name in HEADINGS if name not in shared]


def _grid(rows: Sequence[PublishedRow], headings: Sequence[str]) -> Table:
    grid = empty_table()
    for name in headings:
        folds = name in ("method", "verdict")
        heading = "diff" if name == "difference" else name
        grid.add_column(heading, justify="right" if name in NUMBERS else "left", no_wrap=not folds, overflow="fold")
    some = _reasons(rows)[1]
    before = ""
    for row in rows:
        cells = _cells(row, some) | {"method": _method(row, rows)}
        if cells["method"] == before:
            cells["method"] = ""
        else:
            before = cells["method"]
        style = STYLES.get(row.verdict, "dim")
        grid.add_row(*(Text(cells[name], style if name == "verdict" else "") for name in headings))
    return grid


def _markdown(rows: Sequence[PublishedRow]) -> Iterator[str]:
    some = _reasons(rows)[1]
    yield f"## {markdown_text(f'{rows[0].table} on {rows[0].data}')}\n"
    yield markdown_row(["method", "settings", *HEADINGS[1:]])
    yield markdown_row(["---", "---", *("---:" if name in NUMBERS else "---" for name in HEADINGS[1:])])
    for row in rows:
        cells = _cells(row, some)
        words = [_method(row, rows), ", ".join(row.settings), *(cells[name] for name in HEADINGS[1:])]
        yield markdown_row([markdown_text(word) for word in words])
    yield ""
    for reason in _numbered_reasons(rows):
        yield f"{markdown_text(reason)}\n"


def _cells(row: PublishedRow, some: Sequence[str]) -> dict[str, str]:
    numbers = ", ".join(str(some.index(reason) + 1) for reason in row.reasons if reason in some)
    return {
        "metric": row.metric,
        "feedback": row.feedback,
        "reported": _reported(row),
        "measured": "" if row.mean is None else mean_with_sd(row.mean, row.sd),
        "difference": "" if row.difference is None else f"{row.difference:+.4f}",
        "seeds": str(row.seeds or ""),
        "verdict": f"{row.verdict} ({numbers})" if numbers else row.verdict,
    }


def _method(row: PublishedRow, rows: Sequence[PublishedRow]) -> str:
    """Return what to call the method of a row among all of a table."""
    return f"{row.method} × {row.backbone}" if len({other.backbone for other in rows}) > 1 else row.method


def _reported(row: PublishedRow) -> str:
    """Return the number as printed, as a fraction also where the paper has percent."""
    percent = float(row.printed) != row.reported
    return f"{row.reported:.{len(row.printed.partition('.')[2]) + 2}f}" if percent else row.printed
