"""The commands `plot …`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recbench.cli.app import RESULTS, command, command_group, one_run, print_json, print_text, stderr, store
from recbench.cli.options import RUN_WORDS, Imports, Json, Trust, output_path, whole_option
from recbench.cli.own_code import import_files, import_trusted
from recbench.errors import UsageError
from recbench.plots.figure import target

if TYPE_CHECKING:
    from recbench.results.record import RunRecord

plot = command_group("plot", RESULTS, "Draw pictures of runs.")
plot_command = partial(command, None, group=plot)

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        parser=output_path,
        help="A name that ends in .png or .svg, or in .csv with --format csv; default: KIND.png.",
    ),
]
Format = Annotated[
    Literal["picture", "csv"],
    typer.Option("--format", help="csv: the numbers behind the picture instead, to stdout or the file of -o."),
]
Dataset = Annotated[str | None, typer.Option(help="DATASET or DATASET/SPLIT; default: that of the last run.")]
Metric = Annotated[str, typer.Option(help="Such as auc or recall@50/buy; without a feedback a panel for each.")]
OneRun = Annotated[str | None, typer.Option("--run", help=f"{RUN_WORDS}; default: latest.")]
SeveralRuns = Annotated[list[str], typer.Option("--run", help=f"{RUN_WORDS}, tag or all; default: the last `train`.")]


@plot_command(
    "recbench plot angles",
    "recbench plot angles --run 0bc13ddb --part test -o angles.svg",
)
def angles(
    run: OneRun = None,
    part: Annotated[Literal["valid", "test"], typer.Option(help="Whose rows.")] = "valid",
    output: Output = None,
    imports: Imports = [],
    trust: Trust = False,
    form: Format = "picture",
    as_json: Json = False,
) -> None:
    """Draw the angles between users and items of logged rows by level of feedback, per tower and unified."""
    path = _target(output, "angles", form)
    from recbench.plots import angles as angle

    import_files(imports)
    record = _one(run)
    import_trusted([record], trust)
    drawn = angle.spaces(record, store(), part)
    _done(
        path, drawn, lambda file: angle.draw(drawn, file, f"{record.key.title}, {_rows(record, part)}"), form, as_json
    )


@plot_command(
    "recbench plot sensitivity --setting loss.scale --metric auc",
    "recbench plot sensitivity --setting backbone.dim --metric recall@50/buy --dataset ml-1m -o dim.svg",
)
def sensitivity(
    setting: Annotated[str, typer.Option(help="As in loss.scale, backbone.dim, train.lr.")],
    metric: Metric = "auc",
    dataset: Dataset = None,
    output: Output = None,
    form: Format = "picture",
    as_json: Json = False,
) -> None:
    """Draw a metric against a setting: mean and sd over seeds of the runs that differ in it alone, sweeps included."""
    path = _target(output, "sensitivity", form)
    from recbench.plots import sensitivity as sensitive
    from recbench.plots.measured import runs_of
    from recbench.plots.series import draw

    runs = runs_of(store(), dataset)
    drawn = sensitive.panels(runs, setting, metric)
    _done(path, drawn, lambda file: draw(drawn, file, runs[0][0].key.data), form, as_json)


@plot_command(
    "recbench plot kernels",
    "recbench plot kernels --alpha 0,1 --items 1000000 -o kernels.svg",
)
def kernels(
    alpha: Annotated[str, typer.Option(help="Exponents of the weights, joined by commas.")] = "0,0.5,1,2",
    margin: Annotated[float, typer.Option(help="Margin of the hinge kernel.")] = 1.0,
    items: Annotated[int, whole_option("--items", "Size of the catalogue.", 2, 10**9)] = 1000,
    output: Output = None,
    form: Format = "picture",
    as_json: Json = False,
) -> None:
    """Draw the kernels and the weights of ranks that CROLoss chooses from; needs no run."""
    path = _target(output, "kernels", form)
    from recbench.plots import kernels as kernel

    drawn = kernel.panels(_numbers(alpha), margin, items)
    _done(path, drawn, lambda file: kernel.draw(drawn, file, "CROLoss"), form, as_json)


@plot_command(
    "recbench plot recall-curve",
    "recbench plot recall-curve --run 0bc13ddb --k 10,100",
    name="recall-curve",
)
def recall_curve(
    run: SeveralRuns = [],
    k: Annotated[str, typer.Option("--k", help="Cut-offs, joined by commas.")] = "10,20,50,100,200,500",
    output: Output = None,
    imports: Imports = [],
    trust: Trust = False,
    form: Format = "picture",
    as_json: Json = False,
) -> None:
    """Draw recall over the number of items retrieved; what has not been evaluated is now, on the test rows."""
    path = _target(output, "recall-curve", form)
    from recbench.plots import recall_curve as recall
    from recbench.plots.series import draw
    from recbench.run.eval_command import chosen_records

    import_files(imports)
    records = chosen_records(run, store(), stderr())
    import_trusted(records, trust)
    _same_data(records)
    drawn = recall.panels(records, k.split(","), store(), stderr())
    _done(path, drawn, lambda file: draw(drawn, file, records[0].key.data), form, as_json)


@plot_command(
    "recbench plot importance",
    "recbench plot importance --run 0bc13ddb -o weights.svg",
)
def importance(run: OneRun = None, output: Output = None, form: Format = "picture", as_json: Json = False) -> None:
    """Draw the weights of triplets that TIL (til-ui, til-mi) has learned, by the popularity of the positive item."""
    path = _target(output, "importance", form)
    from recbench.plots import importance as weights

    record = _one(run)
    drawn = weights.distributions(record, store())
    _done(path, drawn, lambda file: weights.draw(drawn, file, record.key.title), form, as_json)


@plot_command(
    "recbench plot noise --metric recall@20",
    "recbench plot noise --drop -o noise.svg",
)
def noise(
    metric: Metric = "auc",
    drop: Annotated[bool, typer.Option("--drop", help="By how many per cent it falls, instead.")] = False,
    dataset: Dataset = None,
    output: Output = None,
    form: Format = "picture",
    as_json: Json = False,
) -> None:
    """Draw a metric against the noise put into the training rows, from runs that differ in `--noise` alone."""
    path = _target(output, "noise", form)
    from recbench.plots import noise as noisy
    from recbench.plots.measured import runs_of
    from recbench.plots.series import draw

    runs = runs_of(store(), dataset)
    drawn = noisy.panels(runs, metric, drop)
    _done(path, drawn, lambda file: draw(drawn, file, runs[0][0].key.data), form, as_json)


@plot_command(
    "recbench plot quality-time --metric recall@50",
    "recbench plot quality-time --dataset ml-1m",
    name="quality-time",
)
def quality_time(
    metric: Metric = "auc",
    dataset: Dataset = None,
    output: Output = None,
    form: Format = "picture",
    as_json: Json = False,
) -> None:
    """Draw what each method of a dataset reaches against its seconds of training: mean and sd over seeds."""
    path = _target(output, "quality-time", form)
    from recbench.plots import quality_time as quality
    from recbench.plots.measured import runs_of

    runs = runs_of(store(), dataset)
    drawn = quality.clouds(runs, metric)
    _done(
        path, drawn, lambda file: quality.draw(drawn, quality.devices(runs), file, runs[0][0].key.data), form, as_json
    )


@plot_command(
    "recbench plot critical-difference --metric recall@20",
    "recbench plot critical-difference --metric auc -o ranks.svg",
    name="critical-difference",
)
def critical_difference(
    metric: Metric = "auc", output: Output = None, form: Format = "picture", as_json: Json = False
) -> None:
    """Draw mean ranks of methods over datasets, and which of them a test does not tell apart (Demšar 2006)."""
    path = _target(output, "critical-difference", form)
    from recbench.plots import critical_difference as ranks

    drawn = ranks.mean_ranks(store(), metric)
    _done(path, [drawn], lambda file: ranks.draw(drawn, file), form, as_json)


@plot_command(
    "recbench plot curves",
    "recbench plot curves --run 0bc13ddb --run 3f2a -o curves.svg",
)
def curves(run: SeveralRuns = [], output: Output = None, form: Format = "picture", as_json: Json = False) -> None:
    """Draw the validation metric of runs after each epoch."""
    path = _target(output, "curves", form)
    from recbench.plots import curves as curve
    from recbench.run.eval_command import chosen_records

    records = chosen_records(run, store(), stderr())
    _same_data(records)
    drawn = curve.curves(records)
    _done(path, drawn, lambda file: curve.draw(drawn, records[0].select, file, records[0].key.data), form, as_json)


def _one(run: str | None) -> RunRecord:
    return one_run(run, store())


def _rows(record: RunRecord, part: str) -> str:
    if part == "test":
        return "test rows"
    return "validation rows (trained on, by train.refit)" if record.key.settings["train.refit"] else "validation rows"


def _same_data(records: Sequence[RunRecord]) -> None:
    """Raise UsageError if runs were trained on different data."""
    data = sorted({f"{record.key.data}@{record.key.fingerprint[:12]}" for record in records})
    if len(data) > 1:
        raise UsageError(f"--run: numbers on different data do not compare, and these runs are of {', '.join(data)}")


def _numbers(word: str) -> list[float]:
    try:
        return [float(part) for part in word.split(",")]
    except ValueError:
        raise UsageError(f"--alpha {word}: expected numbers joined by commas") from None


def _target(output: Path | None, kind: str, form: Format) -> Path | None:
    """Return where to write; None is stdout. Raises UsageError for a name that ends otherwise."""
    if form == "picture":
        return target(output, kind)
    if output is not None and output.suffix.lower() != ".csv":
        raise UsageError(f"-o {output}: --format csv expects a name that ends in .csv")
    return output


def _done(
    path: Path | None, drawn: Sequence[object], draw: Callable[[Path], None], form: Format, as_json: bool
) -> None:
    """Draw and say where the picture is, or print the numbers behind it."""
    if form == "csv" and as_json:
        raise UsageError("--json and --format csv print the same numbers; leave one out")
    if form == "picture" and path is not None:
        draw(path)
    if form == "csv":
        from recbench.plots.data import csv
        from recbench.results.leaderboard_export import deliver

        deliver(csv(drawn).encode(), path)
    elif as_json:
        print_json([asdict(part) for part in drawn])  # type: ignore[call-overload]
    else:
        print_text(str(path))
