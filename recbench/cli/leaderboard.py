"""The command `leaderboard`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench.cli.app import RESULTS, command, stderr, stdout, store
from recbench.cli.options import Json, OnlyDataset, OnlyMetrics
from recbench.errors import UsageError

Format = Literal["table", "markdown", "csv", "json", "html", "parquet"]


@command(
    RESULTS,
    "recbench leaderboard --dataset ml-1m --metric auc",
    "recbench leaderboard --format markdown > board.md",
    "recbench leaderboard --format html -o board.html",
    "recbench leaderboard --against gnolr/table2",
)
def leaderboard(
    dataset: OnlyDataset = None,
    metric: OnlyMetrics = [],
    form: Annotated[Format, typer.Option("--format", help="How to print; html is one page with charts.")] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead of stdout.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Show it beside a published table, as in gnolr/table2.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare all evaluated runs: mean ± standard deviation over seeds."""
    from recbench.results import leaderboard as tables
    from recbench.results.leaderboard_rows import board
    from recbench.results.marks import share_marks

    form = "json" if as_json else form
    if form == "table" and output is not None:
        raise UsageError(f"-o {output}: a table is for the terminal; add --format markdown, csv, json, html or parquet")
    if form in ("html", "parquet") and output is None and sys.stdout.isatty():
        raise UsageError(f"--format {form} is not for a terminal; add -o board.{form}")
    if against is not None:
        _against(against, dataset, metric, form, output)
        return
    results = store()
    rows = board(results, dataset, metric or None)
    share_marks(rows, results)
    for line in results.warnings:
        stderr().print(f"warning: {line}", highlight=False, markup=False, soft_wrap=True)
    if form == "table":
        stdout().print(tables.table(rows))
    else:
        from recbench.results.leaderboard_export import export

        export(form, rows, results, output)


def _against(name: str, dataset: str | None, metrics: list[str], form: Format, output: Path | None) -> None:
    """Print the board beside a published table."""
    from recbench.results.against import lines_against, require_measured
    from recbench.results.leaderboard_export import export_lines
    from recbench.results.leaderboard_rows import board
    from recbench.results.published import find
    from recbench.results.published_row import lines_table

    if form == "html" or form == "parquet":
        raise UsageError(f"--against prints table, markdown, csv or json, not {form}")
    table, results = find(name), store()
    runs = list(results.runs())
    require_measured(table, dataset, {record.key.dataset for record, evaluations in runs if evaluations})
    records = {record.key.digest: record for record, _ in runs}
    lines = lines_against(board(results, dataset), table, records, metrics)
    if form == "table":
        stdout().print(lines_table(lines))
    else:
        export_lines(form, table, lines, output)
    for missing in dict.fromkeys(line.dataset for line in lines if line.verdict == "not run"):
        stderr().print(f"not run: see `recbench reproduce {name} --dataset {missing}`", style="dim", soft_wrap=True)
