"""Runs trained side by side, each of which stays an ordinary run: its key, batches, epochs, checkpoint and record."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from torch import Tensor

from recbench.data.dataset import Dataset
from recbench.results.number_words import clock
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.terminal import print_line
from recbench.trackers.base import Track
from recbench.training.epoch import EpochPass, TrainedEpoch
from recbench.training.model import Model
from recbench.training.random_numbers import RandomNumbers
from recbench.training.side_by_side import SideBySide
from recbench.training.train import Saved, Training
from recbench.training.training_display import rate_in_words

SAY_EVERY = 2.0  # seconds between lines about a group


class Lane:
    """A run that trains beside others, with random numbers of its own, until it has its record or fails.

    What is wrong with one lane is kept as its error and ends it alone. Raises UsageError if the run cannot work.
    """

    def __init__(
        self, key: RunKey, data: Dataset, store: Store, saved: Saved | None = None, track: Sequence[Track] = ()
    ) -> None:
        self.key = key
        self.folder = store.folder(key)
        self.training = Training(key, data, saved, track)
        self.random = RandomNumbers()
        self.error: Exception | None = None

    @property
    def model(self) -> Model:
        """Its model."""
        return self.training.model

    @property
    def epochs(self) -> int:
        """Epochs that it has done."""
        return self.training.state.epochs

    @contextmanager
    def own(self) -> Iterator[None]:
        """Do what concerns this lane alone: with its own random numbers, and so that an error ends it alone."""
        with self.random.in_use(), self.failing_alone():
            yield

    @contextmanager
    def failing_alone(self) -> Iterator[None]:
        """Do what draws no random numbers, so that an error ends this lane alone; at every step it has to be quick."""
        try:
            yield
        except Exception as error:  # whatever is wrong with one run, the others continue
            self.error = error


class Pass(EpochPass):
    """The way of a lane through the batches of an epoch, which are the same as alone."""

    def __init__(self, lane: Lane, number: int) -> None:
        training = lane.training
        super().__init__(training.step, training.data, training.schedule, lane.key.seed, number)
        self.lane = lane
        self._coming = iter(self)
        self.batch = next(self._coming, None)  # that comes next, None after the last

    def go_on(self, loss: Tensor) -> None:
        """Take the loss of a step, and go on to the next batch; one that has failed goes on with what it has become."""
        if self.batch is None:
            return
        self.batch = next(self._coming, None)
        if self.lane.error is None:
            with self.lane.failing_alone():
                self.losses.add(loss)


class Group:
    """Lanes that have done as many epochs as each other, with their tensors side by side."""

    def __init__(self, lanes: list[Lane]) -> None:
        self.lanes = lanes
        self.together: SideBySide | None = None

    def train_until_validation(self, silent: Console) -> None:
        """Train the lanes until all are validated and have their checkpoint."""
        began, count = time.perf_counter(), len(self.lanes)
        trained: dict[Lane, list[TrainedEpoch]] = {lane: [] for lane in self.lanes}
        for number in self.lanes[0].training.next_epochs:
            for lane, epoch in self._epoch(number):
                trained[lane].append(epoch)
        for lane in self.alive:
            with lane.own():
                training = lane.training
                training.state.together = max(training.state.together, count)
                training.step.notes[:] = self.together.notes if self.together else []
                training.validate(trained[lane], began, training.display(silent))
                training.save_progress(lane.folder)

    @property
    def alive(self) -> list[Lane]:
        """Those that have not failed."""
        return [lane for lane in self.lanes if lane.error is None]

    def _epoch(self, number: int) -> Iterator[tuple[Lane, TrainedEpoch]]:
        """Train an epoch and yield what came of it for those that have not failed, which share the time equally."""
        started = time.perf_counter()
        passes: list[Pass] = []
        for lane in self.alive:
            with lane.own():
                passes.append(Pass(lane, number))
        if passes:
            self._train(passes)
        seconds = (time.perf_counter() - started) / max(1, len(passes))
        for each in passes:
            if each.lane.error is None:
                with each.lane.own():
                    loss = each.losses.mean_of_epoch()
                    yield each.lane, TrainedEpoch(loss, seconds, each.slots)

    def _train(self, passes: Sequence[Pass]) -> None:
        """Make all steps of an epoch, one of each lane at a time."""
        models, first = [each.lane.model for each in passes], [each.batch for each in passes if each.batch is not None]
        if self.together is None or not self.together.fits(models, first):
            self.together = None
            gc.collect()  # models side by side and their graph refer to each other, and hold memory of the GPU
            self.together = SideBySide(models, first, [each.lane.random for each in passes])
        together = self.together
        together.start_steps()
        while any(each.batch is not None for each in passes):
            losses = together.step([each.batch for each in passes])
            for each, loss in zip(passes, losses.unbind(), strict=True):
                each.go_on(loss)
        for model in models:
            model.end_epoch()


def train_lanes(
    lanes: Sequence[Lane], store: Store, console: Console, *, imports: list[str], command: str
) -> Iterator[Lane]:
    """Train runs side by side and yield each as it ends: with its record in the store, or with its error.

    Those that are behind, as after a crash that not all survived alike, catch up first. A checkpoint of each is
    written after every validation, so that the same runs go on from there, side by side or alone.
    """
    going = list(lanes)
    try:
        yield from _ended(going, store, console, imports, command)
    finally:
        for lane in lanes:
            lane.training.tracking.close()


def _ended(going: list[Lane], store: Store, console: Console, imports: list[str], command: str) -> Iterator[Lane]:
    """Yield lanes as they end, which are taken out of those that are going on."""
    silent = Console(quiet=True)
    for lane in going:
        with lane.own():
            lane.training.begin(store, silent)
    said, group = time.perf_counter(), None
    while True:
        for lane in [lane for lane in going if lane.error is not None or not lane.training.selecting]:
            if lane.error is None:
                with lane.own():
                    lane.training.finish(store, silent, imports, command)
            going.remove(lane)
            yield lane
        if not going:
            return
        done = min(lane.epochs for lane in going)
        alike = [lane for lane in going if lane.epochs == done]
        if group is None or group.lanes != alike:
            group = Group(alike)
        began = time.perf_counter()
        group.train_until_validation(silent)
        if group.alive and time.perf_counter() - said > SAY_EVERY:
            said = time.perf_counter()
            print_line(console, _line(group.alive, said - began))


def _line(group: Sequence[Lane], seconds: float) -> str:
    """Return what is said of a group after a validation."""
    first = group[0].training
    epochs = [lane.training.state.curve[-1] for lane in group]
    losses, metrics = [epoch["loss"] for epoch in epochs], [epoch["metric"] for epoch in epochs]
    done, most, count = first.state.epochs, first.schedule.epochs, len(first.next_epochs) or 1
    pace = rate_in_words(sum(lane.training.rows for lane in group) * count / seconds)
    left = f", at most {clock((most - done) * seconds / count)} left" if done < most else ""
    return (
        f"  {len(group)} runs of {first.key.method} side by side, epoch {done}/{most}: loss {_span(losses)}, "
        f"valid {first.validation.label} {_span(metrics)}, {pace}{left}"
    )


def _span(values: Sequence[float]) -> str:
    """Return the smallest and the largest of some numbers."""
    low, high = f"{min(values):.4f}", f"{max(values):.4f}"
    return low if low == high else f"{low} to {high}"
