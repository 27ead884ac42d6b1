"""The one training loop: epochs, validation, early stopping, checkpoints, a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import DataError, UsageError
from recbench.memory import peak
from recbench.own_files import counted_paths
from recbench.results.code_version import checkout, versions
from recbench.results.record import SCHEMA_OF_LANES, Epoch, RunKey, RunRecord, now
from recbench.results.store import Store
from recbench.terminal import print_line
from recbench.trackers.base import Track, TrackedRun
from recbench.training import checkpoint
from recbench.training.allocator import keep_freed_memory
from recbench.training.captured_step import make_step
from recbench.training.distributed.evaluation import validate
from recbench.training.distributed.training import check_agreement, notes_of, share_out, why_not
from recbench.training.epoch import TrainedEpoch, generator_of, train_epoch
from recbench.training.model import Model, build, check_gradient, why_no_row_weights
from recbench.training.plan import non_default
from recbench.training.ranks import current
from recbench.training.schedule import Schedule
from recbench.training.tracking import Tracking
from recbench.training.training_display import TrainingDisplay
from recbench.training.validate import Validation

PROGRESS = "progress.safetensors"
WEIGHTS = "weights.safetensors"
LOCK = "lock"  # beside the record of a run that a process is training

Saved = Callable[[RunKey, Path], None]  # what is told of every checkpoint of a run


@dataclass
class TrainingState:
    """What a run has reached."""

    curve: list[Epoch] = field(default_factory=list)  # of the validated epochs
    best: dict[str, Any] = field(default_factory=dict)  # weights of the best epoch
    best_epoch: int = 0
    refitted: int = 0  # epochs done on train and validation rows together
    refit_seconds: float = 0.0
    refit_slots: int = 0
    together: int = 1  # most runs that were trained side by side, this one included

    @property
    def valid(self) -> float:
        """Validation metric of the best epoch."""
        return next(epoch["metric"] for epoch in self.curve if epoch["epoch"] == self.best_epoch)

    @property
    def epochs(self) -> int:
        """Epochs done to find the best one."""
        return self.curve[-1]["epoch"] if self.curve else 0


class Training:
    """A run on its way to a record: its key, data, schedule and model, and what it has reached.

    `data` has the key's feedback only; `saved` is called with the key and the path of every checkpoint; `track` says
    what shows the run elsewhere.
    Raises UsageError if all this cannot work together; until `run`, nothing is written.
    """

    def __init__(self, key: RunKey, data: Dataset, saved: Saved | None = None, track: Sequence[Track] = ()) -> None:
        self.key = key
        self.saved = saved
        self.ranks = current()
        self.schedule = Schedule.of(key.settings)
        self.validation = Validation(data, self.schedule.select)
        self.data = self.schedule.training(data, key.seed)
        self.model = self._new_model()
        if self.schedule.row_weights:
            reason = why_no_row_weights(self.model, self.data, self.schedule.batch_size)
            if reason is not None:
                raise UsageError(f"train.row_weights=true: {reason}; leave it out, or choose another loss or sampler")
        self.rows = self.model.loss.sampler.rows(self.data)  # of an epoch
        self.state = TrainingState()
        self.tracking = Tracking(track if self.ranks.first else ())

    def run(self, store: Store, console: Console, imports: list[str], command: str) -> RunRecord:
        """Train to the record, resuming after the last finished epoch; return what is written.

        Weights and record appear by rename. A run that has a record, and lost its weights, gets them back beside it.
        Raises TrainingError if the training rows hold nothing to learn from, or if the loss becomes infinite.
        """
        folder = store.folder(self.key)
        try:
            self.begin(store, console)
            with self.display(console) as display:
                while self.selecting:
                    began = time.perf_counter()
                    self.validate([self._epoch(number, display) for number in self.next_epochs], began, display)
                    self.save_progress(folder)
            return self.finish(store, console, imports, command)
        finally:
            self.tracking.close()

    def begin(self, store: Store, console: Console) -> None:
        """Get ready for the next epoch: resume, or make sure that there is something to learn."""
        keep_freed_memory()
        folder = store.folder(self.key)
        for abandoned in folder.glob(".*.tmp") if self.ranks.first else ():  # by a process that was killed
            abandoned.unlink(missing_ok=True)
        if self.ranks.from_first((folder / PROGRESS).exists):
            self._resume(folder / PROGRESS, console)
        else:
            generator = generator_of(self.key.seed, 1, self.data.train.user.device)
            check_gradient(self.model, self.data, self.schedule.batch_size, generator)
            if self.schedule.refit:
                self._look_up_best_epoch(store, console)
        for note in self.model.loss.notes:
            print_line(console, f"  note: {note}")
        self.tracking.start(TrackedRun(self.key, self.validation.label, store.root), self.state.curve)

    def display(self, console: Console) -> TrainingDisplay:
        """Return what shows the run while it looks for the best epoch."""
        title = f"{self.key.method}, seed {self.key.seed}"
        return TrainingDisplay(console, title, self.validation.label, self.schedule.epochs, self.rows)

    @property
    def selecting(self) -> bool:
        """Whether the best epoch is still to be found."""
        state, schedule = self.state, self.schedule
        waited = state.epochs - max(state.best_epoch, self.model.backbone.pretraining)
        return not state.refitted and state.epochs < schedule.epochs and waited < schedule.patience

    @property
    def next_epochs(self) -> range:
        """The epochs to train until validation is looked at again."""
        done = self.state.epochs
        return range(done + 1, min(done + self.schedule.validate_every, self.schedule.epochs) + 1)

    def validate(self, trained: Sequence[TrainedEpoch], began: float, display: TrainingDisplay) -> None:
        """Validate after `next_epochs`, begun at that time, and keep the weights if they are the best so far."""
        state, last = self.state, trained[-1]
        number = self.next_epochs[-1]
        seconds, slots = (state.curve[-1]["seconds"], state.curve[-1]["slots"]) if state.curve else (0.0, 0)
        seconds += sum(epoch.seconds for epoch in trained)
        slots += sum(epoch.slots for epoch in trained)
        metric = validate(self.validation, self.model, self.ranks)
        state.curve.append(Epoch(epoch=number, loss=last.loss, metric=metric, seconds=seconds, slots=slots))
        self.tracking.epoch(state.curve[-1])
        is_best = state.best_epoch == 0 or metric > state.valid
        if is_best:
            state.best_epoch = number
            state.best = {name: checkpoint.copy_of(part) for name, part in self.model.state().items()}
        pace = (time.perf_counter() - began) / len(trained)
        display.epoch(number, last.loss, metric, last.seconds, pace, is_best=is_best)

    def finish(self, store: Store, console: Console, imports: list[str], command: str) -> RunRecord:
        """Refit if that is asked for, and write weights and record."""
        folder = store.folder(self.key)
        if self.schedule.refit:
            self._refit(folder, console)
        weights = self.model.shards.whole_weights(self.model.state() if self.schedule.refit else self.state.best)
        notes = [*self.model.loss.notes, *self.step.notes, *notes_of(self.ranks, self.model.shards)]
        if self.ranks.size == 1:  # of several, each may hold other rows
            self.model.load(weights)
            collapsed = self.validation.collapse(self.key, self.model)
            notes += collapsed
            for note in collapsed:
                print_line(console, f"  note: {note}")
        if self.ranks.first:
            checkpoint.save(folder / WEIGHTS, weights)
            if self.key not in store:
                store.write_record(self._record(imports, command, notes))
            (folder / PROGRESS).unlink(missing_ok=True)
        record = self.ranks.from_first(lambda: store.record(self.key))
        self.tracking.finish(record)
        return record

    def _new_model(self) -> Model:
        key = self.key
        model = build(self.data, key.loss, key.backbone, key.settings, key.seed, self.schedule)
        reason = why_not(model, self.data, self.ranks)
        if reason is not None:
            raise UsageError(reason)
        share_out(model, self.ranks)
        self.data = model.backbone.sequences(self.data)
        self.step = make_step(model, model.schedule)
        return model

    def _resume(self, path: Path, console: Console) -> None:
        remedy = "delete it to train from the first epoch"
        try:
            saved = checkpoint.load(path, remedy) if self.ranks.first else {}
            self._take_over(self.ranks.from_first_to_each(lambda rank: self._part_of(saved, rank)))
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: does not fit the run ({str(error).splitlines()[0]}); {remedy}") from error
        print_line(console, f"  resuming after epoch {self.state.refitted or self.state.epochs}")

    def _part_of(self, saved: dict[str, Any], rank: int) -> dict[str, Any]:
        """Return what a rank takes over of what `save_progress` wrote."""
        shards = self.model.shards
        return {
            **saved,
            "model": shards.own_weights(saved["model"], rank),
            "optimizer": shards.own_optimizer(self.model.optimizer, saved["optimizer"], rank),
            "state": {**saved["state"], "best": shards.own_weights(saved["state"]["best"], rank)},
        }

    def _take_over(self, saved: dict[str, Any]) -> None:
        """Continue from what `save_progress` wrote: state, weights, optimiser, random numbers and notes."""
        self.state = TrainingState(**saved["state"])
        if self.state.refitted:
            self._start_refit()
        self.model.load(saved["model"])
        self.model.optimizer.load_state_dict(saved["optimizer"])
        self.model.loss.notes[:] = saved.get("notes", self.model.loss.notes)  # which older checkpoints lack
        checkpoint.set_random_state(saved)

    def save_progress(self, folder: Path) -> None:
        """Keep what a resumed run needs."""
        shards = self.model.shards
        progress = {
            "model": shards.whole_weights(self.model.state()),
            "optimizer": shards.whole_optimizer(self.model.optimizer),
            "notes": self.model.loss.notes,
            **checkpoint.random_state(),
            "state": {**vars(self.state), "best": shards.whole_weights(self.state.best)},
        }
        if not self.ranks.first:
            return
        checkpoint.save(folder / PROGRESS, progress)
        if self.saved is not None:
            self.saved(self.key, folder / PROGRESS)

    def _look_up_best_epoch(self, store: Store, console: Console) -> None:
        """Take the curve and best epoch from the run without refit, if it stands already: they would be the same."""
        key = replace(self.key, settings={**self.key.settings, "train.refit": False})
        if not self.ranks.from_first(lambda: key in store):
            return
        record = self.ranks.from_first(lambda: store.record(key))
        self.state = TrainingState(list(record.curve), best_epoch=record.best_epoch, together=record.trained_together)
        print_line(console, f"  best epoch of run {key.digest}, the same without refit: {record.best_epoch}")

    def _start_refit(self) -> None:
        """Start anew on train and validation rows."""
        self.data = self.data.with_valid()
        self.model = self._new_model()

    def _refit(self, folder: Path, console: Console) -> None:
        """Train anew on train and validation rows, for as many epochs as were best; nothing is selected here."""
        state = self.state
        if not state.refitted:
            self._start_refit()
        title = f"{self.key.method}, seed {self.key.seed}, refit"
        print_line(console, f"  refit on train and validation rows, {state.best_epoch} epochs")
        rows = self.model.loss.sampler.rows(self.data)
        with TrainingDisplay(console, title, "", state.best_epoch, rows) as display:
            while state.refitted < state.best_epoch:
                trained = self._epoch(state.refitted + 1, display)
                state.refitted += 1
                state.refit_seconds += trained.seconds
                state.refit_slots += trained.slots
                display.epoch(state.refitted, trained.loss, None, trained.seconds, trained.seconds, is_best=False)
                self.save_progress(folder)

    def _epoch(self, number: int, display: TrainingDisplay) -> TrainedEpoch:
        trained = train_epoch(self.step, self.data, self.schedule, self.key.seed, number, display)
        check_agreement(self.ranks, trained.loss, number)
        return trained

    def _record(self, imports: list[str], command: str, notes: list[str]) -> RunRecord:
        state, last = self.state, self.state.curve[-1]
        commit, dirty = checkout()
        device = next(self.model.backbone.parameters()).device
        return RunRecord(
            key=self.key,
            curve=state.curve,
            select=str(self.validation.request),
            best_epoch=state.best_epoch,
            valid=state.valid,
            seconds=last["seconds"] + state.refit_seconds,
            slots=last["slots"] + state.refit_slots,
            rows_per_second=self.rows * state.epochs / last["seconds"],
            peak_memory_mib=peak() / 2**20,
            parameters=self.model.parameters,
            device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            command=command,
            non_default=non_default(self.key),
            finished=now(),
            versions=versions(),
            commit=commit,
            dirty=dirty,
            imports=counted_paths(imports, self.key.sources),
            notes=notes,
            **({"trained_together": state.together, "schema": SCHEMA_OF_LANES} if state.together > 1 else {}),
        )


def train(
    training: Training, store: Store, console: Console, *, imports: list[str], command: str, wait: bool = True
) -> RunRecord:
    """Train a run to its record, or return the record it has.

    While another process trains it, wait for its record; without `wait`, raise `filelock.Timeout`.
    """
    folder, ranks = store.folder(training.key), training.ranks
    with locked(folder, console, wait) if ranks.first else nullcontext():
        if ranks.from_first(lambda: is_complete(training.key, store)):
            return ranks.from_first(lambda: store.record(training.key))
        return training.run(store, console, imports, command)


@contextmanager
def locked(folder: Path, console: Console, wait: bool) -> Iterator[None]:
    """Hold the lock of a run's folder; raises DataError if it cannot be written, Timeout unless it may `wait`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if not wait:
                raise
            print_line(console, "  another process is training this run; waiting for its record")
            lock.acquire()
    except OSError as error:
        if isinstance(error, Timeout):
            raise
        reason = error.strerror or str(error)
        raise DataError(f"{folder}: cannot be written ({reason}); set RECBENCH_RESULTS to a folder that can") from error
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)  # while it is held: who waits for it notices, and locks the new file
        lock.release()


def is_complete(key: RunKey, store: Store) -> bool:
    """Return whether a run has its record and its weights."""
    return key in store and (store.folder(key) / WEIGHTS).exists()
