"""The command `bakeoff`."""

from __future__ import annotations

import re
import signal
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recbench.cli.app import (
    TRAINING,
    command,
    print_json,
    print_text,
    print_warnings,
    stderr,
    stdout,
    store,
    typed_command,
)
from recbench.cli.options import (
    Address,
    Device,
    Jobs,
    Json,
    Launcher,
    Partition,
    PerRun,
    launch_options,
    names,
)
from recbench.errors import InterruptionError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from recbench.sources.guess_table import Given
    from recbench.study.bakeoff.bake import BakeoffRequest

UNITS = {"s": 1, "m": 60, "h": 3600}


def _seconds(word: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", str(word))
    if match is None or not 1 <= (seconds := float(match[1]) * UNITS[match[2] or "s"]) <= 10**7:
        raise UsageError(f"--budget {word}: expected a time, such as 90s, 20m or 2h")
    return seconds


@command(
    TRAINING,
    "recbench bakeoff my.csv",
    "recbench bakeoff my.csv --user customer --item sku --feedback click,buy --budget 1h",
    "recbench bakeoff my.csv --items items.parquet --users users.csv",
    "recbench bakeoff ml-1m --backbone mf --jobs 2",
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
    jobs: Jobs = None,
    launcher: Launcher = "local",
    address: Address = None,
    per_run: PerRun = None,
    partition: Partition = None,
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", metavar="TIME", help="Of a Slurm job, such as 4h.")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Find out which loss suits a log: prepare it, train a dozen losses and baselines fairly, and say what to take.

    The same command goes on where it was stopped.
    """
    from recbench.sources.guess_table import Given
    from recbench.study.bakeoff.bake import BakeoffRequest
    from recbench.training.console import print_line

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        launch = launch_options(launcher, jobs, address, per_run, partition, time_limit)
        given = Given(user, item, time_column, feedback, users, items)
        dataset = _prepared(data, given, catalog, stderr())
        if launcher != "local" and jobs is None:
            print_line(stderr(), "note: the budget is reckoned for one run at a time; --jobs N says how many there are")
        request = BakeoffRequest(dataset, backbone, names(losses), budget, jobs or 1, device, launch)
        _answer(request, stderr(), as_json)
    except KeyboardInterrupt:
        raise InterruptionError("interrupted; nothing is lost: the same command goes on where it stopped") from None


def _prepared(data: str, given: Given, catalog: Path | None, console: Console) -> str:
    """Return DATASET/SPLIT of what is to be looked at, prepared if it is not yet."""
    from recbench.study.bakeoff.prepare_log import prepare_dataset, prepare_file

    path = Path(data)
    if path.is_file():
        return prepare_file(path, given, catalog, console)
    if given != type(given)() or catalog is not None:
        options = "--user, --item, --time, --feedback, --users, --items and --catalog"
        raise UsageError(f"{data}: no such file; {options} are for files")
    if path.suffix[1:].isalpha():  # as of a file; in a name of a split only numbers follow a dot
        raise UsageError(f"{data}: no such file, and no dataset is called so; see `recbench list datasets`")
    return prepare_dataset(data, console)


def _answer(request: BakeoffRequest, console: Console, as_json: bool) -> None:
    """Run the bakeoff and print its answer."""
    from rich.text import Text

    from recbench.results.leaderboard_export import write_page
    from recbench.results.page.render import duration
    from recbench.study.bakeoff import words
    from recbench.study.bakeoff.answer import verdicts
    from recbench.study.bakeoff.bake import program_of, run_bakeoff, set_up
    from recbench.study.bakeoff.clock import Clock

    clock = Clock(request.budget, console)
    results = store()
    bakeoff = set_up(request)
    program = program_of(bakeoff, results, console)
    entrants, program = run_bakeoff(bakeoff, program, clock, results, typed_command())
    found = verdicts(bakeoff, entrants, results)
    print_warnings(results)
    page = write_page(results, bakeoff.data.name)
    steps = words.next_steps(bakeoff, found, results, page)
    lines, short = list(words.answer_lines(found, program)), words.in_short(found)
    if as_json:
        following = [{"to": aim, "type": typed} for aim, typed in steps]
        answer = {"dataset": bakeoff.name, "program": asdict(program), "short": short, "answer": lines}
        print_json({**answer, "next": following, "verdicts": [asdict(verdict) for verdict in found]})
        return
    stdout().print(Text(f"\n{bakeoff.name}, after {duration(clock.elapsed)}\n", style="bold"))
    for line in lines:
        stdout().print(Text(f"{line}\n"))
    stdout().print(Text("Next", style="bold"))
    for aim, typed in steps:
        print_text(f"  {aim}:\n    {typed}")
    stdout().print(Text("\nIn short", style="bold"))
    for line in short:
        stdout().print(Text(line))
    print_text(f"All numbers as a page: {page}")
