"""Training steps: one by one, or recorded as a CUDA graph and repeated, which is one launch instead of hundreds."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from importlib.util import find_spec
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from recbench.backbones.base import Backbone
from recbench.batch import Batch
from recbench.errors import TrainingError, UsageError
from recbench.losses.base import Loss
from recbench.training.capturable import Waits, changed, held_by
from recbench.training.model import Model
from recbench.training.optimizer import hold_rates
from recbench.training.random_numbers import RandomNumbers
from recbench.training.schedule import Schedule

EAGER = 3  # steps of a shape before it is recorded, in which whatever is made at first use is made
MOST_GRAPHS = 128  # of different shapes, as lists have them; they share their memory

Replay = Callable[[], None]  # makes a recorded step again


class Step:
    """Makes training steps one by one.

    With `hold_rates`, learning rates are tensors on the device, as a recorded step needs where they change.
    """

    def __init__(self, model: Model, hold_rates: bool = False) -> None:
        self.model = model
        self.hold_rates = hold_rates
        self.notes: list[str] = []  # remarks that the user should read beside the result

    def __call__(self, batch: Batch) -> Tensor:
        """Make one update and return the objective before it, a scalar that no later step changes."""
        return self.model.update(batch)

    def start_epoch(self) -> None:
        """Get ready for an epoch, once the model is."""
        if self.hold_rates:
            hold_rates(self.model.optimizer)


class Recorder(ABC):
    """Records steps, to be repeated on the same memory."""

    asides: ClassVar[int] = 0  # steps to be made `aside` before the first recording; before others one will do

    def aside(self, step: Callable[[], Tensor]) -> Tensor:
        """Make a step as recordings are made, and return its objective."""
        return step()

    @abstractmethod
    def record(self, step: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        """Make a step and record it; return what makes it again, and the objective, which every replay overwrites."""

    @abstractmethod
    def forget(self) -> None:
        """Give up the memory that all recordings so far have shared, none of which is replayed again."""


class CapturedStep(Step):
    """Records the step of each shape of batch that comes often, and repeats it; other steps are made one by one.

    The numbers are those of `Step`: the same operators in the same order. A recording reads its batch from memory that
    is filled before each replay, and makes the `Batch` itself, so that nothing which the batch keeps goes stale. A step
    that waits for the device or counts in Python is not recorded, for the reason in `notes`; what an epoch's start
    changes in the model is seen, and the step recorded anew.
    """

    def __init__(self, model: Model, recorder: Recorder, hold_rates: bool = False) -> None:
        super().__init__(model, hold_rates)
        self.recorder = recorder
        self.recorded: dict[Hashable, tuple[StaticBatch, Replay, Tensor]] = {}
        self.possible: bool | None = None  # None: not known yet
        self._seen: Counter[Hashable] = Counter()
        self._held: dict[str, object] = {}  # by the model when it was recorded

    def start_epoch(self) -> None:
        """Forget the recordings if the model has changed since, other than in the values of its tensors."""
        super().start_epoch()
        self._seen.clear()
        if self.recorded and changed(self._held, held_by(self.model)) is not None:
            self.recorded.clear()
            self.recorder.forget()
            self.possible = None

    def __call__(self, batch: Batch) -> Tensor:
        """Make one update and return the objective before it, a scalar that no later step changes."""
        if self.possible is False:
            return self.model.update(batch)
        shape = shape_of(batch)
        if shape in self.recorded:
            static, replay, objective = self.recorded[shape]
            static.fill(batch)
            replay()
            return objective.clone()
        self._seen[shape] += 1
        aside = self._seen[shape] - EAGER
        if aside < 0 or len(self.recorded) == MOST_GRAPHS:
            return self.model.update(batch)
        if aside == 0:
            return self.model.update(batch) if self.possible else self._examined(batch)
        if aside <= (min(1, self.recorder.asides) if self.recorded else self.recorder.asides):
            return self.recorder.aside(lambda: self.model.update(batch))
        return self._record(shape, batch)

    def _examined(self, batch: Batch) -> Tensor:
        """Make a step and find out whether it could be recorded."""
        before = held_by(self.model)
        waits = Waits()
        with nullcontext() if self.model.schedule.compile else waits:  # within, nothing would be compiled
            objective = self.model.update(batch)
        name = changed(before, held_by(self.model))
        reason = waits.reason if name is None else f"a step changes `{name}`, which is neither parameter nor buffer"
        self.possible = reason is None
        if reason is not None:
            self._give_up(reason)
        return objective

    def _record(self, shape: Hashable, batch: Batch) -> Tensor:
        static = StaticBatch(batch)
        try:
            with capturable(self.model.optimizer):
                replay, objective = self.recorder.record(lambda: self.model.update(static.batch()))
        except RuntimeError as error:
            while isinstance(error.__context__, RuntimeError):  # what ends a recording hides what was wrong in it
                error = error.__context__
            self._give_up(str(error).strip().partition("\n")[0])
            return self.model.update(batch)
        self.recorded[shape] = static, replay, objective
        self._held = held_by(self.model)
        return objective.clone()

    def _give_up(self, reason: str) -> None:
        self.possible = False
        self.recorded.clear()
        loss, backbone = self.model.loss.name, self.model.backbone.name
        self.notes.append(f"steps of {loss} × {backbone} are made one by one, not as a CUDA graph: {reason}")


class StaticBatch:
    """Memory of the shape of one batch, into which others of that shape are written."""

    def __init__(self, batch: Batch) -> None:
        self.template = batch
        self.tensors = [_like(tensor) for tensor in tensors_of(batch)]
        self.fill(batch)

    def fill(self, batch: Batch) -> None:
        """Write a batch of the same shape into the memory."""
        for tensor, source in zip(self.tensors, tensors_of(batch), strict=True):
            _once(tensor).copy_(_once(source))

    def batch(self) -> Batch:
        """Return the memory as a batch that has computed nothing yet."""
        batch: Batch = _with_tensors(self.template, iter(self.tensors))
        return batch


class CudaGraphs(Recorder):
    """Records steps as CUDA graphs that share their memory, which is theirs until all are forgotten."""

    asides: ClassVar[int] = 3  # as torch's own recipe has them

    def __init__(self, device: torch.device, random: Sequence[RandomNumbers] = ()) -> None:
        self.device = device
        self.generators = [each.cuda for each in random if each.cuda is not None]  # beside the global one
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def aside(self, step: Callable[[], Tensor]) -> Tensor:
        """Make a step on the stream of the recordings."""
        now = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(now)
        with torch.cuda.stream(self.stream):
            objective = step()
        now.wait_stream(self.stream)
        return objective

    def record(self, step: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        """Record a step, which does not make it, and make it."""
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)
        here = torch.cuda.stream(torch.cuda.current_stream(self.device))  # torch does not return to it from a failure
        try:
            with here, torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                objective = step()
        except RuntimeError:
            # Before torch 2.13 the random numbers of the device cannot be drawn after a failure, but by a copy.
            for generator in (torch.cuda.default_generators[self.stream.device_index], *self.generators):
                generator.graphsafe_set_state(generator.clone_state())
            raise
        graph.replay()
        return graph.replay, objective

    def forget(self) -> None:
        """Take other memory from now on: of the former, gradients may still hold some, and torch reuses it no more."""
        self.pool = torch.cuda.graph_pool_handle()


def make_step(model: Model, schedule: Schedule, random: Sequence[RandomNumbers] = ()) -> Step:
    """Return what makes the steps of a model: recorded on CUDA if the schedule and its optimiser allow it.

    `random` are the numbers that steps draw other than from torch's global generators.

    Raises UsageError if the schedule wants them compiled and that cannot be.
    """
    device = next(model.backbone.parameters()).device
    if schedule.compile:
        compile_objective(model.loss, device)
    if device.type != "cuda":
        return Step(model)
    reads_rates = schedule.optimizer in ("adam", "adamw")  # from tensors
    hold_rates = reads_rates and not schedule.constant_rate
    reason = None
    if schedule.optimizer == "adagrad":
        reason = "adagrad counts its steps on the CPU"
    elif not (schedule.constant_rate or reads_rates):
        reason = f"{schedule.optimizer} does not read a changing learning rate from the device"
    if reason is None and schedule.capture:
        return CapturedStep(model, CudaGraphs(device, random), hold_rates)
    step = Step(model, hold_rates)
    step.notes += [] if reason is None else [f"steps are made one by one, not as a CUDA graph: {reason}"]
    return step


@contextmanager
def capturable(optimizer: Optimizer) -> Iterator[None]:
    """Let an optimiser be recorded, whose fused steps are the same either way; torch wants to be told so."""
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group in groups:
            group["capturable"] = False


def shape_of(value: object) -> Hashable:
    """Return what batches have in common that one recording serves: all but the values of tensors, and `rows`."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    if is_dataclass(value):
        return tuple(shape_of(getattr(value, field.name)) for field in fields(value) if field.name != "rows")
    return value if isinstance(value, Hashable) else None


