"""The commands `prepare` and `example`."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench.cli.app import DATA, command, stderr, stdout
from recbench.cli.options import Catalog, whole_option
from recbench.errors import UsageError
from recbench.sources.calendar_day import parse_day
from recbench.terminal import print_line, print_text


def _day(word: str) -> date:
    return parse_day(word, "--split-date")


Split = Annotated[
    str | None,
    typer.Option(
        help="global (one moment cuts all), user (each in time), leave-one-out (the last row of each), days (the last "
        "ones), date (from a day on), random, users (new in test), sessions (whole, by day), given (as shipped)."
    ),
]
SplitDays = Annotated[
    int | None,
    whole_option("--split-days", "Days of test, as many before being valid; splits days, sessions."),
]
SplitDate = Annotated[
    date | None,
    typer.Option(metavar="YYYY-MM-DD", help="First day of test (UTC); means --split date.", parser=_day),
]


@command(
    DATA,
    "recbench prepare ml-1m",
    "recbench prepare ml-1m --raw ~/ml-1m --split user",
    "recbench prepare kuairand-pure --rule all --feedback click,like,follow",
    "recbench prepare ml-20m --feedback 'rating>=3,rating>=4,rating>=5'",
    "recbench prepare kuairand-pure --split days --split-days 3",
    "recbench prepare ml-1m --split-date 2001-01-01",
    "recbench prepare synthetic --rows 1e6",
    "recbench prepare shop --catalog my.toml",
)
def prepare(
    dataset: Annotated[str, typer.Argument(help="A name from `recbench list datasets`.")],
    raw: Annotated[Path | None, typer.Option(help="Folder of the raw files, or of their archives, on disk.")] = None,
    split: Split = None,
    rule: Annotated[str | None, typer.Option(help="Another rule of the catalogue for what is kept.")] = None,
    feedback: Annotated[
        str | None, typer.Option(help="Feedback types or expressions, joined by commas, as in 'rating>=4,rating>=5'.")
    ] = None,
    ratio: Annotated[str | None, typer.Option(metavar="A:B:C", help="Of train, valid and test, as in 8:1:1.")] = None,
    split_days: SplitDays = None,
    split_date: SplitDate = None,
    rows: Annotated[int | None, whole_option("--rows", "Rows of `synthetic`, such as 1e5.")] = None,
    seed: Annotated[int, whole_option("--seed", "Seed of `synthetic` and of random splits.")] = 0,
    max_memory: Annotated[
        str | None, typer.Option(help="Most memory to take, such as 4GB or 25%; default: half of what there is.")
    ] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="Do not ask before downloading.")] = False,
    catalog: Catalog = None,
    force: Annotated[bool, typer.Option("--force", help="Prepare again what is already prepared.")] = False,
) -> None:
    """Turn raw files into Parquet: download, labels, split, vocabulary, buckets, leak certificate."""
    from recbench.memory import Memory
    from recbench.preparation import prepare as preparation
    from recbench.preparation.progress_display import Display
    from recbench.preparation.report import report, warnings

    console = stderr()
    with Display(console, dataset) as display:
        prepared = preparation.prepare(
            dataset,
            preparation.Variant(
                split, rule, feedback, None if ratio is None else _ratio(ratio), split_days, split_date
            ),
            raw=raw,
            force=force,
            catalog=catalog,
            rows=rows,
            seed=seed,
            memory=Memory.parse(max_memory),
            progress=display,
            accept=(lambda _: True) if accept_licence else display.ask,
        )
    if not prepared.fresh:
        console.print(f"{dataset} is already prepared; nothing to do (--force prepares it again)", highlight=False)
    stdout().print(report(prepared))
    for line in warnings(prepared.manifest):
        print_line(console, f"warning: {line}", "yellow")


@command(DATA, "recbench example shop ~/shop")
def example(
    kind: Annotated[Literal["shop"], typer.Argument(help="Which example: shop, a log of events.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, new or without such files.")],
) -> None:
    """Write a complete example of a dataset of your own: a log, its items and their catalogue entry, to copy."""
    from recbench.sources.example_shop import CATALOGUE, ITEMS, LOG, write_example

    commands = write_example(folder)
    print_text(f"{folder}: {LOG}, {ITEMS}, {CATALOGUE}; look at them, then type")
    for line in commands:
        print_text(f"    {line}")


def _ratio(word: str) -> tuple[int, int, int]:
    numbers = re.fullmatch(r"([1-9][0-9]{0,6}):([1-9][0-9]{0,6}):([1-9][0-9]{0,6})", word)
    if numbers is None:
        raise UsageError(f"--ratio {word}: expected three whole numbers above 0 for train, valid and test, as in 8:1:1")
    return int(numbers[1]), int(numbers[2]), int(numbers[3])
