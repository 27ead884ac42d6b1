"""Train losses on backbones, and fit the baselines that they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from recbench.api.arguments import (
    chosen_settings,
    command_of_seeds,
    console_of,
    data_name,
    grid_words,
    names_of,
    options,
    own_store,
    recorded_command,
    seed_numbers,
)
from recbench.api.own_classes import all_names, own_code
from recbench.api.prepared import PreparedData, prepared
from recbench.api.public import public
from recbench.api.runs import EVALUATION, Evaluations, Runs
from recbench.backbones.base import BACKBONES, Backbone
from recbench.inspect.evaluation_tables import evaluations_json, evaluations_table
from recbench.losses.base import LOSSES, Loss
from recbench.run.baselines import BaselineRequest, run_baselines
from recbench.run.eval_command import EvalRequest
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest
from recbench.settings import Value, typed_words
from recbench.study.launchers.base import LaunchOptions
from recbench.study.methods import MethodsRequest
from recbench.study.train_methods import train_methods
from recbench.trackers.base import require_trackers


@public
def train(
    data: PreparedData | str | None = None,
    *,
    loss: str | type[Loss] | Sequence[str | type[Loss]] = "gnolr",
    backbone: str | type[Backbone] | Sequence[str | type[Backbone]] | None = None,
    sampler: str | None = None,
    feedback: str | Sequence[str] = (),
    seeds: int | Sequence[int] = 1,
    settings: Mapping[str, Value] | None = None,
    preset: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    device: str = "auto",
    quiet: bool = False,
    track: str | Sequence[str] = (),
    fair: bool = False,
    trials: int | None = None,
    grid: Mapping[str, Value | Sequence[Value]] | None = None,
    jobs: int | None = None,
    lanes: int | None = None,
) -> Runs:
    """Train one run per method and seed, or return what was trained before with the same settings; `recbench train`.

    `data` is what `prepare` returned, DATASET/SPLIT, or None for what was prepared last. `loss` and `backbone` are
    names, or classes that a decorator has registered: the digest of their source is then part of the run's key. Several
    make a run of each loss on each backbone; the loss "all" means those that fit. `fair` gives every method a learned
    scale and bias and the same search, of `trials` points, of which `grid` maps settings to other values, as that of
    `sweep`. `jobs` runs train at a time, in processes, and up to `lanes` side by side in each.
    `seeds` is a number of seeds from 0 on, or the seeds. `settings` are those of `--set`: {"loss.scale": 2.5}.
    `track` names trackers ("tensorboard", "mlflow", "wandb", or a Python file with one) that show the runs.
    An interrupted call goes on after the last finished epoch when it is made again.
    Raises UsageError for whatever does not exist or cannot work together, before anything is written.

        rb.train(data, loss="bce", backbone="mf", seeds=3, epochs=20, settings={"loss.pos_weight": 2})
        rb.train(data, loss=["bce", "bpr"], jobs=2, fair=True)
    """
    chosen = chosen_settings(settings, sampler, epochs=epochs, batch_size=batch_size, lr=lr)
    losses = all_names(loss, LOSSES)
    backbones = (None,) if backbone is None else all_names(backbone, BACKBONES)
    files, classes = own_code(losses, backbones, chosen, jobs)
    request = TrainRequest(
        loss=losses[0],
        backbone=backbones[0],
        dataset=data_name(data),
        feedback=names_of(feedback),
        seeds=seed_numbers(seeds),
        settings=tuple(typed_words(chosen)),
        imports=files,
        preset=preset,
        track=names_of(track),
        classes=classes,
    )
    require_trackers(request.track)
    methods = MethodsRequest(losses, backbones, request, fair, trials, grid_words(grid))
    lists = {"loss": losses, "backbone": backbones}
    command = recorded_command("train", request, chosen, grid, lists, fair=fair, trials=trials, device=device)
    launch = LaunchOptions(jobs=jobs, lanes=lanes, device=device)
    return Runs(tuple(train_methods(methods, Invocation(own_store(), console_of(quiet), command), launch)))


@public
def fit_baselines(
    data: PreparedData | str | None = None,
    *,
    only: str | Sequence[str] = (),
    metrics: str | Sequence[str] = (),
    feedback: str | Sequence[str] = (),
    seeds: int | Sequence[int] = 1,
    budget: float = 120,
    settings: Mapping[str, Value] | None = None,
    quiet: bool = False,
) -> Evaluations:
    """Tune baselines on validation within `budget` seconds each, fit and evaluate them; `recbench baselines`.

    `only` are names from `recbench list baselines`, none meaning all. `settings` are {"item-knn.k": 50}.

        rb.fit_baselines(data, only=["popularity", "ease"], metrics="recall@20", budget=60)
    """
    request = BaselineRequest(
        dataset=data_name(data),
        feedback=names_of(feedback),
        only=names_of(only),
        seeds=seed_numbers(seeds),
        settings=tuple(typed_words(settings or {})),
        budget=budget,
    )
    words = options(
        dataset=request.dataset or prepared().name,
        feedback=",".join(request.feedback),
        only=",".join(request.only),
        metric=names_of(metrics),
        set=request.settings,
    )
    command = command_of_seeds(["recbench", "baselines", *words, "--budget", f"{budget:g}"], request.seeds)
    invocation = Invocation(own_store(), console_of(quiet), command)
    evaluated = run_baselines(request, EvalRequest(metrics=names_of(metrics)), invocation)
    return Evaluations(pl.DataFrame(evaluations_json(evaluated), schema=EVALUATION), evaluations_table(evaluated))
