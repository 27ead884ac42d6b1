"""The command `train`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from recbench.cli.app import TRAINING, command, print_text, stderr, store, typed_command
from recbench.cli.options import (
    Backbone,
    Device,
    Imports,
    Preset,
    Sampler,
    Seed,
    Settings,
    TrainDataset,
    TrainFeedback,
    Trust,
    given_options,
    setting_words,
    train_request,
    whole_option,
)
from recbench.cli.own_code import import_files, import_trusted_plan
from recbench.errors import InterruptionError, UsageError

WITH_RESUME = ("--resume", "--device", "--import", "--trust")


@command(
    TRAINING,
    "recbench train --loss gnolr --backbone twintower --seeds 5",
    "recbench train --loss bce --set loss.logit=learned",
    "recbench train --loss bpr --sampler popularity --set sampler.beta=0.75",
    "recbench train --resume",
)
def train(
    context: typer.Context,
    loss: Annotated[str, typer.Option(help="A name from `recbench list losses`.")] = "gnolr",
    backbone: Backbone = None,
    sampler: Sampler = None,
    dataset: TrainDataset = None,
    feedback: TrainFeedback = None,
    preset: Preset = None,
    seed: Seed = 0,
    seeds: Annotated[int, whole_option("--seeds", "Number of runs, with consecutive seeds.", 1, 10_000)] = 1,
    epochs: Annotated[int | None, whole_option("--epochs", "At most so many epochs.", 1, 10**9)] = None,
    batch_size: Annotated[int | None, whole_option("--batch-size", "Logged rows in a batch.", 1, 10**9)] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    select: Annotated[str | None, typer.Option(help="Validation metric that chooses the epoch.")] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="pos=P,neg=N", help="False and missing positives put into train, as shares of each user's."
        ),
    ] = None,
    settings: Settings = [],
    device: Device = "auto",
    imports: Imports = [],
    trust: Trust = False,
    resume: Annotated[bool, typer.Option("--resume", help="Finish the runs of the last `train`.")] = False,
) -> None:
    """Train a loss on a backbone, keeping the epoch that is best on validation."""
    from recbench.run.train_command import resume_last, train_all

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if resume:
        others = [option for option in given_options(context) if option not in WITH_RESUME]
        if others:
            raise UsageError(f"--resume finishes the last `train` as it was typed; leave out {others[0]}")
    with _resume_hint(None if resume else typed_command()):
        if resume:
            import_files(imports)
            import_trusted_plan(store().read_plan(), trust)
            runs = resume_last(store(), stderr(), device)
        else:
            options = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "select": select, "noise": noise}
            options |= {"sampler": sampler}
            request = train_request(
                loss=loss,
                backbone=backbone,
                dataset=dataset,
                feedback=feedback,
                preset=preset,
                seed=seed,
                seeds=seeds,
                settings=setting_words(settings, options),
                imports=imports,
            )
            runs = train_all(request, store(), stderr(), device, typed_command())
    for record in runs:
        print_text(
            f"{record.key.digest}  {record.key.title}  valid {record.selected_by} {record.valid:.4f} "
            f"at epoch {record.best_epoch} of {record.epochs}  {record.seconds:.1f} s"
        )


@contextmanager
def _resume_hint(command: str | None) -> Iterator[None]:
    """On Ctrl-C, say how to continue if there is something to continue: unfinished runs, of this command if given."""
    try:
        yield
    except KeyboardInterrupt:
        from recbench.run.train_command import is_resumable

        if is_resumable(store(), command):
            hint = "`recbench train --resume` continues after the last finished epoch"
            raise InterruptionError(f"interrupted; {hint}") from None
        raise
