"""The commands about runs: train, eval, leaderboard."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from recbench.cli.app import (
    Imports,
    Json,
    Trust,
    app,
    import_files,
    import_trusted,
    names,
    print_json,
    stderr,
    stdout,
    store,
)
from recbench.errors import UsageError

Candidates = Literal["catalogue", "test"]
Index = Literal["flat", "hnsw", "ivf"]
Format = Literal["table", "markdown", "csv", "json", "html", "parquet"]

Runs = Annotated[
    list[str],
    typer.Option("--run", help="First digits of a run, LOSS, LOSS/BACKBONE or all; default: the last `train`."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:n.")]
Ranked = Annotated[Candidates, typer.Option(help="Rank the whole catalogue, or only the user's own test rows.")]
KeepSeen = Annotated[bool, typer.Option("--keep-seen", help="Leave what a user has had before among the candidates.")]
Dialect = Annotated[
    str | None,
    typer.Option(help="As that library computes it: recbole, fuxictr, torch-rechub, lenskit, cornac, elliot, gnolr."),
]


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
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="pos=P,neg=N", help="False and missing positives put into train, as shares of each user's."
        ),
    ] = None,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="OWNER.KEY=VALUE", help="As in loss.scale=2.57, backbone.dim=32."),
    ] = [],  # noqa: B006
    device: Device = "auto",
    imports: Imports = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Finish the runs of the last `train`.")] = False,
) -> None:
    """Train a loss on a backbone, keeping the epoch that is best on validation."""
    from recbench.run.session import TrainRequest, resume_last, train_all

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = stderr()
    command = shlex.join(["recbench", *sys.argv[1:]])
    if resume:
        others = [option for option in _given_options(context) if option not in ("--resume", "--device")]
        if others:
            raise UsageError(f"--resume goes on with the last `train` as it was; leave out {others[0]}")
        runs = resume_last(store(), console, device)
    else:
        given = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "select": select, "noise": noise}
        words = [f"train.{name}={value}" for name, value in given.items() if value is not None]
        order = TrainRequest(
            loss=loss,
            backbone=backbone,
            dataset=dataset,
            feedback=names(feedback),
            seeds=tuple(range(seed, seed + seeds)),
            settings=tuple(words + settings),
            imports=tuple(imports),
            preset=preset,
        )
        runs = train_all(order, store(), console, device, command)
    for record in runs:
        print(
            f"{record.key.digest}  {record.key.title}  valid {record.selected_by} {record.valid:.4f} "
            f"at epoch {record.best_epoch} of {record.epochs}  {record.seconds:.1f} s"
        )


@app.command(
    "eval",
    epilog="Examples: `recbench eval --metric recall@50`, `recbench eval --metric auc --metric "
    "'gauc(mean)' --metric ndcg@20/buy`, `recbench eval --run all`, `recbench eval --index hnsw`, "
    "`recbench eval --dialect lenskit --metric ndcg@20`.",
)
def evaluate(
    metric: Annotated[
        list[str],
        typer.Option("--metric", help="Such as auc, gauc(mean), recall@50 or recall@50/buy."),
    ] = [],  # noqa: B006
    run: Runs = [],  # noqa: B006
    candidates: Ranked = "catalogue",
    index: Annotated[Index, typer.Option(help="Exact search, or what an approximate one costs.")] = "flat",
    keep_seen: KeepSeen = False,
    dialect: Dialect = None,
    device: Device = "auto",
    imports: Imports = [],  # noqa: B006
    trust: Trust = False,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Do not put popularity on the board beside it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Open the test rows, compute metrics and keep them with the run."""
    from recbench.inspect.outcome_tables import outcomes_json, outcomes_table
    from recbench.run.baselines import Terms, add_popularity_row
    from recbench.run.session import chosen, evaluate_all, requested

    import_files(imports)
    requested(metric, dialect)
    records = chosen(run, store(), stderr())
    import_trusted(records, trust)
    outcomes = evaluate_all(
        records, metric, store(), stderr(), candidates, index, device, keep_seen=keep_seen, dialect=dialect
    )
    if as_json:
        print_json(outcomes_json(outcomes))
    else:
        stdout().print(outcomes_table(outcomes))
    if index == "flat" and not no_baselines:
        terms = Terms(tuple(metric), candidates, keep_seen, dialect)
        add_popularity_row(outcomes, terms, store(), stderr(), shlex.join(["recbench", *sys.argv[1:]]))


