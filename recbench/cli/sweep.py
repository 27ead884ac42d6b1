"""The command that searches settings: sweep."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import Annotated, Literal

import typer

from recbench.cli.app import Imports, Json, app, names, print_json, stderr, stdout, store
from recbench.errors import TrainingError

Search = Literal["grid", "random", "optuna"]


@app.command(
    epilog="Examples: `recbench sweep --losses gnolr,bce --grid lr=0.005,0.05 --grid gnolr:loss.scale=1,2,4`, "
    "`recbench sweep --losses nsb,esmm --grid lr=0.001..0.1 --grid 'loss.pos_weight=1|10,100' --search random "
    "--jobs 2`, `recbench sweep --preset gnolr/ml-1m --losses bce,gnolr --grid lr=0.001..0.5 --search optuna`."
)
def sweep(
    losses: Annotated[str, typer.Option(help="Names from `recbench list losses`, joined by commas.")],
    grid: Annotated[
        list[str],
        typer.Option(
            metavar="[LOSS:]KEY=VALUES",
            help="A setting and its values: 1,2,4, or 'a,b|c,d' where they hold commas, or 0.001..0.1.",
        ),
    ] = [],  # noqa: B006
    search: Annotated[Search, typer.Option(help="All combinations, at random, or Optuna's TPE.")] = "grid",
    trials: Annotated[
        int | None, typer.Option(help="Points for each loss, unless --search is grid; default: 20.", min=1)
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="A name from `recbench list backbones`; default: the preset's, or twintower.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="DATASET or DATASET/SPLIT; default: the preset's, or the most recently prepared."),
    ] = None,
    feedback: Annotated[
        str | None,
        typer.Option(help="Feedback types to train on, joined by commas; default: all that each loss takes."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="A paper's settings, such as gnolr/ml-1m; what is given beside it wins.")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="The seed, or the first of --seeds, and that of the search.", min=0, max=2**62)
    ] = 0,
    seeds: Annotated[int, typer.Option(help="Runs for each point, with seeds that follow one another.", min=1)] = 1,
    jobs: Annotated[int, typer.Option(help="Processes that train side by side.", min=1)] = 1,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="OWNER.KEY=VALUE", help="As in backbone.dim=32, for all trials."),
    ] = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:n.")] = "auto",
    imports: Imports = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Search settings on validation, the same way for every loss; exit code 1 if a run failed."""
    from recbench.run.session import TrainRequest
    from recbench.study.sweep import SweepRequest, sweep_all
    from recbench.study.sweep_display import sweep_json, sweep_table

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    common = TrainRequest(
        loss="",
        backbone=backbone,
        dataset=dataset,
        feedback=names(feedback),
        seeds=tuple(range(seed, seed + seeds)),
        settings=tuple(settings),
        imports=tuple(imports),
        preset=preset,
    )
    order = SweepRequest(names(losses), tuple(grid), common, search, trials)
    command = shlex.join(["recbench", *sys.argv[1:]])
    found = sweep_all(order, store(), stderr(), device, jobs, command)
    if as_json:
        print_json(sweep_json(found))
    else:
        stdout().print(sweep_table(found))
        print(*found.commands.values(), sep="\n")
    failed = sum(bool(trial.failed) for trial in found.trials)
    if failed:
        raise TrainingError(f"{failed} of {len(found.trials)} trials failed; the same command tries them again")
