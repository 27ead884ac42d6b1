"""The command `baselines`."""

from __future__ import annotations

from typing import Annotated

import typer

from recbench.cli import options
from recbench.cli.app import TRAINING, command, invocation, print_evaluations, stderr, store, typed_command
from recbench.cli.options import consecutive, launch_options, names, setting_words, whole_option
from recbench.cli.own_code import import_files
from recbench.errors import InterruptionError


@command(
    TRAINING,
    "recbench baselines",
    "recbench baselines --dataset ml-1m --metric recall@50 --metric auc",
    "recbench baselines --only item-knn,ease --budget 600 --set train.refit=true",
    "recbench baselines --only ials --seeds 3 --set ials.factors=128 --set ials.alpha=5",
    "recbench baselines --launcher slurm --partition long --per-run cpus=4,memory=32GiB",
)
def baselines(
    dataset: options.PreparedDataset = None,
    feedback: Annotated[str | None, typer.Option(help="Feedback types, joined by commas; default: all.")] = None,
    metric: options.Metrics = [],
    only: Annotated[
        str | None, typer.Option(help="Names from `recbench list baselines`, joined by commas; default: all.")
    ] = None,
    seed: options.Seed = 0,
    seeds: Annotated[int, whole_option("--seeds", "Number of seeds, for baselines that depend on one.")] = 1,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="NAME.KEY=VALUE", help="As in item-knn.k=50 or train.refit=true."),
    ] = [],
    budget: Annotated[
        float,
        typer.Option(help="Seconds to search each baseline's settings on validation; 0: no search."),
    ] = 120,
    candidates: options.Candidates = "catalogue",
    keep_seen: options.KeepSeen = False,
    dialect: options.Dialect = None,
    jobs: Annotated[
        int | None,
        whole_option("--jobs", "Baselines at the same time; default: 1, on a cluster all that fit."),
    ] = None,
    launcher: options.Launcher = "local",
    address: options.Address = None,
    per_run: options.PerRun = None,
    partition: options.Partition = None,
    time_limit: options.TimeLimit = None,
    imports: options.Imports = [],
    as_json: options.Json = False,
) -> None:
    """Tune, fit and evaluate baselines, from popularity to EASE and iALS, for the leaderboard."""
    from recbench.run.baselines import BaselineRequest, run_baselines
    from recbench.run.eval_command import EvalRequest

    import_files(imports)
    request = BaselineRequest(
        dataset=dataset,
        feedback=names(feedback),
        only=names(only),
        seeds=consecutive(seed, seeds),
        settings=setting_words(settings),
        budget=budget,
    )
    evaluation = EvalRequest(metrics=tuple(metric), candidates=candidates, keep_seen=keep_seen, dialect=dialect)
    launch = launch_options(launcher, jobs, address, per_run, partition, time_limit)
    try:
        if launcher == "local" and (jobs or 1) == 1:
            evaluated = run_baselines(request, evaluation, invocation())
        else:
            from recbench.study.launched_baselines import run_launched_baselines
            from recbench.study.launchers.base import Work

            work = Work(store().root, "cpu", tuple(map(str, imports)), typed_command(), launch=launch)
            evaluated = run_launched_baselines(request, evaluation, work, stderr())
    except KeyboardInterrupt:
        raise InterruptionError("interrupted; what is fitted is kept, and the same command goes on") from None
    print_evaluations(evaluated, as_json)
