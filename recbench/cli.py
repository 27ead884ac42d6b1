"""The command line: parse, call, print. Heavy imports stand inside the commands."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recbench import __version__
from recbench.errors import RecbenchError, UsageError
from recbench.home import results_home

if TYPE_CHECKING:
    from rich.console import Console

    from recbench.results.store import Store

INTERRUPTED = 130

app = typer.Typer(
    name="recbench",
    help="Benchmark losses and backbones for recommendation with several kinds of implicit feedback.",
    epilog="First steps: `recbench prepare synthetic`, `recbench train --loss gnolr --backbone twintower`, "
    "`recbench eval`, `recbench leaderboard`. Add --debug to any command for a traceback.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


Split = Literal["global", "user", "given"]
Candidates = Literal["catalogue", "test"]
Index = Literal["flat", "hnsw", "ivf"]
Format = Literal["table", "markdown", "csv", "json"]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Imports = Annotated[
    list[Path], typer.Option("--import", metavar="FILE.py", help="Register the classes of your own file.")
]


@app.command(
    epilog="Examples: `recbench prepare ml-1m --raw ~/ml-1m --split user`, "
    "`recbench prepare synthetic --rows 1e6`, `recbench prepare shop --catalog my.toml`."
)
def prepare(
    dataset: Annotated[str, typer.Argument(help="A name from `recbench list datasets`.")],
    raw: Annotated[Path | None, typer.Option(help="Folder of the raw files already on disk.")] = None,
    split: Annotated[Split | None, typer.Option(help="Global time cut, per user in time, or as shipped.")] = None,
    rows: Annotated[str | None, typer.Option(help="Rows of `synthetic`, such as 1e5.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of `synthetic`.", min=0)] = 0,
    catalog: Annotated[Path | None, typer.Option(help="Your own datasets, a TOML file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Prepare again what is prepared.")] = False,
) -> None:
    """Turn raw files into Parquet: labels, split, vocabulary, buckets."""
    from recbench.data import prepare as preparation
    from recbench.data.report import report, warnings

    console = _stderr()
    with console.status(f"preparing {dataset}") as status:
        prepared = preparation.prepare(
            dataset,
            split=split,
            raw=raw,
            force=force,
            catalog=catalog,
            rows=None if rows is None else _count("--rows", rows),
            seed=seed,
            progress=lambda step: status.update(f"preparing {dataset}: {step}"),
        )
    if not prepared.fresh:
        console.print(f"{dataset} is already prepared; nothing to do (--force prepares it again)", highlight=False)
    _stdout().print(report(prepared))
    for line in warnings(prepared.manifest):
        console.print(f"warning: {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)


@app.command(
    epilog="Examples: `recbench train --loss gnolr --backbone twintower --seeds 5`, "
    "`recbench train --loss bce --set loss.logit=learned`, `recbench train --resume`."
)
def train(
    context: typer.Context,
    loss: Annotated[str, typer.Option(help="A name from `recbench list losses`.")] = "gnolr",
    backbone: Annotated[str, typer.Option(help="A name from `recbench list backbones`.")] = "twintower",
    dataset: Annotated[
        str | None, typer.Option(help="DATASET or DATASET/SPLIT; default: the most recently prepared.")
    ] = None,
    feedback: Annotated[
        str | None,
        typer.Option(help="Feedback types to train on, joined by commas; default: all that the loss takes."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed, or the first of --seeds.", min=0, max=2**62)] = 0,
    seeds: Annotated[int, typer.Option(help="Number of runs, with seeds that follow one another.", min=1)] = 1,
    epochs: Annotated[int | None, typer.Option(help="At most so many epochs.", min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(help="Logged rows in a batch.", min=1)] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of Adam.")] = None,
    select: Annotated[str | None, typer.Option(help="Validation metric that chooses the epoch.")] = None,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="OWNER.KEY=VALUE", help="As in loss.scale=2.57, backbone.dim=32."),
    ] = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:n.")] = "auto",
    imports: Imports = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Finish the runs of the last `train`.")] = False,
) -> None:
    """Train a loss on a backbone, keeping the epoch that is best on validation."""
    from recbench.benchmark.session import Order, resume_last, train_all

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = _stderr()
    command = shlex.join(["recbench", *sys.argv[1:]])
    if resume:
        others = [option for option in _given_options(context) if option not in ("--resume", "--device")]
        if others:
            raise UsageError(f"--resume goes on with the last `train` as it was; leave out {others[0]}")
        runs = resume_last(_store(), console, device)
    else:
        given = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "select": select}
        words = [f"train.{name}={value}" for name, value in given.items() if value is not None]
        order = Order(
            loss=loss,
            backbone=backbone,
            dataset=dataset,
            feedback=tuple(name for name in (feedback or "").split(",") if name),
            seeds=tuple(range(seed, seed + seeds)),
            settings=tuple(words + settings),
            imports=tuple(imports),
        )
        runs = train_all(order, _store(), console, device, command)
    for record in runs:
        print(
            f"{record.key.digest}  {record.key.title}  valid {record.select} {record.valid:.4f} "
            f"at epoch {record.best_epoch} of {len(record.curve)}  {record.seconds:.1f} s"
        )


@app.command(
    "eval",
    epilog="Examples: `recbench eval --metric recall@50`, `recbench eval --metric auc --metric "
    "'gauc(mean)' --metric ndcg@20/buy`, `recbench eval --index hnsw`.",
)
def evaluate(
    metric: Annotated[
        list[str],
        typer.Option("--metric", help="Such as auc, gauc(mean), recall@50 or recall@50/buy."),
    ] = [],  # noqa: B006
    run: Annotated[list[str], typer.Option("--run", help="First digits of a run; default: the last `train`.")] = [],  # noqa: B006
    candidates: Annotated[
        Candidates, typer.Option(help="Rank the whole catalogue, or only the user's own test rows.")
    ] = "catalogue",
    index: Annotated[Index, typer.Option(help="Exact search, or what an approximate one costs.")] = "flat",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:n.")] = "auto",
    imports: Imports = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Open the test rows, compute metrics and keep them with the run."""
    from recbench.benchmark.session import evaluate_all
    from recbench.benchmark.show import outcomes_json, outcomes_table
    from recbench.registry import import_file

    for path in imports:
        import_file(path)
    outcomes = evaluate_all(run, metric, _store(), _stderr(), candidates, index, device)
    if as_json:
        _print_json(outcomes_json(outcomes))
    else:
        _stdout().print(outcomes_table(outcomes))


