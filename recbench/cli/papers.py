"""The commands about published tables: papers, reproduce."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, Literal

import typer

from recbench.cli.app import Json, app, print_json, stderr, stdout, store
from recbench.errors import UsageError

Form = Literal["table", "markdown", "json"]


@app.command(epilog="Examples: `recbench papers`, `recbench papers gnolr/table2`, `recbench papers til/table1 --json`.")
def papers(
    table: Annotated[str | None, typer.Argument(help="A table, as in gnolr/table2; default: all, a line each.")] = None,
    as_json: Json = False,
) -> None:
    """Show the tables of the papers as they were printed, and how each number came about."""
    from recbench.inspect.outcome_tables import items_table
    from recbench.results import published

    if table is None:
        items = published.listing()
        if as_json:
            print_json(items)
        else:
            stdout().print(items_table(items))
        return
    found = published.find(table)
    if as_json:
        print_json(published.as_json(found))
    else:
        stdout().print(published.rendered(found))


@app.command(
    epilog="Examples: `recbench reproduce gnolr/table2 --dataset ml-1m --seeds 5 --jobs 2`, "
    "`recbench reproduce gnolr/table2 --dataset ml-1m --method BCE --method GNOLR --fair`, "
    "`recbench reproduce gnolr/table4 --dataset kuairand-pure --format markdown`."
)
def reproduce(
    table: Annotated[str, typer.Argument(help="A table, as in gnolr/table2; see `recbench papers`.")],
    dataset: Annotated[str | None, typer.Option(help="A dataset of the table; default: its first.")] = None,
    data: Annotated[
        str | None, typer.Option(help="DATASET/SPLIT as prepared, to run on instead of the paper's split.")
    ] = None,
    method: Annotated[list[str], typer.Option("--method", help="Only this method, as the paper calls it.")] = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Runs of each method.", min=1)] = 3,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="OWNER.KEY=VALUE", help="Of every run, as in train.epochs=20.")
    ] = [],  # noqa: B006
    fair: Annotated[
        bool, typer.Option("--fair", help="Give every method a learned scale and bias and the same tuning of lr.")
    ] = False,
    jobs: Annotated[int, typer.Option(help="Runs that are trained at a time on this machine.", min=1)] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:n.")] = "auto",
    form: Annotated[Form, typer.Option("--format", help="How to print.")] = "table",
    as_json: Json = False,
) -> None:
    """Run what a published table needs and print it beside the paper's numbers; what is done is not done again."""
    from recbench.results import published
    from recbench.results.published_row import lines_markdown, lines_table
    from recbench.study import reproduce as reproduction

    aim = reproduction.Aim(
        table=published.find(table),
        dataset=dataset,
        data=data,
        methods=tuple(method),
        seeds=seeds,
        settings=tuple(settings),
        fair=fair,
    )
    for word in settings:
        if "=" not in word:
            raise UsageError(f"--set {word}: expected OWNER.KEY=VALUE, as in train.epochs=20")
    command = shlex.join(["recbench", *sys.argv[1:]])
    lines = reproduction.reproduce(aim, store(), stderr(), device, jobs, command)
    if as_json or form == "json":
        print_json(reproduction.as_json(aim, lines))
    elif form == "markdown":
        print(lines_markdown(lines), end="")
    else:
        stdout().print(lines_table(lines))
