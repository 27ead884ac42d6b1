"""One pass over the training rows."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import NamedTuple

import torch

from recbench.data.dataset import Dataset
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


def train_epoch(
    step: Step, data: Dataset, schedule: Schedule, seed: int, number: int, display: TrainingDisplay
) -> TrainedEpoch:
    """Train the model of `step` for the epoch of that number, counted from 1, on batches that seed and number decide.

    Raises TrainingError if the loss becomes infinite.
    """
    model, device = step.model, data.train.user.device
    generator = generator_of(seed, number, device)
    model.backbone.train()
    model.loss.train()
    model.start_epoch(number)
    step.start_epoch()
    started = shown = time.perf_counter()
    losses = StepLosses(number, device)
    slots, rows = 0, 0
    rows_of_epoch = 0 if schedule.constant_rate else model.loss.sampler.rows(data)
    for batch in model.loss.sampler.batches(data, schedule.batch_size, generator):
        if rows_of_epoch:
            before, after = rows / rows_of_epoch, (rows + batch.rows) / rows_of_epoch
            set_rates(model.optimizer, schedule.rate_factor(number - 1 + before, number - 1 + after))
        losses.add(step(batch))
        slots += batch.slots
        rows += batch.rows
        time_now = time.perf_counter()
        if time_now - shown > SHOW_EVERY:
            shown = time_now
            display.advance(number, rows, losses.mean, rows / (time_now - started))
    mean = losses.mean_of_epoch()
    model.end_epoch()
    return TrainedEpoch(mean, time.perf_counter() - started, slots)


def generator_of(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Return the generator of one epoch's batches, a function of (seed, epoch) alone."""
    digest = sha256(f"{seed}/{epoch}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