@app.command(
    epilog="Examples: `recbench leaderboard --dataset ml-1m --metric auc`, "
    "`recbench leaderboard --format markdown > board.md`."
)
def leaderboard(
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    metric: Annotated[list[str], typer.Option("--metric", help="Only these metrics.")] = [],  # noqa: B006
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = "table",
    as_json: Json = False,
) -> None:
    """Compare all evaluated runs: mean ± sd over seeds."""
    from recbench.results import leaderboard as boards
    from recbench.results.board import board

    store = _store()
    rows = board(store, dataset, metric or None)
    for line in store.warnings:
        _stderr().print(f"warning: {line}", highlight=False, markup=False, soft_wrap=True)
    if as_json or form == "json":
        _print_json(boards.json(rows))
    elif form == "table":
        _stdout().print(boards.table(rows))
    else:
        print(boards.markdown(rows) if form == "markdown" else boards.csv(rows), end="")


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(help="datasets, losses, backbones or metrics")],
    catalog: Annotated[Path | None, typer.Option(help="Your own datasets, a TOML file.")] = None,
    imports: Imports = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """List datasets, losses, backbones or metrics, and what goes with what."""
    from recbench.benchmark.listing import listing
    from recbench.benchmark.show import items_table
    from recbench.registry import import_file

    for path in imports:
        import_file(path)
    items = listing(kind, catalog)
    if as_json:
        _print_json(items)
    else:
        _stdout().print(items_table(items))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show versions, devices, threads, folders and what is prepared."""
    from recbench.benchmark.doctor import examine
    from recbench.benchmark.show import report_table

    report = examine()
    if as_json:
        _print_json(report)
    else:
        _stdout().print(report_table(report))


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Benchmark losses and backbones for recommendation with several kinds of implicit feedback."""
    if version:
        print(f"recbench {__version__}")
        raise typer.Exit


def entry() -> None:
    """Run the command line; every failure is one line on stderr, with exit code 2 for usage and 1 for the rest."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that cannot write × is no reason to fail
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # Typer turns Ctrl-C into this code
            raise KeyboardInterrupt
    except RecbenchError as error:
        code = _fail(str(error), error.exit_code, debug)
    except (KeyboardInterrupt, typer.Abort):
        hint = "; `recbench train --resume` goes on after the last finished epoch" if "train" in sys.argv else ""
        code = _fail(f"interrupted{hint}", INTERRUPTED, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        message = getattr(error, "format_message", None)
        if message is not None:  # what Typer found wrong with the command line; nothing where it printed help
            told = message().replace("Value error, ", "").rstrip(".")
            code = _fail(f"{told}; see `recbench --help`", 2, debug) if told else 2
        elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            code = _fail("out of memory; try a smaller --batch-size", 1, debug)
        else:
            code = _fail(f"unexpected {type(error).__name__}: {error}; a bug: run again with --debug", 1, debug)
    sys.exit(code)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        raise  # noqa: PLE0704
    line = " ".join(message.split())
    print(f"error: {line}", file=sys.stderr)
    return code


def _count(option: str, word: str) -> int:
    try:
        number = float(word)
    except ValueError:
        number = 0.5
    if not (1 <= number <= 1e9 and number.is_integer()):
        raise UsageError(f"{option} {word}: expected a whole number up to 1e9, such as 100000 or 1e5")
    return int(number)


def _given_options(context: typer.Context) -> list[str]:
    """Return the options that stand on the command line, as they are typed."""
    options = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            options.append(parameter.opts[0])
    return options


def _store() -> Store:
    from recbench.results.store import Store

    return Store(results_home())


def _stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _stdout() -> Console:
    from rich.console import Console

    return Console()


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))
