"""A budget of time, and how many epochs, learning rates and seeds fit into it: a few steps of each contestant say."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import torch
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.results.number_words import duration
from recbench.results.record import RunKey
from recbench.terminal import print_line
from recbench.training.train import Training

FOR_TRAINING = 0.6  # of the budget
FOR_BASELINES = 0.25
FOR_EVALUATION = 0.15
STEPS = 6  # that are timed, after one that is not
MOST_EPOCHS = 20
FULL_EPOCHS = 8  # that a pass should have before there are more passes
RATES = ("0.02", "0.005", "0.05")  # learning rates, in the order in which they are tried
# Learning rates and seeds, from the longest to the shortest. Two seeds say so little of how runs differ that hardly any
# difference would be shown among a dozen methods: the t distribution has one degree of freedom.
PROGRAMS = ((3, 3), (2, 3), (1, 3), (2, 1), (1, 1))


@dataclass(frozen=True)
class Clock:
    """A budget in seconds, which runs from when this is made."""

    budget: float
    console: Console  # where it says what begins
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.started

    def say(self, begins: str, seconds: float | None = None) -> None:
        """Print how much of the budget is spent, what begins, and about how many seconds that takes, if known."""
        takes = "" if seconds is None else f", about {duration(seconds)}"
        print_line(self.console, f"{duration(self.elapsed)} of {duration(self.budget)}: {begins}{takes}")


@dataclass(frozen=True)
class Program:
    """What every contestant gets, the same for all."""

    epochs: int
    rates: tuple[str, ...]
    seeds: int
    ample: float  # budget in seconds that would be enough for FULL_EPOCHS epochs, two learning rates and three seeds
    left_out: tuple[str, ...] = ()  # digests of contestants' keys for which the budget is too small
    costs: dict[str, float] = field(default_factory=dict)  # seconds of an epoch by the digest of a contestant's key
    schema: int = 1

    def within(self, done: int, further: int) -> Program:
        """Return the longest program of these epochs that `further` passes finish.

        `done` learning rates have been tried; the first seed of the best of them needs no pass of its own.
        """
        for rates, seeds in PROGRAMS:
            if done <= rates and rates + seeds - 1 - done <= further:
                return replace(self, rates=RATES[:rates], seeds=seeds)
        return replace(self, rates=RATES[:done], seeds=1)


def epoch_seconds(key: RunKey, data: Dataset) -> float:
    """Return about how long an epoch of a run takes, validation included, from a few steps of it."""
    training = Training(key, data.narrow(key.feedback))
    model, sampler = training.model, training.model.loss.sampler
    generator = torch.Generator(data.train.user.device).manual_seed(0)
    model.start_epoch(1)
    rows = 0
    started = time.perf_counter()
    for number, batch in enumerate(
        islice(sampler.batches(training.data, training.schedule.batch_size, generator), STEPS + 1)
    ):
        if number == 1:
            started, rows = time.perf_counter(), 0
        model.loss.step(model.backbone, batch, model.optimizer)
        rows += batch.rows
    seconds = (time.perf_counter() - started) * training.rows / max(rows, 1)
    began = time.perf_counter()
    training.validation(model)
    return seconds + time.perf_counter() - began


def fit_program(costs: Mapping[str, float], budget: float, jobs: int) -> Program:
    """Return the longest program whose passes fit into the budget, in seconds, if no run stops early.

    `costs` are the seconds of an epoch of each contestant, by the digest of its key. Where not even one epoch of each
    fits, the dearest are left out.
    """
    available = budget * FOR_TRAINING * jobs
    kept = dict(sorted(costs.items(), key=lambda cost: cost[1]))
    left_out = []
    while len(kept) > 1 and sum(kept.values()) > available:
        digest, _ = kept.popitem()
        left_out.append(digest)
    of_epoch = sum(kept.values())
    for rates, seeds in PROGRAMS:
        passes = rates + seeds - 1
        epochs = min(MOST_EPOCHS, int(available / (passes * of_epoch)))
        if epochs >= FULL_EPOCHS or passes == 1:
            break
    epochs = max(1, epochs)
    ample = 4 * FULL_EPOCHS * sum(costs.values()) / jobs / FOR_TRAINING
    return Program(epochs, RATES[:rates], seeds, ample, tuple(left_out), dict(costs))


def passes_of(program: Program) -> Sequence[str]:
    """Return the passes over all contestants in words, for the line that announces them."""
    rates = f"{len(program.rates)} learning rates" if len(program.rates) > 1 else f"learning rate {program.rates[0]}"
    seeds = f"{program.seeds} seeds" if program.seeds > 1 else "one seed"
    epochs = f"at most {program.epochs} epochs" if program.epochs > 1 else "one epoch"
    return epochs, rates, seeds
