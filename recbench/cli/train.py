"""The command `train`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recbench import torchrun
from recbench.cli import options
from recbench.cli.app import TRAINING, command, invocation, stderr, store, typed_command
from recbench.cli.options import consecutive, given_options, launch_options, names, setting_words, whole_option
from recbench.cli.own_code import import_files, import_trusted_plan
from recbench.errors import InterruptionError, UsageError
from recbench.terminal import print_text

if TYPE_CHECKING:
    from recbench.results.record import RunRecord

Losses = Annotated[str, typer.Option(help="Names from `recbench list losses`, joined by commas; all: those that fit.")]
Backbones = Annotated[
    str | None,
    typer.Option(help="Names from `recbench list backbones`, joined by commas; default: the preset's or twintower."),
]
Noise = Annotated[
    str | None,
    typer.Option(metavar="pos=P,neg=N", help="False and missing positives put into train, as shares of each user's."),
]
Track = Annotated[
    str | None,
    typer.Option(help="Show the runs elsewhere too: tensorboard, mlflow, wandb or a .py file, joined by commas."),
]
WITH_RESUME = ("--resume", "--device", "--import", "--trust", "--track")


@command(
    TRAINING,
    "recbench train --loss gnolr --backbone twintower --seeds 5",
    "recbench train --loss bce,bpr,gnolr --backbone twintower,mf --seeds 3 --jobs 2",
    "recbench train --loss all --fair",
    "recbench train --loss bce,gnolr --fair --trials 20 --seeds 5",
    "recbench train --loss bpr,ssm --backbone mf --fair --trials 20 --grid lr=1e-4..0.01",
    "recbench train --loss bce --set loss.logit=learned",
    "recbench train --loss bpr --sampler popularity --set sampler.beta=0.75",
    "recbench train --loss gnolr --seeds 3 --track tensorboard",
    "recbench train --resume",
)
def train(
    context: typer.Context,
    loss: Losses = "gnolr",
    backbone: Backbones = None,
    sampler: options.Sampler = None,
    dataset: options.TrainDataset = None,
    feedback: options.TrainFeedback = None,
    preset: options.Preset = None,
    seed: options.Seed = 0,
    seeds: Annotated[int, whole_option("--seeds", "Number of runs, with consecutive seeds.")] = 1,
    epochs: options.Epochs = None,
    batch_size: Annotated[int | None, whole_option("--batch-size", "Logged rows in a batch.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    select: Annotated[str | None, typer.Option(help="Validation metric that chooses the epoch.")] = None,
    noise: Noise = None,
    settings: options.Settings = [],
    fair: options.Fair = False,
    trials: options.FairTrials = None,
    grid: options.FairGrid = [],
    jobs: options.Jobs = None,
    lanes: options.Lanes = "auto",
    launcher: options.Launcher = "local",
    address: options.Address = None,
    per_run: options.PerRun = None,
    partition: options.Partition = None,
    time_limit: options.TimeLimit = None,
    device: options.Device = "auto",
    imports: options.Imports = [],
    trust: options.Trust = False,
    track: Track = None,
    resume: Annotated[bool, typer.Option("--resume", help="Finish the runs of the last `train`.")] = False,
) -> None:
    """Train losses on backbones, keeping the epoch that is best on validation."""
    with _resume_hint(None if resume else typed_command()):
        if resume:
            runs = _resume(context, imports, trust, device, track)
        else:
            from recbench.run.train_command import TrainRequest
            from recbench.study.methods import MethodsRequest
            from recbench.study.train_methods import train_methods

            training = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "select": select, "noise": noise}
            common = TrainRequest(
                track=_trackers(track),
                loss="",
                backbone=None,
                dataset=dataset,
                settings=setting_words(settings, {**training, "sampler": sampler}),
                seeds=consecutive(seed, seeds),
                feedback=names(feedback),
                imports=tuple(imports),
                preset=preset,
            )
            where = launch_options(launcher, jobs, address, per_run, partition, time_limit, lanes, device)
            methods = MethodsRequest(names(loss), names(backbone) or (None,), common, fair, trials, tuple(grid))
            runs = train_methods(methods, invocation(), where)
    _print_records(runs)


def _trackers(track: str | None) -> tuple[str, ...]:
    """Return the trackers that are asked for; raises UsageError for those that cannot be had."""
    words = names(track)
    if words:
        from recbench.trackers.base import require_trackers

        require_trackers(words)
    return words


def _resume(
    context: typer.Context, imports: Iterable[Path], trust: bool, device: str, track: str | None
) -> list[RunRecord]:
    """Finish the runs of the last `train`; raises UsageError for options that would change them."""
    from recbench.run.train_command import resume_last

    others = [option for option in given_options(context) if option not in WITH_RESUME]
    if others:
        raise UsageError(f"--resume finishes the last `train` as it was typed; leave out {others[0]}")
    trackers = _trackers(track)
    import_files(imports)
    import_trusted_plan(store().read_plan(), trust)
    return resume_last(store(), stderr(), device, trackers)


def _print_records(records: Iterable[RunRecord]) -> None:
    if not torchrun.is_first():
        return
    for record in records:
        print_text(repr(record))


@contextmanager
def _resume_hint(command: str | None) -> Iterator[None]:
    """On Ctrl-C, say how to continue if there is something to continue: unfinished runs, of this command if given."""
    try:
        yield
    except KeyboardInterrupt:
        from recbench.run.train_command import resumable_plan

        if plan := resumable_plan(store(), command):
            hint = f"`{plan.resume_command}` continues after the last finished epoch"
            raise InterruptionError(f"interrupted; {hint}") from None
        raise
