"""Models of recbench and their steps, as the measurements of training time them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, count

import torch

from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES
from recbench.data.dataset import Dataset
from recbench.losses import base as losses
from recbench.losses.base import LOSSES
from recbench.samplers import base as samplers
from recbench.settings import prefixed, split_words
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule

Step = Callable[[], int]  # trains on a batch and returns its number of logged rows
USUAL = Schedule(lr=1e-3)


def untrained(data: Dataset, loss: str, backbone: str, words: Sequence[str] = (), schedule: Schedule = USUAL) -> Model:
    """A model with these settings, as in "loss.negatives=5", and the defaults besides."""
    own = split_words(list(words), ("loss", "backbone", "sampler"))
    values = (
        prefixed("loss", losses.resolve(LOSSES.get(loss), own["loss"]))
        | prefixed("backbone", backbones.resolve(BACKBONES.get(backbone), own["backbone"]))
        | prefixed("sampler", samplers.resolve(own["sampler"]))
    )
    return build(data, loss, backbone, values, seed=0, schedule=schedule)


def recbench_step(data: Dataset, model: Model, size: int) -> Step:
    """recbench's own sampler, backbone, loss and step, one epoch after another."""
    generator = torch.Generator().manual_seed(0)
    batches = chain.from_iterable(model.loss.sampler.batches(data, size, generator) for _ in count())

    def step() -> int:
        batch = next(batches)
        model.loss.step(model.backbone, batch, model.optimizer)
        return batch.rows

    return step
