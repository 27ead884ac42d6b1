"""`recbench sweep`: the same search for every loss, on validation alone; each trial is an ordinary run of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any, Literal

import torch
from rich.console import Group, RenderableType
from rich.text import Text

from recbench import settings
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError, counted
from recbench.results import sweeps
from recbench.results.json_structs import encode
from recbench.results.number_table import NumberTable
from recbench.results.number_words import mean_with_sd
from recbench.results.record import RunKey, RunRecord, now
from recbench.results.sweeps import Sweep, Trial, best_trials
from recbench.run.how_to_train import train_command
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, complete, keys_of, own_sources, warn_of_counts
from recbench.study import fair
from recbench.study import search_space as space
from recbench.study.fair import equal_terms, without_own
from recbench.study.launchers.base import Finished, Launcher, LaunchOptions, Work, launch
from recbench.study.methods import ALL, MethodsRequest, chosen_losses, fitting_methods
from recbench.study.runs_display import RunsDisplay
from recbench.study.search_ends import ends_reached
from recbench.study.train_runs import run_missing
from recbench.terminal import print_line
from recbench.training.plan import non_default
from recbench.training.train import Training

Search = Literal["grid", "random", "optuna"]
Pair = tuple[str, space.Point]  # a loss and its point

TRIALS = 20  # of random and optuna
SEEDS = 5  # of the command to type in the end


@dataclass(frozen=True)
class SweepRequest:
    """The options of a `sweep` command."""

    losses: tuple[str, ...]
    grid: tuple[str, ...]
    common: TrainRequest  # of all trials; its `loss` is ignored
    search: Search = "grid"
    trials: int | None = None  # None: 20, or as many as the values of a grid make
    fair: bool = False  # a learned scale and bias for every loss that reads logits, and what else `fair` searches
    completed: Mapping[str, TrainRequest] | None = None  # loss → what its trials have in common, where that is known

    @property
    def searches_all(self) -> bool:
        """Whether this is `--fair --trials`, a search of all that a method has."""
        return self.fair and self.trials is not None


@dataclass(frozen=True)
class _Plan:
    """A sweep before anything is trained."""

    request: SweepRequest
    invocation: Invocation
    options: LaunchOptions
    data: Dataset
    target: torch.device
    sources: Mapping[str, str]
    common: Mapping[str, TrainRequest]  # loss → what all its trials have in common
    dimensions: Sequence[space.Dimension]

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.request.common.seeds

    def keys(self, loss: str, point: space.Point) -> list[RunKey]:
        """Return the keys of a point, one per seed."""
        common = self.common[loss]
        request = replace(common, settings=(*common.settings, *settings.typed_words(point)))
        return keys_of(request, self.data, self.target.type, self.sources)

    def takes(self, loss: str, point: space.Point) -> bool:
        """Return whether a loss takes the settings of a point, whether or not they are searched."""
        try:
            return bool(self.keys(loss, point))
        except UsageError:
            return False

    def common_key(self, loss: str) -> RunKey:
        """Return a key of what all trials of a loss have in common: with nothing of what is searched, if that can be.

        It cannot where a setting needs one that is searched, as `l2_of` needs an `l2`; then with the first values.
        """
        try:
            return self.keys(loss, {})[0]
        except UsageError:
            return self.keys(loss, space.point(self.dimensions, space.corners(self.dimensions)[0], loss))[0]

    def pairs(self, rows: Sequence[space.Row]) -> list[Pair]:
        """Return what each row means for each loss, the losses of one row side by side."""
        return [(loss, space.point(self.dimensions, row, loss)) for row in rows for loss in self.common]


def sweep_all(
    request: SweepRequest, invocation: Invocation, options: LaunchOptions, display: RunsDisplay | None = None
) -> Sweep:
    """Search the settings of every loss and keep the result in `sweeps/<digest>.json`.

    Runs that have a record are not trained again, so the same command continues where it was stopped. The test rows
    are not read. `display` counts the runs of several searches. Raises UsageError for whatever cannot work, before
    anything is trained.
    """
    if request.searches_all and request.search == "grid":
        request = replace(request, search="random")
    store, console = invocation.store, invocation.console
    plan = _plan(request, invocation, options)
    count, pairs = _points(plan)
    runs = len({key.digest for pair in pairs for key in plan.keys(*pair)}) or count * len(plan.common) * len(plan.seeds)
    points = {
        loss: len({tuple(point.items()) for name, point in pairs if name == loss}) or count for loss in plan.common
    }
    shares = ", ".join(f"{loss} ({counted(number, 'point')})" for loss, number in points.items())
    title = f"sweep on {plan.data.full_name}: {shares}, {counted(runs, 'run')}"
    print_line(console, title)
    warn_of_counts(plan.data, console)
    imports = tuple(map(str, request.common.imports))
    work = Work(store.root, str(plan.target), imports, invocation.command, launch=options)
    with launch(work, plan.data, console) as launcher, display or RunsDisplay(console, runs) as shown:
        trials = _run(plan, launcher, shown, pairs) if pairs else _adapt(plan, launcher, shown, count)
    sweep = _conclude(plan, trials, count)
    sweeps.write(store, sweep)
    shared = [one for one in plan.dimensions if not (request.fair and one.loss)]  # what a user can search further
    for line in ends_reached(shared, sweep.trials, plan.takes):
        print_line(console, f"note: {line}")
    return sweep


def _plan(request: SweepRequest, invocation: Invocation, options: LaunchOptions) -> _Plan:
    sources = own_sources(request.common)
    here, target = options.devices()
    losses = chosen_losses(request.losses, "--losses")
    first = complete(replace(request.common, loss=losses[0]))
    data = Dataset.load(find_prepared(first.dataset), here)
    if request.losses == (ALL,):
        of_all = MethodsRequest(
            request.losses, (request.common.backbone,), request.common, request.fair, request.trials, request.grid
        )
        losses = [one.loss for one in fitting_methods(of_all, data, invocation.store, sources, invocation.console)]
    common = request.completed or {loss: complete(replace(request.common, loss=loss)) for loss in losses}
    if request.fair:
        common = {loss: equal_terms(completed) for loss, completed in common.items()}
    backbone, given = str(first.backbone), request.common.settings
    if request.fair:
        dimensions = fair.dimensions(list(common.values()), backbone, request.trials, request.grid, given)
    else:
        dimensions = space.parse(request.grid, list(common), backbone, given)
    return _Plan(request, invocation, options, data, target, sources, common, dimensions)


def _points(plan: _Plan) -> tuple[int, list[Pair]]:
    """Return how many points each loss gets, and all of them unless they depend on what earlier ones reach.

    Raises UsageError if a listed value, or an end of a range, cannot work for a loss.
    """
    search, trials = plan.request.search, plan.request.trials
    rows: list[space.Row] = []
    count = TRIALS if trials is None else trials
    if search == "grid":
        if trials is not None:
            raise UsageError(f"--trials {trials}: a grid has as many as its values make; add --search random or optuna")
        rows = space.grid(plan.dimensions)
        count = len(rows)
    elif search == "random":
        draw = space.draw_alike if plan.request.searches_all else space.draw
        rows = draw(plan.dimensions, count, plan.seeds[0])
    for pair in plan.pairs(space.corners(plan.dimensions)):
        key = plan.keys(*pair)[0]
        Training(key, plan.data.narrow(key.feedback))
    if not plan.request.searches_all:
        return count, plan.pairs(rows)
    return count, [
        (loss, point if number % 2 else without_own(loss, point))
        for number, row in enumerate(rows)
        for loss, point in plan.pairs([row])
    ]


def _run(plan: _Plan, launcher: Launcher, display: RunsDisplay, pairs: Sequence[Pair]) -> list[Trial]:
    """Train what is not yet trained of these points and return a trial for each, equal ones once."""
    keys = {(loss, *settings.typed_words(point)): plan.keys(loss, point) for loss, point in pairs}
    shown = {key.digest: words for (_, *words), group in keys.items() for key in group}
    every = [key for group in keys.values() for key in group]
    runs = run_missing(every, shown, plan.invocation.store, launcher, display)
    return [_trial(loss, words, [runs[key.digest] for key in group]) for (loss, *words), group in keys.items()]


def _adapt(plan: _Plan, launcher: Launcher, display: RunsDisplay, count: int) -> list[Trial]:
    """Propose a point for each loss after what its earlier ones reached, `count` times.

    All losses move in step, so what is proposed does not depend on the number of processes.
    """
    estimators = {loss: space.Estimator(plan.dimensions, loss, plan.seeds[0]) for loss in plan.common}
    trials: dict[tuple[str, ...], Trial] = {}
    for _ in range(count):
        for trial in _run(plan, launcher, display, [(loss, estimator.ask()) for loss, estimator in estimators.items()]):
            estimators[trial.loss].tell(trial.valid)
            trials[trial.loss, *trial.words] = trial
    return list(trials.values())


def _trial(loss: str, words: list[str], finished: Sequence[Finished]) -> Trial:
    runs = [run.key.digest for run in finished]
    records = [run for run in finished if isinstance(run, RunRecord)]
    seconds = sum(record.seconds for record in records)
    for run in finished:
        if not isinstance(run, RunRecord):
            return Trial(loss, words, runs, "", None, None, seconds, run.reason)
    values = [record.valid for record in records]
    return Trial(loss, words, runs, records[0].select, fmean(values), stdev(values) if values[1:] else None, seconds)


def _conclude(plan: _Plan, trials: Sequence[Trial], count: int) -> Sweep:
    place = {loss: number for number, loss in enumerate(plan.common)}
    ranked = sorted(trials, key=lambda trial: (place[trial.loss], trial.valid is None, -(trial.valid or 0)))
    first = best_trials(ranked)
    best = {loss: plan.keys(loss, first[loss].point)[0] for loss in plan.common if loss in first}
    without_search = {loss: plan.common_key(loss) for loss in plan.common}
    return Sweep(
        title=f"{next(iter(without_search.values())).backbone} on {plan.data.full_name}",
        groups={loss: key.group for loss, key in without_search.items()},
        grid=[str(dimension) for dimension in plan.dimensions],
        search=plan.request.search,
        count=count,
        seeds=list(plan.seeds),
        trials=ranked,
        best={loss: settings.typed_words(non_default(key)) for loss, key in best.items()},
        commands={
            loss: train_command(
                key,
                non_default(key),
                plan.request.common.imports,
                seed=key.seed,
                seeds=max(SEEDS, len(plan.seeds)),
                device=plan.options.device,
            )
            for loss, key in best.items()
        },
        command=plan.invocation.command,
        finished=now(),
    )


def sweep_table(sweep: Sweep) -> RenderableType:
    """Return one table per loss, its trials ranked by the validation metric."""
    parts: list[RenderableType] = []
    for loss in sweep.groups:
        trials = [trial for trial in sweep.trials if trial.loss == loss]
        select = next((trial.select for trial in trials if trial.select), "metric")
        table = NumberTable(show_edge=True)
        table.add_column("rank", justify="right")
        table.add_column("settings", overflow="fold")
        table.add_column(f"valid {select}", justify="right", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        for rank, trial in enumerate(trials, 1):
            value = "failed" if trial.valid is None else mean_with_sd(trial.valid, trial.sd)
            table.add_row(
                "–" if trial.valid is None else str(rank), " ".join(trial.words), value, f"{trial.seconds:.1f}"
            )
        parts += [Text(f"{loss} × {sweep.title}", style="bold"), table]
        reasons = Counter(trial.failed for trial in trials if trial.failed)
        parts += [Text(f"{count} failed: {reason}") for reason, count in reasons.items()]
    return Group(*parts)


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep as it is recorded, with its digest."""
    return {"sweep": sweep.digest, **encode(sweep)}
