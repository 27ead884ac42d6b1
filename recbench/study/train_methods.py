"""`recbench train` of several losses or backbones, or several runs at a time."""

from __future__ import annotations

from dataclasses import replace

from recbench import torchrun
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError, counted
from recbench.results.record import RunRecord
from recbench.run.invocation import Invocation
from recbench.run.train_command import announce, complete, keys_of, own_sources, train_all
from recbench.study.fair import require_fair, require_no_rate
from recbench.study.launchers.base import LaunchOptions, Work
from recbench.study.methods import ALL, MethodsRequest, chosen_losses, fitting_methods
from recbench.study.train_runs import train_runs
from recbench.study.tuning import tuned
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
