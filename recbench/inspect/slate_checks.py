"""The check of what a sampler says of its batches."""

from __future__ import annotations

import torch

from recbench.inspect.loss_trial import Trial, require


def slates(trial: Trial) -> None:
    """The batches carry what the sampler says that it gives."""
    batch, log = trial.batch, trial.data().train
    gives = trial.model().loss.sampler.gives
    label = batch.label.amax(-1) > 0
    counts = torch.ones_like(label) if batch.mask is None else batch.mask
    if "row" in gives:
        same = batch.row is not None and torch.equal(log.user[batch.row].long(), batch.user)
        require(same, "it gives `row`, and `Batch.row` is not the training row of each slate's user")
    if "positive first" in gives:
        require(bool(label[:, 0].all()), "it gives `positive first`, and the first slot of a slate is no positive")
    if "negatives" in gives:
        require(bool((counts & ~label).any(1).all()), "it gives `negatives`, and a slate has none")
    if "catalogue" in gives:
        items = torch.arange(trial.data().items.seen)[None]
        whole = batch.pairs is not None and torch.equal(batch.item, items)
        require(whole, "it gives `catalogue`, and a slate is not that of all items of train with feedback as pairs")
    if "lists" in gives:
        require(bool((counts.sum(1) > 1).any()), "it gives `lists`, and every slate is of one row")
