"""`recbench train` of several losses or backbones, or several runs at a time; and what `--fair` searches for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recbench import torchrun
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import TrainingError, UsageError, counted
from recbench.results.record import RunRecord, method_name
from recbench.results.sweeps import best_trials
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, announce, complete, keys_of, own_sources, train_all
from recbench.study.fair import equal_terms, require_fair, require_no_rate, with_point
from recbench.study.launchers.base import LaunchOptions, Work
from recbench.study.methods import ALL, MethodsRequest, chosen_losses, fitting_methods
from recbench.study.runs_display import RunsDisplay
from recbench.study.sweep import SweepRequest, sweep_all
from recbench.study.train_runs import train_runs
from recbench.terminal import print_line


def train_methods(request: MethodsRequest, invocation: Invocation, options: LaunchOptions) -> list[RunRecord]:
    """Train the one method of a request here, run after run, or all its methods as `train_several` does."""
    require_fair(request.fair, request.trials, request.grid)
    if is_several(request, options):
        return train_several(request, invocation, options)
    one = replace(request.common, loss=request.losses[0], backbone=request.backbones[0])
    return train_all(one, invocation, options.device)


def is_several(request: MethodsRequest, options: LaunchOptions) -> bool:
    """Return whether there are several methods to train, or runs to train at a time or elsewhere.

    Raises UsageError if the processes of torchrun are to do so.
    """
    at_once = options.launcher != "local" or (options.jobs or 1) > 1
    if not at_once and len(request.common.seeds) > 1:
        at_once = options.side_by_side(options.devices()[1]) > 1
    one = len(request.losses) == len(request.backbones) == 1 and request.losses != (ALL,)
    if one and not at_once and not request.fair:
        return False
    if torchrun.place() is not None:
        raise UsageError(
            "torchrun trains one method by all its processes; name one loss and one backbone, "
            "and leave out --fair, --jobs and --launcher"
        )
    return True


def train_several(request: MethodsRequest, invocation: Invocation, options: LaunchOptions) -> list[RunRecord]:
    """Train every loss on every backbone with every seed; runs that have a record are not trained again.

    Of the losses `all`, those that fit neither the data nor the backbone are listed and left out. Raises UsageError for
    a pair named by the user that cannot work, before anything is written; TrainingError, after all others have
    finished, for a run that failed.
    """
    if request.fair:
        require_no_rate(request.common.settings)
    store, console = invocation.store, invocation.console
    sources = own_sources(request.common)
    here, target = options.devices()
    first = complete(replace(request.common, loss=chosen_losses(request.losses)[0], backbone=request.backbones[0]))
    data = Dataset.load(find_prepared(first.dataset), here)
    with console.status("looking at which methods fit the data"):
        requests = fitting_methods(request, data, store, sources, console)
    announce(requests, data, console)
    if request.fair:
        requests = tuned(requests, request.common, invocation, options, request.trials, request.grid)
    groups = [keys_of(one, data, target.type, sources) for one in requests]
    keys = [key for of_seed in zip(*groups, strict=True) for key in of_seed]  # all methods once, before a second seed
    seeds = counted(len(request.common.seeds), "seed")
    print_line(console, f"{counted(len(groups), 'method')}, {seeds} each: {counted(len(keys), 'run')}")
    imports = [str(path) for path in request.common.imports]
    store.write_plan(keys, imports, invocation.command)
    work = Work(store.root, str(target), tuple(imports), invocation.command, request.common.track, options)
    records = {record.key.digest: record for record in train_runs(keys, data, work, console, "train")}
    return [records[key.digest] for group in groups for key in group]


def tuned(
    requests: Sequence[TrainRequest],
    common: TrainRequest,
    invocation: Invocation,
    options: LaunchOptions,
    trials: int | None = None,
    grid: tuple[str, ...] = (),
    display: RunsDisplay | None = None,
) -> list[TrainRequest]:
    """Return completed requests on equal terms, each with the settings that are best on validation.

    Searched is what `fair.dimensions` says, with the first seed. There is a sweep for each backbone; `common` has what
    the user said of all trials. Raises UsageError for a setting that is said there and searched, TrainingError for a
    method of which every trial failed.
    """
    found: list[TrainRequest] = []
    for backbone in dict.fromkeys(one.backbone for one in requests):
        methods = {one.loss: one for one in requests if one.backbone == backbone}
        searched = replace(common, backbone=backbone, seeds=common.seeds[:1])
        completed = {loss: replace(one, seeds=searched.seeds) for loss, one in methods.items()}
        order = SweepRequest(tuple(methods), grid, searched, trials=trials, fair=True, completed=completed)
        sweep = sweep_all(order, invocation, options, display)
        best = best_trials(sweep.trials)
        for loss, one in methods.items():
            if loss not in best:
                what = "learning rate" if trials is None else "trial"
                failed = next(trial.failed for trial in sweep.trials if trial.loss == loss)
                raise TrainingError(f"{method_name(loss, str(backbone))}: no {what} works: {failed}")
            found.append(with_point(equal_terms(one), best[loss].words))
    return found
