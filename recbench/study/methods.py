"""Which losses fit data and backbones, where several are named, or `all`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses.base import LOSSES
from recbench.results.record import method_name
from recbench.results.store import Store
from recbench.run.train_command import TrainRequest, complete, keys_of
from recbench.study.fair import corner_trials, equal_terms
from recbench.terminal import print_line
from recbench.training.train import Training, is_complete

ALL = "all"  # stands for every loss that fits


@dataclass(frozen=True)
class MethodsRequest:
    """What a command says of several methods."""

    losses: tuple[str, ...]  # names, or "all"
    backbones: tuple[str | None, ...]  # None: the preset's, or `twintower`
    common: TrainRequest  # of all runs; its loss and backbone are ignored
    fair: bool = False  # every method with a learned scale and bias, and the settings best on validation
    trials: int | None = None  # of each method, of what `fair` searches; None: of the learning rate alone
    grid: tuple[str, ...] = ()  # other values of that, and further settings


def chosen_losses(names: tuple[str, ...], option: str = "--loss") -> list[str]:
    """Return the losses that an option names, `all` standing for every one; raises UsageError if there is none."""
    if not names:
        raise UsageError(f"{option}: expected names joined by commas, as in gnolr,bce; see `recbench list losses`")
    if ALL in names and len(names) > 1:
        raise UsageError(f"{option} {','.join(names)}: `all` stands for every loss; leave out the others")
    return LOSSES.names() if names == (ALL,) else list(names)


def fitting_methods(
    request: MethodsRequest, data: Dataset, store: Store, sources: Mapping[str, str], console: Console
) -> list[TrainRequest]:
    """Return the completed requests of all methods, backbone by backbone.

    Of the losses `all`, those that cannot be trained are listed with the reason and left out. Raises UsageError for a
    pair named by the user that cannot work, and if nothing is left.
    """
    losses = chosen_losses(request.losses)
    requests: list[TrainRequest] = []
    skipped: dict[str, list[str]] = {}  # reason → methods
    device = data.train.user.device
    for backbone in request.backbones:
        for loss in losses:
            one = complete(replace(request.common, loss=loss, backbone=backbone))
            try:
                _check(_examples(one, request), data, store, device, sources)
            except UsageError as error:
                if request.losses != (ALL,):
                    raise
                skipped.setdefault(str(error), []).append(method_name(loss, str(one.backbone)))
            else:
                requests.append(one)
    if not requests:
        raise UsageError(f"no loss fits: {max(skipped, key=lambda reason: len(skipped[reason]))}")
    for reason, names in skipped.items():
        print_line(console, f"left out: {', '.join(names)}: {reason}")
    return requests


def _examples(one: TrainRequest, request: MethodsRequest) -> list[TrainRequest]:
    """Return a completed request as it will be trained, at the ends of what is searched."""
    if not request.fair:
        return [one]
    return corner_trials(equal_terms(one), request.trials, request.grid, request.common.settings)


def _check(
    examples: Sequence[TrainRequest], data: Dataset, store: Store, device: torch.device, sources: Mapping[str, str]
) -> None:
    """Raise UsageError for settings that cannot work, and for a first example that cannot be trained on these data."""
    key, *_ = [keys_of(one, data, device.type, sources)[0] for one in examples]
    if not is_complete(key, store):
        Training(key, data.narrow(key.feedback))
