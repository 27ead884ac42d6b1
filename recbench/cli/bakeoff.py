"""The command `bakeoff`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recbench.cli import options
from recbench.cli.app import TRAINING, command, invocation, print_json, print_warnings, stderr, stdout
from recbench.cli.options import launch_options, names
from recbench.errors import InterruptionError
from recbench.terminal import print_line, print_text

if TYPE_CHECKING:
    from recbench.study.bakeoff.conclusion import Conclusion


def _seconds(word: str) -> float:
    from recbench.study.bakeoff.conclusion import seconds_of

    return seconds_of(str(word))


@command(
    TRAINING,
    "recbench bakeoff shop.csv",
    "recbench bakeoff shop.csv --user customer --item sku --feedback click,buy --budget 1h",
    "recbench bakeoff shop.csv --items items.parquet --users users.csv",
    "recbench bakeoff ml-1m --backbone mf --jobs 2",
    "recbench bakeoff ml-1m --import focal.py --budget 4h",
    "recbench bakeoff ml-1m --launcher ray --jobs 16 --per-run cpus=2",
)
def bakeoff(
    data: Annotated[str, typer.Argument(help="A log as CSV, JSON Lines or Parquet; or DATASET or DATASET/SPLIT.")],
    user: Annotated[str | None, typer.Option(help="Column of users; default: guessed.")] = None,
    item: Annotated[str | None, typer.Option(help="Column of items; default: guessed.")] = None,
    time_column: Annotated[str | None, typer.Option("--time", help="Column of times; default: guessed.")] = None,
    feedback: Annotated[
        str | None, typer.Option(help="Feedback, from frequent to rare: columns, or as in 'like=stars>=4'.")
    ] = None,
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="A table of users and their features.")] = None,
    items: Annotated[Path | None, typer.Option(metavar="FILE", help="A table of items and their features.")] = None,
    budget: Annotated[
        float, typer.Option(metavar="TIME", help="Such as 90s, 20m or 2h.", show_default="20m", parser=_seconds)
    ] = 1200,
    backbone: Annotated[str, typer.Option(help="A name from `recbench list backbones`.")] = "twintower",
    losses: Annotated[str | None, typer.Option(help="Only these, joined by commas; default: a dozen that fit.")] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="Where the catalogue entry of a file is written; default: NAME.toml here.")
    ] = None,
    jobs: options.Jobs = None,
    launcher: options.Launcher = "local",
    address: options.Address = None,
    per_run: options.PerRun = None,
    partition: options.Partition = None,
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", metavar="TIME", help="Of a Slurm job, such as 4h.")
    ] = None,
    device: options.Device = "auto",
    imports: options.Imports = [],
    as_json: options.Json = False,
) -> None:
    """Find out which loss suits a log: prepare it, train a dozen losses and baselines fairly, and say what to take.

    Losses of files of your own compete too. The same command goes on where it was stopped.
    """
    from recbench.sources.guess_table import Given
    from recbench.study.bakeoff.bake import BakeoffRequest, import_losses, require_methods
    from recbench.study.bakeoff.conclusion import conclude
    from recbench.study.bakeoff.prepare_log import prepare_data

    try:
        launch = launch_options(launcher, jobs, address, per_run, partition, time_limit, device=device)
        own = import_losses(imports, backbone, stderr())
        require_methods(backbone, names(losses))
        given = Given(user, item, time_column, feedback, users, items)
        dataset = prepare_data(data, given, catalog, stderr())
        if launcher != "local" and jobs is None:
            print_line(stderr(), "note: the budget is reckoned for one run at a time; --jobs N says how many there are")
        request = BakeoffRequest(dataset, backbone, names(losses), budget, launch, own, tuple(imports))
        typed = invocation()
        conclusion = conclude(request, typed)
        print_warnings(typed.store)
        _print(conclusion, as_json)
    except KeyboardInterrupt:
        raise InterruptionError("interrupted; nothing is lost: the same command goes on where it stopped") from None


def _print(conclusion: Conclusion, as_json: bool) -> None:
    """Print the answer of a bakeoff."""
    from rich.text import Text

    from recbench.results.number_words import duration

    if as_json:
        following = [{"to": aim, "type": typed} for aim, typed in conclusion.next_steps]
        program = asdict(conclusion.program)
        answer = {"dataset": conclusion.name, "program": program, "short": conclusion.short, "answer": conclusion.lines}
        print_json({**answer, "next": following, "verdicts": [asdict(verdict) for verdict in conclusion.verdicts]})
        return
    stdout().print(Text(f"\n{conclusion.name}, after {duration(conclusion.seconds)}\n", style="bold"))
    for line in conclusion.lines:
        stdout().print(Text(f"{line}\n"))
    stdout().print(Text("Next", style="bold"))
    for aim, typed in conclusion.next_steps:
        print_text(f"  {aim}:\n    {typed}")
    stdout().print(Text("\nIn short", style="bold"))
    for line in conclusion.short:
        stdout().print(Text(line))
    print_text(f"All numbers as a page: {conclusion.page}")
