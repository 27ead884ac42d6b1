"""The search that `--fair` gives every method in `train` and `reproduce`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from recbench.errors import TrainingError
from recbench.results.record import method_name
from recbench.results.store import Store
from recbench.run.train_command import TrainRequest
from recbench.study.fair import BUDGET, equal_terms, with_best_rate
from recbench.study.launchers.base import LaunchOptions
from recbench.study.sweep import SweepRequest, sweep_all


def tuned(
    requests: Sequence[TrainRequest],
    common: TrainRequest,
    store: Store,
    console: Console,
    device: str,
    options: LaunchOptions,
    command: str,
) -> list[TrainRequest]:
    """Return completed requests on equal terms, each with the learning rate that is best on validation.

    There is a sweep for each backbone; `common` is what all their trials have in common beside loss and backbone.
    Raises TrainingError for a method of which every trial failed.
    """
    found: list[TrainRequest] = []
    for backbone in dict.fromkeys(one.backbone for one in requests):
        equal = {one.loss: equal_terms(one) for one in requests if one.backbone == backbone}
        searched = replace(common, backbone=backbone, seeds=common.seeds[:1])
        sweep = sweep_all(
            SweepRequest(tuple(equal), BUDGET, searched, fair=True), store, console, device, options, command
        )
        for loss, one in equal.items():
            if loss not in sweep.best:
                reason = next(trial.failed for trial in sweep.trials if trial.loss == loss and trial.failed)
                raise TrainingError(f"{method_name(loss, str(backbone))}: no learning rate works: {reason}")
            found.append(with_best_rate(one, sweep.best[loss]))
    return found
