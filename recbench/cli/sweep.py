"""The command `sweep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recbench.cli import options
from recbench.cli.app import TRAINING, command, invocation, print_json, stdout
from recbench.cli.options import consecutive, launch_options, names, setting_words, whole_option
from recbench.errors import TrainingError, counted
from recbench.terminal import print_text

if TYPE_CHECKING:
    from recbench.results.sweeps import Sweep

Trials = Annotated[
    int | None,
    whole_option("--trials", "Points for each loss, unless --search is grid; default: 20."),
]


@command(
    TRAINING,
    "recbench sweep --losses gnolr,bce --grid lr=0.005,0.05 --grid gnolr:loss.scale=1,2,4",
    "recbench sweep --losses nsb,esmm --grid lr=0.001..0.1 --grid 'loss.pos_weight=1|10,100' --search random --jobs 2",
    "recbench sweep --losses all --fair --epochs 10",
    "recbench sweep --losses bce,gnolr --fair --trials 20 --search optuna",
    "recbench sweep --losses all --fair --launcher ray --per-run cpus=2",
    "recbench sweep --preset gnolr/ml-1m --losses bce,gnolr --grid lr=0.001..0.5 --search optuna",
)
def sweep(
    losses: Annotated[
        str, typer.Option(help="Names from `recbench list losses`, joined by commas; all: those that fit.")
    ],
    grid: Annotated[
        list[str],
        typer.Option(
            metavar="[LOSS:]KEY=VALUES",
            help="A setting and its values: 1,2,4, or 'a,b|c,d' where they hold commas, or 0.001..0.1.",
        ),
    ] = [],
    search: Annotated[
        Literal["grid", "random", "optuna"], typer.Option(help="All combinations, at random, or Optuna's TPE.")
    ] = "grid",
    trials: Trials = None,
    backbone: options.Backbone = None,
    sampler: options.Sampler = None,
    dataset: options.TrainDataset = None,
    feedback: options.TrainFeedback = None,
    preset: options.Preset = None,
    seed: options.Seed = 0,
    seeds: Annotated[int, whole_option("--seeds", "Runs for each point, with consecutive seeds.")] = 1,
    epochs: options.Epochs = None,
    fair: options.Fair = False,
    jobs: options.Jobs = None,
    lanes: options.Lanes = "auto",
    launcher: options.Launcher = "local",
    address: options.Address = None,
    per_run: options.PerRun = None,
    partition: options.Partition = None,
    time_limit: options.TimeLimit = None,
    settings: options.Settings = [],
    device: options.Device = "auto",
    imports: options.Imports = [],
    as_json: options.Json = False,
) -> None:
    """Search settings on validation, the same way for every loss; exit code 1 if a run failed."""
    from recbench.run.train_command import TrainRequest
    from recbench.study.sweep import SweepRequest, sweep_all

    launch = launch_options(launcher, jobs, address, per_run, partition, time_limit, lanes, device)
    common = TrainRequest(
        loss="",
        backbone=backbone,
        dataset=dataset,
        settings=setting_words(settings, {"epochs": epochs, "sampler": sampler}),
        seeds=consecutive(seed, seeds),
        feedback=names(feedback),
        imports=tuple(imports),
        preset=preset,
    )
    request = SweepRequest(names(losses), tuple(grid), common, search, trials, fair)
    result = sweep_all(request, invocation(), launch)
    _print(result, as_json)


def _print(result: Sweep, as_json: bool) -> None:
    """Print what a sweep found; raises TrainingError if a trial failed."""
    from recbench.study.sweep import sweep_json, sweep_table

    if as_json:
        print_json(sweep_json(result))
    else:
        stdout().print(sweep_table(result))
        print_text("\n".join(result.commands.values()))
    failed = sum(bool(trial.failed) for trial in result.trials)
    if failed:
        trials = counted(len(result.trials), "trial")
        raise TrainingError(f"{failed} of {trials} failed; the same command tries them again")
