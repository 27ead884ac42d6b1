"""The one training loop: epochs, validation, early stopping, checkpoints, a record."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import DataError
from recbench.memory import peak
from recbench.results.code_version import checkout, versions
from recbench.results.record import Epoch, RunKey, RunRecord, now
from recbench.results.store import Store
from recbench.run import checkpoint
from recbench.run.allocator import keep_freed_memory
from recbench.run.model import Model, build, check_finite, owned
from recbench.run.plan import non_default
from recbench.run.schedule import Schedule
from recbench.run.training_display import Display, Line
from recbench.run.validate import Validation

PROGRESS = "progress.safetensors"
WEIGHTS = "weights.safetensors"
SHOW_EVERY = 0.2  # seconds between changes of the live display
CHECK_EVERY = 100  # steps between looks at the loss, each of which waits for the device


@dataclass
class State:
    """What a run has reached."""

    curve: list[Epoch] = field(default_factory=list)  # of the validated epochs
    best: dict[str, Any] = field(default_factory=dict)  # weights of the best epoch
    best_epoch: int = 0
    refitted: int = 0  # epochs done on train and validation rows together
    refit_seconds: float = 0.0
    refit_slots: int = 0

    @property
    def valid(self) -> float:
        """Validation metric of the best epoch."""
        return next(epoch["metric"] for epoch in self.curve if epoch["epoch"] == self.best_epoch)

    @property
    def epochs(self) -> int:
        """Epochs done to find the best one."""
        return self.curve[-1]["epoch"] if self.curve else 0

    def selecting(self, schedule: Schedule) -> bool:
        """Whether the best epoch is still to be found."""
        waited = self.epochs - self.best_epoch
        return not self.refitted and self.epochs < schedule.epochs and waited < schedule.patience


def train(key: RunKey, data: Dataset, store: Store, console: Console, *, imports: list[str], command: str) -> RunRecord:
    """Train one run to its record, going on from its last finished epoch if it was interrupted.

    `data` has the key's feedback only. Weights and record appear by rename; a run that has both is returned as it
    is, and one whose weights are gone gets them back beside the record it has.
    """
    if is_complete(key, store):
        return store.record(key)
    keep_freed_memory()
    folder = store.folder(key)
    schedule = Schedule(**owned(key.settings, "train"))  # type: ignore[arg-type]
    saved = checkpoint.load(folder / PROGRESS) if (folder / PROGRESS).exists() else None
    state = State() if saved is None else State(**saved["state"])
    if saved is not None:
        console.print(f"  going on after epoch {state.refitted or state.epochs}", highlight=False)

    validation = Validation(data, schedule.select)
    data = schedule.training(data, key.seed)
    model = _model(key, data, schedule, saved if state.selecting(schedule) else None)
    rows = model.loss.sampler.rows(data)
    for note in model.loss.notes:
        console.print(f"  note: {note}", highlight=False, markup=False, soft_wrap=True)
    title = f"{key.loss} × {key.backbone}, seed {key.seed}"
    with Display(console, title, validation.label, schedule.epochs, rows) as display:
        while state.selecting(schedule):
            _select(model, data, schedule, key.seed, state, validation, display)
            checkpoint.save(folder / PROGRESS, _snapshot(model, state))
    if schedule.refit:
        model = _refit(key, data, schedule, state, saved, folder, console)
    checkpoint.save(folder / WEIGHTS, model.state() if schedule.refit else state.best)
    record = _record(key, model, state, rows, validation, imports, command)
    if key not in store:  # else its weights were gone, or another process trained the same run meanwhile
        store.write_record(record)
    (folder / PROGRESS).unlink(missing_ok=True)
    return store.record(key)


def is_complete(key: RunKey, store: Store) -> bool:
    """Return whether a run has its record and its weights."""
    return key in store and (store.folder(key) / WEIGHTS).exists()


def _model(key: RunKey, data: Dataset, schedule: Schedule, saved: dict[str, Any] | None) -> Model:
    """Build the run's model, with weights, optimiser and random state taken over from a checkpoint."""
    model = build(data, key.loss, key.backbone, key.settings, key.seed, schedule.lr)
    if saved is not None:
        model.load(saved["model"])
        model.optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        if saved["random_cuda"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(saved["random_cuda"])
    return model


def _refit(
    key: RunKey,
    data: Dataset,
    schedule: Schedule,
    state: State,
    saved: dict[str, Any] | None,
    folder: Path,
    console: Console,
) -> Model:
    """Train anew on train and validation rows, for as many epochs as were best; nothing is selected here."""
    data = data.with_valid()
    model = _model(key, data, schedule, saved if state.refitted else None)
    title = f"{key.loss} × {key.backbone}, seed {key.seed}, refit"
    console.print(f"  refit on train and validation rows, {state.best_epoch} epochs", highlight=False)
    with Display(console, title, "", state.best_epoch, model.loss.sampler.rows(data)) as display:
        while state.refitted < state.best_epoch:
            loss, seconds, slots = _epoch(model, data, schedule, key.seed, state.refitted + 1, display)
            state.refitted += 1
            state.refit_seconds += seconds
            state.refit_slots += slots
            display.epoch(Line(state.refitted, loss, None, seconds, seconds), best=False)
            checkpoint.save(folder / PROGRESS, _snapshot(model, state))
    return model


def check(key: RunKey, data: Dataset) -> None:
    """Raise UsageError if the run cannot work, before anything is written."""
    schedule = Schedule(**owned(key.settings, "train"))  # type: ignore[arg-type]
    Validation(data, schedule.select)
    build(schedule.training(data, key.seed), key.loss, key.backbone, key.settings, key.seed, schedule.lr)


def trained_model(key: RunKey, data: Dataset, folder: Path) -> Model:
    """Return the model of a finished run with its best weights; `data` has the key's feedback only.

    Raises DataError if the weights are missing or do not fit.
    """
    schedule = Schedule(**owned(key.settings, "train"))  # type: ignore[arg-type]
    trained_on = schedule.training(data, key.seed)
    if schedule.refit:
        trained_on = trained_on.with_valid()
    model = build(trained_on, key.loss, key.backbone, key.settings, key.seed, lr=1.0)
    load_weights(model, folder)
    return model


def load_weights(model: Model, folder: Path) -> None:
    """Take over the best weights of a finished run; raises DataError if they are missing or do not fit."""
    path = folder / WEIGHTS
    if not path.exists():
        raise DataError(f"{path}: missing; weights are not committed with records, so train the run again")
    try:
        model.load(checkpoint.load(path))
    except (RuntimeError, KeyError) as error:
        raise DataError(f"{path}: does not fit the model ({str(error).splitlines()[0]}); train again") from error


def _select(
    model: Model,
    data: Dataset,
    schedule: Schedule,
    seed: int,
    state: State,
    validation: Validation,
    display: Display,
) -> None:
    """Train until the next validation, validate, and keep the weights if they are the best so far."""
    began = time.perf_counter()
    done, number = state.epochs, min(state.epochs + schedule.validate_every, schedule.epochs)
    seconds, slots = (state.curve[-1]["seconds"], state.curve[-1]["slots"]) if state.curve else (0.0, 0)
    for epoch in range(done + 1, number + 1):
        loss, took, seen = _epoch(model, data, schedule, seed, epoch, display)
        seconds += took
        slots += seen
    metric = validation(model)
    state.curve.append(Epoch(epoch=number, loss=loss, metric=metric, seconds=seconds, slots=slots))
    best = state.best_epoch == 0 or metric > state.valid
    if best:
        state.best_epoch = number
        state.best = {name: checkpoint.copy_of(part) for name, part in model.state().items()}
    display.epoch(Line(number, loss, metric, took, (time.perf_counter() - began) / (number - done)), best)


def _epoch(
    model: Model, data: Dataset, schedule: Schedule, seed: int, number: int, display: Display
) -> tuple[float, float, int]:
    """Train one epoch; return its mean loss, seconds and item slots seen."""
    generator = _generator(seed, number, data.train.user.device)
    model.backbone.train()
    model.loss.train()
    model.loss.start_epoch(model.backbone, number)
    started = shown = time.perf_counter()
    pending: list[torch.Tensor] = []
    total, steps, slots, rows = 0.0, 0, 0, 0
    for batch in model.loss.sampler.batches(data, schedule.batch_size, generator):
        pending.append(model.loss.step(model.backbone, batch, model.optimizer))
        slots += batch.slots
        rows += batch.rows
        if len(pending) == CHECK_EVERY:
            total += check_finite(pending, number, steps + 1)
            steps += len(pending)
            pending.clear()
        now = time.perf_counter()
        if now - shown > SHOW_EVERY:
            shown = now
            display.advance(number, rows, total / steps if steps else None, rows / (now - started))
    if pending:
        total += check_finite(pending, number, steps + 1)
        steps += len(pending)
    return total / steps, time.perf_counter() - started, slots


def _generator(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Return the generator of one epoch's batches, a function of (seed, epoch) alone."""
    digest = sha256(f"{seed}/{epoch}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _snapshot(model: Model, state: State) -> dict[str, object]:
    return {
        "model": model.state(),
        "optimizer": model.optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        "state": vars(state),
    }


def _record(
    key: RunKey,
    model: Model,
    state: State,
    rows: int,
    validation: Validation,
    imports: list[str],
    command: str,
) -> RunRecord:
    commit, dirty = checkout()
    last = state.curve[-1]
    device = next(model.backbone.parameters()).device
    return RunRecord(
        key=key,
        curve=state.curve,
        select=str(validation.request),
        best_epoch=state.best_epoch,
        valid=state.valid,
        seconds=last["seconds"] + state.refit_seconds,
        slots=last["slots"] + state.refit_slots,
        rows_per_second=rows * state.epochs / last["seconds"],
        peak_memory_mib=peak() / 2**20,
        parameters=model.parameters,
        device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        command=command,
        non_default=non_default(key),
        finished=now(),
        versions=versions(),
        commit=commit,
        dirty=dirty,
        imports=imports,
        notes=model.loss.notes,
    )
