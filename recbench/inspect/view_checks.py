"""What the views of every loss must hold to."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.backbones.base import evaluation_mode
from recbench.batch import Batch
from recbench.inspect.loss_trial import InapplicableError, Trial, require
from recbench.training.model import Model


def views(trial: Trial) -> None:
    """Views drawn from one seed are equal, random ones from another differ, and each has its shape."""
    data = trial.data()
    if not len(trial.model(data).loss.views):
        raise InapplicableError("it asks for no views")
    for backbone in trial.backbones:
        model = trial.model(data, backbone)
        first, same, other = (_views(model, trial.batch, seed) for seed in (1, 1, 2))
        for number, (vectors, view) in enumerate(zip(first, model.loss.views, strict=True)):
            random = bool(view.random)
            where = f"with {backbone}, view {number}"
            count = len(data.users) + len(data.items) if view.complete else len(vectors)
            expected = "[users + items, K, D]" if view.complete else "[items, K, D]"
            shape = (count, model.loss.towers)
            require(tuple(vectors.shape[:2]) == shape, f"{where}: {list(vectors.shape)} is not {expected}")
            require(torch.equal(vectors, same[number]), f"{where}: differs between two draws from one seed")
            drawn = not torch.equal(vectors, other[number])
            require(drawn or not random, f"{where}: is `random` and does not depend on torch's global generator")
            require(random or not drawn, f"{where}: is drawn at random, so set `random = True`")


def _views(model: Model, batch: Batch, seed: int) -> list[Tensor]:
    """Return the vectors of all views as they are drawn from a seed, for an epoch and a batch."""
    torch.manual_seed(seed)
    model.start_epoch(1)
    with evaluation_mode(model.backbone):  # whose own dropout is no part of a view
        return [view.vectors.detach() for view in model.loss.encode(model.backbone, batch).views]
