"""The checks of what a loss says of itself: its source, its settings, its batches and its views."""

from __future__ import annotations

import inspect
import re

import torch
from torch import Tensor

from recbench.backbones.base import evaluation_mode
from recbench.batch import Batch
from recbench.inspect.loss_trial import InapplicableError, Trial, UnmetError, require
from recbench.study import search_space
from recbench.study.fair import space
from recbench.training.model import Model


def documented(trial: Trial) -> None:
    """The docstring names its source with a year, and every setting has a type and a default."""
    if not re.search(r"(19|20)\d\d", trial.loss.__doc__ or ""):
        raise UnmetError("say in the docstring which paper it is from: authors, year, equation")
    for parameter in inspect.signature(trial.loss.__init__).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if parameter.annotation is parameter.empty or parameter.default is parameter.empty:
            raise UnmetError(f"setting `{parameter.name}` needs a type and a default")


def searched(trial: Trial) -> None:
    """What `--fair --trials` tries of it are settings that it has, at both ends of every range."""
    name, backbone = trial.name, trial.backbone
    dimensions = search_space.parse(space([name], backbone), [name], backbone)
    learned = {"logit": "learned"} if trial.loss.reads_logits else {}
    for row in search_space.corners(dimensions):
        point = search_space.point(dimensions, row, name)
        words = {key.removeprefix("loss."): word for key, word in point.items() if key.startswith("loss.")}
        trial.model(words=words | learned)


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
