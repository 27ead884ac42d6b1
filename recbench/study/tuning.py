"""The search that `--fair` gives every method in `train` and `reproduce`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from recbench.errors import TrainingError
from recbench.results.record import method_name
from recbench.results.sweeps import best_trials
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest
from recbench.study.fair import equal_terms, with_point
from recbench.study.launchers.base import LaunchOptions
from recbench.study.runs_display import RunsDisplay
from recbench.study.sweep import SweepRequest, sweep_all


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
