"""The commands about runs: train, eval, leaderboard."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import Annotated, Literal

import typer

from recbench.cli.app import Imports, Json, app, print_json, stderr, stdout, store
from recbench.errors import UsageError

Candidates = Literal["catalogue", "test"]
Index = Literal["flat", "hnsw", "ivf"]
Format = Literal["table", "markdown", "csv", "json"]


@app.command(
    epilog="Examples: `recbench train --loss gnolr --backbone twintower --seeds 5`, "
    "`recbench train --loss bce --set loss.logit=learned`, `recbench train --resume`."
)
def train(
    context: typer.Context,
    loss: Annotated[str, typer.Option(help="A name from `recbench list losses`.")] = "gnolr",
    backbone: Annotated[
        str | None, typer.Option(help="A name from `recbench list backbones`; default: the preset's, or twintower.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="DATASET or DATASET/SPLIT; default: the preset's, or the most recently prepared."),
    ] = None,
    feedback: Annotated[
        str | None,
        typer.Option(help="Feedback types to train on, joined by commas; default: all that the loss takes."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="A paper's settings, such as gnolr/ml-1m; what is given beside it wins.")
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
    console = stderr()
    command = shlex.join(["recbench", *sys.argv[1:]])
    if resume:
        others = [option for option in _given_options(context) if option not in ("--resume", "--device")]
        if others:
            raise UsageError(f"--resume goes on with the last `train` as it was; leave out {others[0]}")
        runs = resume_last(store(), console, device)
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
            preset=preset,
        )
        runs = train_all(order, store(), console, device, command)
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
    from recbench.benchmark.session import chosen, evaluate_all
    from recbench.benchmark.show import outcomes_json, outcomes_table
    from recbench.registry import import_file

    for path in imports:
        import_file(path)
    records = chosen(run, store(), stderr())
    outcomes = evaluate_all(records, metric, store(), stderr(), candidates, index, device)
    if as_json:
        print_json(outcomes_json(outcomes))
    else:
        stdout().print(outcomes_table(outcomes))


@app.command(
    epilog="Examples: `recbench train --loss nsb --seeds 3`, then `recbench card`; `recbench card --k 20 "
    "--run 0bc13ddb --run 3f2a`."
)
def card(
    run: Annotated[list[str], typer.Option("--run", help="First digits of a run; default: the last `train`.")] = [],  # noqa: B006
    k: Annotated[int, typer.Option("--k", help="Cut-off of recall.", min=1)] = 50,
    candidates: Annotated[
        Candidates, typer.Option(help="Rank the whole catalogue, or only the user's own test rows.")
    ] = "catalogue",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:n.")] = "auto",
    as_json: Json = False,
) -> None:
    """Show what a method does for every kind of feedback: ranking, order of the levels, each index on each feedback."""
    from dataclasses import asdict

    from recbench.benchmark import card as report
    from recbench.benchmark.session import chosen, evaluate_all

    outcomes = []
    for record in chosen(run, store(), stderr()):
        metrics = report.metrics(record.key.feedback, k)
        outcomes += evaluate_all([record], metrics, store(), stderr(), candidates, "flat", device)
    found = report.cards(outcomes)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        stdout().print(report.rendered(found, k))


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

    results = store()
    rows = board(results, dataset, metric or None)
    for line in results.warnings:
        stderr().print(f"warning: {line}", highlight=False, markup=False, soft_wrap=True)
    if as_json or form == "json":
        print_json(boards.json(rows))
    elif form == "table":
        stdout().print(boards.table(rows))
    else:
        print(boards.markdown(rows) if form == "markdown" else boards.csv(rows), end="")


def _given_options(context: typer.Context) -> list[str]:
    """Return the options that stand on the command line, as they are typed."""
    options = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            options.append(parameter.opts[0])
    return options
