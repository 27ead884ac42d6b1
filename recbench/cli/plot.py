"""The commands `plot …`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recbench.cli.app import RESULTS, command, command_group, one_run, print_json, stderr, store
from recbench.cli.options import RUN_WORDS, Imports, Json, Runs, Trust, names, output_path, whole_option
from recbench.cli.own_code import import_files, import_trusted
from recbench.errors import UsageError
from recbench.plots.figure import target
from recbench.terminal import print_text

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
    to = _destination(output, "angles", form, as_json)
    from recbench.plots import angles as angle

    import_files(imports)
    record = one_run(run, store())
    import_trusted([record], trust)
    drawn = angle.spaces(record, store(), part)
    title = f"{record.key.title}, {_rows(record, part)}"
    _done(to, drawn, lambda file: angle.draw(drawn, file, title), lambda: angle.table(drawn))


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
    to = _destination(output, "sensitivity", form, as_json)
    from recbench.plots import sensitivity as sensitive
    from recbench.plots.measured import runs_of
    from recbench.plots.series import draw, table

    runs = runs_of(store(), dataset)
    data = runs[0][0].key.data
    drawn = sensitive.panels(runs, setting, metric)
    _done(to, drawn, lambda file: draw(drawn, file, data), lambda: table(drawn, data))


@plot_command(
    "recbench plot kernels",
    "recbench plot kernels --alpha 0,1 --items 1000000 -o kernels.svg",
)
def kernels(
    alpha: Annotated[str, typer.Option(help="Exponents of the weights, joined by commas.")] = "0,0.5,1,2",
    margin: Annotated[float, typer.Option(help="Margin of the hinge kernel.")] = 1.0,
    items: Annotated[int, whole_option("--items", "Size of the catalogue.")] = 1000,
    output: Output = None,
    form: Format = "picture",
    as_json: Json = False,
) -> None:
    """Draw the kernels and the weights of ranks that CROLoss chooses from; needs no run."""
    to = _destination(output, "kernels", form, as_json)
    from recbench.plots import kernels as kernel

    drawn = kernel.panels(_numbers(alpha), margin, items)
    _done(to, drawn, lambda file: kernel.draw(drawn, file, "CROLoss"), lambda: kernel.table(drawn))


@plot_command(
    "recbench plot recall-curve",
    "recbench plot recall-curve --run 0bc13ddb --k 10,100",
    name="recall-curve",
)
def recall_curve(
    run: Runs = [],
    k: Annotated[str, typer.Option("--k", help="Cut-offs, joined by commas.")] = "10,20,50,100,200,500",
    output: Output = None,
    imports: Imports = [],
    trust: Trust = False,
    form: Format = "picture",
    as_json: Json = False,
) -> None:
    """Draw recall over the number of items retrieved; what has not been evaluated is now, on the test rows."""
    to = _destination(output, "recall-curve", form, as_json)
    from recbench.plots import recall_curve as recall
    from recbench.plots.series import draw, table
    from recbench.run.eval_command import chosen_records

    import_files(imports)
    records = chosen_records(run, store(), stderr())
    import_trusted(records, trust)
    data = _same_data(records)
    drawn = recall.panels(records, list(names(k)), store(), stderr())
    _done(to, drawn, lambda file: draw(drawn, file, data), lambda: table(drawn, data))


@plot_command(
    "recbench plot importance",
    "recbench plot importance --run 0bc13ddb -o weights.svg",
)
def importance(run: OneRun = None, output: Output = None, form: Format = "picture", as_json: Json = False) -> None:
    """Draw the weights of triplets that TIL (til-ui, til-mi) has learned, by the popularity of the positive item."""
    to = _destination(output, "importance", form, as_json)
    from recbench.plots import importance as weights

    record = one_run(run, store())
    drawn = weights.distributions(record, store())
    _done(to, drawn, lambda file: weights.draw(drawn, file, record.key.title), lambda: weights.table(drawn))


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
    to = _destination(output, "noise", form, as_json)
    from recbench.plots import noise as noisy
    from recbench.plots.measured import runs_of
    from recbench.plots.series import draw, table

    runs = runs_of(store(), dataset)
    data = runs[0][0].key.data
    drawn = noisy.panels(runs, metric, drop)
    _done(to, drawn, lambda file: draw(drawn, file, data), lambda: table(drawn, data))


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
    to = _destination(output, "quality-time", form, as_json)
    from recbench.plots import quality_time as quality
    from recbench.plots.measured import runs_of

    runs = runs_of(store(), dataset)
    data = runs[0][0].key.data
    drawn = quality.clouds(runs, metric)
    devices = quality.devices(runs)
    _done(to, drawn, lambda file: quality.draw(drawn, devices, file, data), lambda: quality.table(drawn, data))


@plot_command(
    "recbench plot critical-difference --metric recall@20",
    "recbench plot critical-difference --metric auc -o ranks.svg",
    name="critical-difference",
)
def critical_difference(
    metric: Metric = "auc", output: Output = None, form: Format = "picture", as_json: Json = False
) -> None:
    """Draw mean ranks of methods over datasets, and which of them a test does not tell apart (Demšar 2006)."""
    to = _destination(output, "critical-difference", form, as_json)
    from recbench.plots import critical_difference as ranks

    drawn = ranks.mean_ranks(store(), metric)
    _done(to, [drawn], lambda file: ranks.draw(drawn, file), lambda: ranks.table(drawn))


@plot_command(
    "recbench plot pairwise-wins --metric recall@20",
    "recbench plot pairwise-wins --metric recall@20 --format csv -o wins.csv",
    name="pairwise-wins",
)
def pairwise_wins(
    metric: Metric = "auc", output: Output = None, form: Format = "picture", as_json: Json = False
) -> None:
    """Draw how often one method beats another over datasets, and in how many of them beyond chance."""
    to = _destination(output, "pairwise-wins", form, as_json)
    from recbench.plots import pairwise_wins as wins

    drawn = wins.counted_wins(store(), metric)
    rows = wins.table(drawn)  # JSON cannot name an object by a pair of methods, as the picture has them
    _done(to, rows, lambda file: wins.draw(drawn, file), lambda: rows)


@plot_command(
    "recbench plot curves",
    "recbench plot curves --run 0bc13ddb --run 3f2a -o curves.svg",
)
def curves(run: Runs = [], output: Output = None, form: Format = "picture", as_json: Json = False) -> None:
    """Draw the validation metric of runs after each epoch."""
    to = _destination(output, "curves", form, as_json)
    from recbench.plots import curves as curve
    from recbench.run.eval_command import chosen_records

    records = chosen_records(run, store(), stderr(), to_evaluate=False)
    data = _same_data(records)
    drawn, select = curve.curves(records), records[0].select
    _done(
        to,
        drawn,
        lambda file: curve.draw(drawn, select, file, data),
        lambda: curve.table(drawn, select, data),
    )


def _rows(record: RunRecord, part: str) -> str:
    if part == "test":
        return "test rows"
    return "validation rows (trained on, by train.refit)" if record.key.settings["train.refit"] else "validation rows"


def _same_data(records: Sequence[RunRecord]) -> str:
    """Return the DATASET/SPLIT that the runs were trained on; raises UsageError if it is not the same."""
    data = sorted({f"{record.key.data}@{record.key.fingerprint[:12]}" for record in records})
    if len(data) > 1:
        raise UsageError(f"--run: numbers on different data do not compare, and these runs are of {', '.join(data)}")
    return records[0].key.data


def _numbers(word: str) -> list[float]:
    try:
        return [float(part) for part in names(word)]
    except ValueError:
        raise UsageError(f"--alpha {word}: expected numbers joined by commas") from None


@dataclass(frozen=True)
class _Destination:
    """Where a picture goes, or the numbers behind it."""

    path: Path | None  # None: stdout
    form: Format
    as_json: bool


def _destination(output: Path | None, kind: str, form: Format, as_json: bool) -> _Destination:
    """Return where to write; raises UsageError for a name that ends otherwise, or for two formats at once."""
    if form == "picture":
        return _Destination(target(output, kind), form, as_json)
    if as_json:
        raise UsageError("--json and --format csv print the same numbers; leave one out")
    if output is not None and output.suffix.lower() != ".csv":
        raise UsageError(f"-o {output}: --format csv expects a name that ends in .csv")
    return _Destination(output, form, as_json)


def _done(
    to: _Destination,
    drawn: Sequence[object],
    draw: Callable[[Path], None],
    table: Callable[[], Sequence[Mapping[str, object]]],
) -> None:
    """Draw and say where the picture is, or print the numbers behind it: the parts of what is drawn as JSON, or CSV."""
    if to.form == "picture" and to.path is not None:
        draw(to.path)
    if to.form == "csv":
        from recbench.results.csv_text import as_csv
        from recbench.results.leaderboard_export import deliver

        deliver(as_csv(table()).encode(), to.path)
    elif to.as_json:
        print_json([asdict(part) if is_dataclass(part) else part for part in drawn])  # type: ignore[arg-type]
    else:
        print_text(str(to.path))
