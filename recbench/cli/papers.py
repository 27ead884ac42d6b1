"""The commands `papers` and `reproduce`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from recbench.cli import options
from recbench.cli.app import OWN, command, invocation, print_json, stdout
from recbench.cli.options import launch_options, setting_words, whole_option
from recbench.terminal import print_text


@command(
    OWN,
    "recbench papers",
    "recbench papers gnolr/table2",
    "recbench papers til/table1 --json",
)
def papers(
    table: Annotated[
        str | None,
        typer.Argument(help="A table, as in gnolr/table2, several (gnolr/table2+11), or a paper, as in gnolr."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show the tables of the papers as they were printed, and how each number came about."""
    from recbench.inspect.nested_table import items_table
    from recbench.results.published import joined, tables
    from recbench.results.published.display import terminal_table

    if items := tables.listing(table or ""):
        if as_json:
            print_json(items)
        else:
            stdout().print(items_table(items))
        return
    printed = joined.find(str(table))
    if as_json:
        print_json(tables.as_json(printed))
    else:
        stdout().print(terminal_table(printed))


@command(
    OWN,
    "recbench reproduce gnolr/table2 --dataset ml-1m --seeds 5 --jobs 2",
    "recbench reproduce gnolr/table2 --dataset ml-1m --method BCE --method GNOLR --fair",
    "recbench reproduce gnolr/table2+11 --dataset ml-1m --fair --trials 20",
    "recbench reproduce gnolr/table4 --dataset kuairand-pure --format markdown",
    "recbench reproduce til/table1 --dataset gowalla --backbone mf",
)
def reproduce(
    table: Annotated[
        str, typer.Argument(help="A table, as in gnolr/table2, or several of one paper: gnolr/table2+11.")
    ],
    dataset: Annotated[str | None, typer.Option(help="A dataset of the table; default: its first.")] = None,
    data: Annotated[
        str | None, typer.Option(help="DATASET/SPLIT as prepared, to run on instead of the paper's split.")
    ] = None,
    method: Annotated[list[str], typer.Option("--method", help="Only this method, as the paper calls it.")] = [],
    backbone: Annotated[list[str], typer.Option("--backbone", help="Only methods on this backbone, as in mf.")] = [],
    seeds: Annotated[int, whole_option("--seeds", "Runs of each method.")] = 3,
    settings: options.Settings = [],
    fair: options.Fair = False,
    trials: options.FairTrials = None,
    grid: options.FairGrid = [],
    jobs: options.Jobs = None,
    lanes: options.Lanes = "auto",
    launcher: options.Launcher = "local",
    address: options.Address = None,
    per_run: options.PerRun = None,
    partition: options.Partition = None,
    time_limit: options.TimeLimit = None,
    device: options.Device = "auto",
    form: Annotated[Literal["table", "markdown", "json"], typer.Option("--format", help="How to print.")] = "table",
    as_json: options.Json = False,
) -> None:
    """Run what a published table needs and print it beside the paper's numbers; finished runs are kept."""
    from recbench.results.published import joined
    from recbench.results.published.row import rows_markdown, rows_table
    from recbench.study import reproduce as reproduction

    request = reproduction.ReproduceRequest(
        table=joined.find(table),
        dataset=dataset,
        data=data,
        methods=tuple(method),
        backbones=tuple(backbone),
        seeds=seeds,
        settings=setting_words(settings),
        fair=fair,
        trials=trials,
        grid=tuple(grid),
    )
    launch = launch_options(launcher, jobs, address, per_run, partition, time_limit, lanes, device)
    lines = reproduction.reproduce(request, invocation(), launch)
    if as_json or form == "json":
        print_json(reproduction.as_json(request, lines))
    elif form == "markdown":
        print_text(rows_markdown(lines), end="")
    else:
        stdout().print(rows_table(lines))
