"""Questions that take many runs: a search of settings, and which loss suits a log."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Literal

import polars as pl
from rich.console import Group
from rich.text import Text

from recbench.api.arguments import (
    chosen_settings,
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
from recbench.api.prepared import PreparedData
from recbench.api.public import public
from recbench.api.table import Table
from recbench.backbones.base import BACKBONES, Backbone
from recbench.losses.base import LOSSES, Loss
from recbench.results.sweeps import Sweep
from recbench.run.how_to_train import python_call
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest
from recbench.settings import Value, typed_words
from recbench.sources.guess_table import Given
from recbench.study.bakeoff.bake import BakeoffRequest, require_methods
from recbench.study.bakeoff.conclusion import Conclusion, conclude, seconds_of
from recbench.study.bakeoff.prepare_log import prepare_data
from recbench.study.launchers.base import LaunchOptions
from recbench.study.sweep import SweepRequest, sweep_all, sweep_table

TRIAL = {
    **dict.fromkeys(("loss", "settings"), pl.String()),
    "selected_by": pl.String(),
    **dict.fromkeys(("valid", "sd", "seconds"), pl.Float64()),
    "failed": pl.String(),
    "runs": pl.List(pl.String()),
}
CONTESTANT = {
    **dict.fromkeys(("question", "metric", "feedback", "method"), pl.String()),
    **dict.fromkeys(("value", "low", "high", "seconds"), pl.Float64()),
}


class Trials(Table):
    """One row per loss and point of a sweep, the best of each loss first; `best` has the settings to train with."""

    def __init__(self, sweep: Sweep) -> None:
        rows = [
            {
                "loss": trial.loss,
                "settings": " ".join(trial.words),
                "selected_by": trial.select,
                "valid": trial.valid,
                "sd": trial.sd,
                "seconds": trial.seconds,
                "failed": trial.failed or None,
                "runs": trial.runs,
            }
            for trial in sweep.trials
        ]
        super().__init__(pl.DataFrame(rows, schema=TRIAL), sweep_table(sweep))
        self.sweep = sweep

    @property
    def best(self) -> dict[str, dict[str, str]]:
        """Of each loss the settings that differ from their defaults at its best point, as `train` takes them."""
        return {loss: dict(word.split("=", 1) for word in words) for loss, words in self.sweep.best.items()}


class Answer(Table):
    """What a bakeoff found, which `print` says in words; one row per question and method, the best first.

    `short` is the answer in short, `page` the page of all numbers, `next_steps` what to type next.
    """

    def __init__(self, conclusion: Conclusion) -> None:
        rows = [
            {
                "question": verdict.question,
                "metric": verdict.metric,
                "feedback": verdict.feedback,
                "method": entry.method,
                "value": entry.value,
                "low": entry.low,
                "high": entry.high,
                "seconds": entry.seconds,
            }
            for verdict in conclusion.verdicts
            for entry in verdict.entries
        ]
        steps = [f"{aim}:\n  {typed}" for aim, typed in conclusion.next_steps]
        lines = [conclusion.name, *conclusion.lines, "Next", *steps, "In short", *conclusion.short]
        super().__init__(pl.DataFrame(rows, schema=CONTESTANT), Group(*(Text(f"{line}\n") for line in lines)))
        self.dataset = conclusion.name
        self.lines = conclusion.lines
        self.short = conclusion.short
        self.next_steps = conclusion.next_steps
        self.page = conclusion.page

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(line)}</p>" for line in self.short) + super()._repr_html_()


@public
def sweep(
    data: PreparedData | str | None = None,
    *,
    losses: str | type[Loss] | Sequence[str | type[Loss]],
    grid: Mapping[str, Value | Sequence[Value]] | None = None,
    search: Literal["grid", "random", "optuna"] = "grid",
    trials: int | None = None,
    backbone: str | type[Backbone] | None = None,
    sampler: str | None = None,
    feedback: str | Sequence[str] = (),
    seeds: int | Sequence[int] = 1,
    settings: Mapping[str, Value] | None = None,
    preset: str | None = None,
    epochs: int | None = None,
    fair: bool = False,
    jobs: int | None = None,
    lanes: int | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Trials:
    """Search settings on validation, alike for every loss; `recbench sweep`.

    `losses` are names or classes, or "all". `grid` maps settings to their values, {"lr": [0.005, 0.05]}, or
    "gnolr:loss.scale" to those of one loss, or to a range, "0.001..0.1". `jobs` runs train at a time in processes, and
    up to `lanes` side by side in each of them. The same call goes on where it was stopped.
    Raises UsageError for whatever cannot work, before anything is trained.

        found = rb.sweep(data, losses=["bce", "gnolr"], grid={"lr": [0.005, 0.05]})
        rb.train(data, loss="bce", settings=found.best["bce"])
    """
    names, chosen = all_names(losses, LOSSES), chosen_settings(settings, sampler, epochs=epochs)
    one = None if backbone is None else all_names(backbone, BACKBONES)[0]
    files, classes = own_code(names, (one,), chosen, jobs)
    common = TrainRequest(
        loss="",
        backbone=one,
        dataset=data_name(data),
        feedback=names_of(feedback),
        seeds=seed_numbers(seeds),
        settings=tuple(typed_words(chosen)),
        imports=files,
        preset=preset,
        classes=classes,
    )
    request = SweepRequest(names, grid_words(grid), common, search, trials, fair)
    launch = LaunchOptions(jobs=jobs, lanes=lanes, device=device)
    named = {"backbone": one, "search": search, "trials": trials, "fair": fair, "device": device}
    command = recorded_command("sweep", common, chosen, grid, {"losses": names}, **named)
    return Trials(sweep_all(request, Invocation(own_store(), console_of(quiet), command), launch))


@public
def bakeoff(
    data: PreparedData | str | Path,
    *,
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    feedback: str | Sequence[str] | None = None,
    users: str | Path | None = None,
    items: str | Path | None = None,
    budget: str | float = "20m",
    backbone: str = "twintower",
    losses: str | type[Loss] | Sequence[str | type[Loss]] = (),
    own: str | type[Loss] | Sequence[str | type[Loss]] = (),
    catalog: str | Path | None = None,
    jobs: int = 1,
    device: str = "auto",
    quiet: bool = False,
) -> Answer:
    """Find out which loss suits a log of one's own, or a dataset, within a budget of time; `recbench bakeoff`.

    The columns of a file are guessed unless they are given; `catalog` is where that is written. `budget` is in seconds,
    or words such as "2h". Losses of one's `own`, by name or class, compete beside the dozen, or beside `losses`. The
    same call goes on where it was stopped, or with what has changed. Raises UsageError for whatever does not exist.

        rb.bakeoff("shop.csv", user="customer", item="sku", feedback=["click", "buy"], budget="1h")
        rb.bakeoff("ml-1m", own=Mine, budget="4h")
    """
    console = console_of(quiet)
    joined = feedback if feedback is None or isinstance(feedback, str) else ",".join(feedback)
    paths = [None if path is None else Path(path).expanduser() for path in (users, items, catalog)]
    given = Given(user, item, time, joined, *paths[:2])
    word = data.name if isinstance(data, PreparedData) else str(Path(data).expanduser())
    chosen, others = (all_names(methods, LOSSES) if methods else () for methods in (losses, own))
    require_methods(backbone, (*chosen, *others))
    files, classes = own_code((*chosen, *others), (backbone,), {}, jobs)
    dataset = prepare_data(word, given, paths[2], console)
    request = BakeoffRequest(
        dataset=dataset,
        backbone=backbone,
        losses=chosen,
        budget=seconds_of(str(budget)),
        launch=LaunchOptions(jobs=jobs, device=device),
        own=others,
        imports=files,
        classes=classes,
    )
    more = {"users": users, "items": items, "catalog": catalog}
    named = {"user": user, "item": item, "time": time, "feedback": joined, "budget": budget, "backbone": backbone}
    named |= {name: str(path) for name, path in more.items() if path is not None}
    command = _bakeoff_command(request, word, named)
    return Answer(conclude(request, Invocation(own_store(), console, command)))


def _bakeoff_command(request: BakeoffRequest, word: str, named: Mapping[str, object]) -> str:
    """Return the command that asks the same, or where it lacks the user's classes, the call."""
    if request.classes:
        more = {"losses": request.losses, "own": request.own, "device": request.launch.device}
        return python_call("bakeoff", word, request.classes, **named, **more)
    words = options(
        **named,
        jobs=request.jobs,
        losses=",".join(request.losses),
        device=request.launch.device,
        **{"import": request.imports},
    )
    return shlex.join(["recbench", "bakeoff", word, *words])
