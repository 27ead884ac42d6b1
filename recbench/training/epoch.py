"""One pass over the training rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers.base import weighted
from recbench.training.captured_step import Step
from recbench.training.optimizer import set_rates
from recbench.training.schedule import Schedule
from recbench.training.step_losses import StepLosses
from recbench.training.training_display import TrainingDisplay

SHOW_EVERY = 0.2  # seconds between changes of the live display


class TrainedEpoch(NamedTuple):
    """What came of one pass over the training rows."""

    loss: float  # mean over its steps
    seconds: float
    slots: int  # item slots seen


class EpochPass:
    """The way of a model through the batches of an epoch, which a seed and the number of the epoch decide.

    Iterating yields the batches, each once the learning rate of its step is set. Epochs are counted from 1.
    """

    def __init__(self, step: Step, data: Dataset, schedule: Schedule, seed: int, number: int) -> None:
        model = step.model
        model.start_epoch(number)
        step.start_epoch()
        self.model, self.data, self.schedule = model, data, schedule
        self.seed, self.number = seed, number
        self.losses = StepLosses(number, data.train.user.device)
        self.rows, self.slots = 0, 0  # of the batches so far, the last one included

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        sampler, schedule, done = self.model.loss.sampler, self.schedule, self.number - 1
        generator = generator_of(self.seed, self.number, self.data.train.user.device)
        rows_of_epoch = 0 if schedule.constant_rate else sampler.rows(self.data)
        for batch in sampler.batches(self.data, schedule.batch_size, generator):
            before = self.rows
            self.rows += batch.rows
            self.slots += batch.slots
            if rows_of_epoch:
                factor = schedule.rate_factor(done + before / rows_of_epoch, done + self.rows / rows_of_epoch)
                set_rates(self.model.optimizer, factor)
            yield weighted(batch, self.data.train)


def train_epoch(
    step: Step, data: Dataset, schedule: Schedule, seed: int, number: int, display: TrainingDisplay
) -> TrainedEpoch:
    """Train the model of `step` for the epoch of that number, counted from 1, on batches that seed and number decide.

    Raises TrainingError if the loss becomes infinite.
    """
    epoch = EpochPass(step, data, schedule, seed, number)
    started = shown = time.perf_counter()
    for batch in epoch:
        epoch.losses.add(step(batch))
        time_now = time.perf_counter()
        if time_now - shown > SHOW_EVERY:
            shown = time_now
            display.advance(number, epoch.rows, epoch.losses.mean, epoch.rows / (time_now - started))
    mean = epoch.losses.mean_of_epoch()
    step.model.end_epoch()
    return TrainedEpoch(mean, time.perf_counter() - started, epoch.slots)


def generator_of(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Return the generator of one epoch's batches, a function of (seed, epoch) alone."""
    digest = sha256(f"{seed}/{epoch}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