def tensors_of(value: Any) -> list[Tensor]:
    """Return the tensors of a batch, in the order of its fields."""
    if isinstance(value, Tensor):
        return [value]
    if is_dataclass(value):
        return [tensor for field in fields(value) for tensor in tensors_of(getattr(value, field.name))]
    return []


def _with_tensors(value: Any, tensors: Iterator[Tensor]) -> Any:
    """Return a batch with other tensors in the place of its own, which has computed nothing yet."""
    if isinstance(value, Tensor):
        return next(tensors)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _with_tensors(getattr(value, f.name), tensors) for f in fields(value)})
    return value


def _like(tensor: Tensor) -> Tensor:
    """Return memory laid out as a tensor is, expanded dimensions included."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device)


def _once(tensor: Tensor) -> Tensor:
    """Return a tensor with one entry along the dimensions that it is expanded along."""
    expanded = [size > 1 and stride == 0 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)]
    return tensor[tuple(slice(0, 1) if wide else slice(None) for wide in expanded)] if any(expanded) else tensor


def compile_objective(loss: Loss, device: torch.device) -> None:
    """Let a loss compute its objective by torch.compile, once for each kind of shape.

    Raises UsageError where there is nothing to compile with, or where the loss does not make its steps by an objective.
    """
    if type(loss).step is not Loss.step:
        raise UsageError(f"train.compile=true: loss `{loss.name}` makes steps of its own; leave it out")
    reason = why_not(device)
    if reason is not None:
        raise UsageError(f"train.compile=true: {reason}, or leave it out")
    compiled: Callable[[Backbone, Batch], Tensor] = torch.compile(loss.objective)

    def objective(backbone: Backbone, batch: Batch) -> Tensor:
        try:
            return compiled(backbone, batch)
        except torch._dynamo.exc.TorchDynamoException as error:
            what = str(error).strip().partition("\n")[0]
            raise TrainingError(f"train.compile=true: torch.compile fails ({what}); leave it out") from error

    loss.objective = objective  # type: ignore[method-assign]


def why_not(device: torch.device) -> str | None:
    """Return what is missing on this machine and how to get it, None if there is all that torch.compile needs."""
    if device.type == "cuda" and find_spec("triton") is None:
        return "torch.compile needs triton on a GPU, which is not installed: install it"
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    if not any(shutil.which(name) for name in wanted):
        return f"there is no C++ compiler ({' or '.join(wanted)}): install one, or set CXX"
    return None
