"""The command `leaderboard`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from recbench.cli.app import RESULTS, command, print_warnings, stderr, stdout, store
from recbench.cli.options import RUN_WORDS, Json, OnlyDataset, OnlyMetrics, each_run, names, output_path
from recbench.errors import UsageError, require_known
from recbench.terminal import as_json_text, print_line

if TYPE_CHECKING:
    from recbench.results.leaderboard_rows import LeaderboardRow
    from recbench.results.store import Store

Format = Literal["table", "markdown", "latex", "csv", "json", "html", "parquet"]


OnlyRuns = Annotated[
    list[str],
    typer.Argument(metavar="[RUN]...", help=f"Only these: {RUN_WORDS}, a tag or all; default: all.", callback=each_run),
]
Everything = Annotated[
    bool,
    typer.Option(
        "--all", help="Every setting and metric, not each method's best setting on validation and the usual metrics."
    ),
]


Beside = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="What stands beside the metrics in Markdown and LaTeX: settings, time, seeds, interval (of the difference "
        "to the best), joined by commas; none for nothing.",
    ),
]


@command(
    RESULTS,
    "recbench leaderboard --dataset ml-1m --metric auc",
    "recbench leaderboard gnolr bce/mf+logit=learned",
    "recbench leaderboard --format markdown > board.md",
    "recbench leaderboard --metric recall@20 --metric ndcg@20 --format latex --columns interval,seeds > table.tex",
    "recbench leaderboard --format html -o board.html",
    "recbench leaderboard --matrix --metric recall@20",
    "recbench leaderboard --against gnolr/table2",
)
def leaderboard(
    run: OnlyRuns = [],
    dataset: OnlyDataset = None,
    metric: OnlyMetrics = [],
    form: Annotated[Format, typer.Option("--format", help="How to print; html is one page with charts.")] = "table",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", parser=output_path, help="Write to a file instead of stdout."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Show it beside a published table, as in gnolr/table2.")
    ] = None,
    everything: Everything = False,
    matrix: Annotated[
        bool,
        typer.Option("--matrix", help="Methods by datasets: ranks, and differences to the best baseline."),
    ] = False,
    columns: Beside = None,
    as_json: Json = False,
) -> None:
    """Compare all evaluated runs: mean ± standard deviation over seeds. CSV, JSON and Parquet have every setting."""
    from recbench.results import leaderboard_selection as selection
    from recbench.results.leaderboard import terminal_table
    from recbench.results.leaderboard_rows import collect_rows
    from recbench.results.marks import with_shared_best

    form = "json" if as_json else form
    _require_destination(form, output)
    if matrix and (against is not None or everything):
        raise UsageError(f"--matrix does not go with {'--all' if everything else '--against'}; leave one out")
    beside = None if columns is None else _beside(columns, form, matrix or against is not None)
    if against is not None:
        if run:
            raise UsageError(f"--against shows all that a table has; leave out {' '.join(run)}")
        _against(against, dataset, metric, form, output)
        return
    results = store()
    rows = with_shared_best(collect_rows(results, dataset, metric or None), results)
    if run:
        rows = _only(run, rows, results, dataset)
    if matrix:
        _matrix(rows, results, metric, form, output)
        return
    print_warnings(results)
    hidden = ""
    if form in ("table", "markdown", "latex") and not everything:
        shown = selection.worth_showing(rows, metrics_asked=bool(metric))
        hidden, rows = selection.note_of_hidden(rows, shown), shown
    for line in selection.of_whole_catalogue(rows):
        print_line(stderr(), f"warning: {line}")
    if form == "table":
        stdout().print(
            terminal_table(rows, f"{hidden} (--all shows them)" if hidden else selection.note_of_choice(rows))
        )
    else:
        from recbench.results.leaderboard_export import export

        export(form, rows, results, output, hidden or selection.note_of_choice(rows), beside)


def _only(words: list[str], rows: list[LeaderboardRow], results: Store, dataset: str | None) -> list[LeaderboardRow]:
    """Return the rows of the runs that are named; of a DATASET, what would be shown of it alone."""
    from recbench.results.leaderboard_selection import only_of

    data = {name for row in rows for name in (row.dataset, f"{row.dataset}/{row.split}")}.intersection(words)
    others = [word for word in words if word not in data]
    named = (record for word in others for record in results.named(word, dataset=dataset, on_all_data=True))
    return only_of(rows, named, data)


def _require_destination(form: Format, output: Path | None) -> None:
    """Raise UsageError for a table that is to be a file, and for a file that is to be on a terminal."""
    if form == "table" and output is not None:
        raise UsageError(
            f"-o {output}: a table is for the terminal; choose a --format: {', '.join(get_args(Format)[1:])}"
        )
    if form in ("html", "parquet") and output is None and sys.stdout.isatty():
        raise UsageError(f"--format {form} is not for a terminal; add -o board.{form}")


def _beside(columns: str, form: Format, other_table: bool) -> list[str]:
    """Return the names of `--columns`; raises UsageError for others, and where there is no such choice."""
    from recbench.results.leaderboard_tables import BESIDE

    if form not in ("markdown", "latex") or other_table:
        raise UsageError(
            "--columns is for the board itself with --format markdown or latex; --metric chooses the metrics anywhere"
        )
    chosen = [name for name in names(columns) if name != "none"]
    require_known("column", chosen, (*BESIDE, "none"))
    return chosen


def _matrix(rows: list[LeaderboardRow], results: Store, metrics: list[str], form: Format, output: Path | None) -> None:
    """Print methods by datasets."""
    from recbench.results.leaderboard_export import deliver
    from recbench.results.marks import UserScores
    from recbench.results.matrix import text
    from recbench.results.matrix.methods_by_datasets import matrices

    if form == "html" or form == "parquet":
        raise UsageError(f"--matrix prints table, markdown, latex, csv or json, not {form}; the page has it too")
    found = matrices(rows, UserScores(results), metrics_asked=bool(metrics))
    print_warnings(results)
    if not found:
        raise UsageError("no run has a usual metric of retrieval or ranking; name one with --metric")
    if form == "table":
        stdout().print(text.TerminalMatrices(found))
    elif form == "json":
        deliver(as_json_text(text.records(found)).encode() + b"\n", output)
    else:
        write = {"markdown": text.markdown, "latex": text.latex, "csv": text.csv}[form]
        deliver(write(found).encode(), output)


def _against(name: str, dataset: str | None, metrics: list[str], form: Format, output: Path | None) -> None:
    """Print the board beside a published table."""
    from recbench.results.against import require_measured, rows_beside
    from recbench.results.leaderboard_export import export_published
    from recbench.results.leaderboard_rows import collect_rows
    from recbench.results.published.joined import find
    from recbench.results.published.row import rows_table

    if form == "html" or form == "parquet" or form == "latex":
        raise UsageError(f"--against prints table, markdown, csv or json, not {form}")
    table, results = find(name), store()
    runs = list(results.runs())
    require_measured(table, dataset, {record.key.dataset for record, evaluations in runs if evaluations})
    records = {record.key.digest: record for record, _ in runs}
    rows = rows_beside(collect_rows(results, dataset), table, records, metrics)
    if form == "table":
        stdout().print(rows_table(rows))
    else:
        export_published(form, table, rows, output)
    for missing in dict.fromkeys(row.dataset for row in rows if row.verdict == "not run"):
        stderr().print(f"not run: see `recbench reproduce {name} --dataset {missing}`", style="dim", soft_wrap=True)
