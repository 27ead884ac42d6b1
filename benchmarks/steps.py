"""Models of recbench and their steps, as the measurements of training time them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count

import torch
from torch import Tensor

from recbench.backbones import base as backbones
from recbench.backbones.base import BACKBONES
from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError
from recbench.losses import base as losses
from recbench.losses.base import LOSSES
from recbench.samplers import base as samplers
from recbench.settings import prefixed, split_words
from recbench.training.allocator import keep_freed_memory
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule
from recbench.training.side_by_side import SideBySide

Step = Callable[[], int]  # trains on a batch and returns its number of logged rows
USUAL = Schedule(lr=1e-3)


def on_one_thread(name: str) -> Dataset:
    """A prepared dataset, to be trained on by one thread; ends the process with a line where it is not prepared."""
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        return Dataset.load(find_prepared(name))
    except UsageError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def epoch_seconds(step: Step, rows: int, seconds: float) -> float:
    """Processor time of an epoch of so many rows, by the steps of so many seconds of it."""
    began, done = time.process_time(), 0
    while time.process_time() - began < seconds:
        done += step()
    return (time.process_time() - began) * rows / done


def untrained(data: Dataset, loss: str, backbone: str, words: Sequence[str] = (), schedule: Schedule = USUAL) -> Model:
    """A model with these settings, as in "loss.negatives=5", and the defaults besides."""
    own = split_words(list(words), ("loss", "backbone", "sampler"))
    values = (
        prefixed("loss", losses.resolve(LOSSES.get(loss), own["loss"]))
        | prefixed("backbone", backbones.resolve(BACKBONES.get(backbone), own["backbone"]))
        | prefixed("sampler", samplers.resolve(own["sampler"]))
    )
    return build(data, loss, backbone, values, seed=0, schedule=schedule)


def recbench_step(data: Dataset, model: Model, size: int, make: Callable[[Batch], Tensor] | None = None) -> Step:
    """recbench's own sampler, backbone, loss and step, one epoch after another; `make` makes steps otherwise."""
    batches = _endless(data, model, size, seed=0)

    def step() -> int:
        batch = next(batches)
        (make or model.update)(batch)
        return batch.rows

    return step


class LanesStep:
    """The steps of several models side by side, each on batches of its own; called, it makes one of all."""

    def __init__(self, data: Dataset, models: Sequence[Model], size: int) -> None:
        self.sources = [_endless(data, model, size, seed) for seed, model in enumerate(models)]
        self.together = SideBySide(models, [next(source) for source in self.sources])

    def __call__(self) -> int:
        """Make a step of all and return the number of their logged rows."""
        batches = [next(source) for source in self.sources]
        self.together.step(batches)
        return sum(batch.rows for batch in batches)


def _endless(data: Dataset, model: Model, size: int, seed: int) -> Iterator[Batch]:
    generator = torch.Generator(data.train.user.device).manual_seed(seed)
    return chain.from_iterable(model.loss.sampler.batches(data, size, generator) for _ in count())