@app.command(
    epilog="Examples: `recbench rescore --metric ndcg@10`, `recbench rescore --run 0bc13ddb --metric logloss`."
)
def rescore(
    metric: Annotated[list[str], typer.Option("--metric", help="As for `eval`.")] = [],  # noqa: B006
    run: Runs = [],  # noqa: B006
    candidates: Ranked = "catalogue",
    keep_seen: KeepSeen = False,
    dialect: Dialect = None,
    imports: Imports = [],  # noqa: B006
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Compute other metrics from the scores that `eval` kept, without the model or its weights."""
    from recbench.inspect.outcome_tables import outcomes_json, outcomes_table
    from recbench.run.session import chosen, evaluate_all, requested

    import_files(imports)
    requested(metric, dialect)
    records = chosen(run, store(), stderr())
    import_trusted(records, trust)
    outcomes = evaluate_all(
        records,
        metric,
        store(),
        stderr(),
        candidates,
        "flat",
        "cpu",
        keep_seen=keep_seen,
        rescore=True,
        dialect=dialect,
    )
    if as_json:
        print_json(outcomes_json(outcomes))
    else:
        stdout().print(outcomes_table(outcomes))


@app.command(
    epilog="Examples: `recbench train --loss nsb --seeds 3`, then `recbench card`; `recbench card --k 20 "
    "--run 0bc13ddb --run 3f2a`."
)
def card(
    run: Runs = [],  # noqa: B006
    k: Annotated[int, typer.Option("--k", help="Cut-off of recall.", min=1)] = 50,
    candidates: Ranked = "catalogue",
    device: Device = "auto",
    imports: Imports = [],  # noqa: B006
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Show what a method does for every kind of feedback: ranking, order of the levels, each index on each feedback."""
    from dataclasses import asdict

    from recbench.run.session import chosen, evaluate_all
    from recbench.study import card as report

    import_files(imports)
    records = chosen(run, store(), stderr())
    import_trusted(records, trust)
    outcomes = []
    for record in records:
        metrics = report.metrics(record.key.feedback, k)
        outcomes += evaluate_all([record], metrics, store(), stderr(), candidates, "flat", device)
    found = report.cards(outcomes)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        stdout().print(report.rendered(found, k))


@app.command(
    epilog="Examples: `recbench leaderboard --dataset ml-1m --metric auc`, "
    "`recbench leaderboard --format markdown > board.md`, `recbench leaderboard --format html -o board.html`, "
    "`recbench leaderboard --against gnolr/table2`."
)
def leaderboard(
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    metric: Annotated[list[str], typer.Option("--metric", help="Only these metrics.")] = [],  # noqa: B006
    form: Annotated[Format, typer.Option("--format", help="How to print; html is one page with charts.")] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead of stdout.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Show it beside a published table, as in gnolr/table2.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare all evaluated runs: mean ± sd over seeds."""
    from recbench.results import leaderboard as boards
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
        stdout().print(boards.table(rows))
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
        raise UsageError(f"--against comes as table, markdown, csv or json, not as {form}")
    table, results = find(name), store()
    runs = list(results.runs())
    require_measured(table, dataset, {record.key.dataset for record, evaluations in runs if evaluations})
    records = {record.key.digest: record for record, _ in runs}
    lines = lines_against(board(results, dataset), table, records, metrics)
    if form == "table":
        stdout().print(lines_table(lines))
    else:
        export_lines(form, table, lines, output)
    left = {line.dataset: None for line in lines if line.verdict == "not run"}
    for one in left:
        stderr().print(f"not run: see `recbench reproduce {name} --dataset {one}`", style="dim", soft_wrap=True)


def _given_options(context: typer.Context) -> list[str]:
    """Return the options that stand on the command line, as they are typed."""
    options = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            options.append(parameter.opts[0])
    return options
