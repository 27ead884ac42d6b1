"""One pass over the training rows, and the losses of its steps, which stay on the device until they are read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.errors import TrainingError
from recbench.samplers.base import weighted
from recbench.training.captured_step import Step
from recbench.training.optimizer import set_rates
from recbench.training.schedule import Schedule
from recbench.training.training_display import TrainingDisplay

BLOCK = 100  # losses that are added up at a time, so that the sum does not depend on when they are read
READ_EVERY = {"cpu": 0.2, "cuda": 5.0}  # seconds; to read is to wait for the device
SHOW_EVERY = 0.2  # seconds between changes of the live display


class StepLosses:
    """Collects the loss of each step of an epoch, and reads them every few seconds."""

    def __init__(self, epoch: int, device: torch.device) -> None:
        self.epoch = epoch
        self.seconds = READ_EVERY[device.type]
        self.read_at = time.perf_counter()
        self.total, self.steps = 0.0, 0  # of whole blocks that have been read
        self._unread: list[Tensor] = []
        self._rest = torch.zeros(0)  # read, of the block that is not yet whole

    @property
    def mean(self) -> float | None:
        """The mean of those that have been read; None if none has."""
        steps = self.steps + len(self._rest)
        return (self.total + float(self._rest.double().sum())) / steps if steps else None

    def add(self, loss: Tensor) -> None:
        """Take the loss of the next step, a scalar, and read all if it is time to.

        Raises TrainingError, naming the first step whose loss is not finite, once that is read.
        """
        self._unread.append(loss)
        if time.perf_counter() - self.read_at > self.seconds:
            self.read()

    def read(self) -> None:
        """Read what has not been read; raises as `add` does."""
        self.read_at = time.perf_counter()
        if not self._unread:
            return
        values = torch.stack(self._unread).cpu()
        self._unread.clear()
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            step = self.steps + len(self._rest) + 1 + int(bad[0, 0])
            raise TrainingError(
                f"the loss became {float(values[bad[0, 0]])} at step {step} of epoch {self.epoch}; "
                f"try a lower --lr, a smaller loss.scale, or loss.logit=learned"
            )
        for block in torch.cat([self._rest, values]).split(BLOCK):
            self._rest = block
            if len(block) == BLOCK:
                self.total += float(block.double().sum())
                self.steps += BLOCK
                self._rest = block[:0]

    def mean_of_epoch(self) -> float:
        """Read the rest and return the mean over all steps; raises as `add` does."""
        self.read()
        if len(self._rest):
            self.total += float(self._rest.double().sum())
            self.steps += len(self._rest)
            self._rest = self._rest[:0]
        return self.total / self.steps


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
