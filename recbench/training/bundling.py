"""Which runs can be trained side by side, and why others train alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from itertools import groupby
from types import MethodType
from typing import Any

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.gpu import free_memory
from recbench.losses.base import Loss
from recbench.results.record import RunKey
from recbench.training.checkpoint import has_drawn, random_state
from recbench.training.model import Model
from recbench.training.ranks import current
from recbench.training.side_by_side import Objective, gradients_alike

FREE = ("backbone.l2", "train.weight_decay", "train.lr")  # in which runs may differ, whatever their loss and backbone
NOT_COMPARED = ("_parameters", "_buffers", "_modules", "sampler", "notes")  # of a module: tensors, and what is not read
MOST = 64  # runs side by side in a process; from how many on more are no faster was not measured
COPIES = 6  # of the weights that a run and its step hold
SHARE_OF_MEMORY = 0.8  # that is used of what is free
IMPOSSIBLE = {  # of what torch says of an operation that it cannot do for several models at once, what tells which
    "dynamic shape": "makes tensors whose shape depends on values",
    ".item()": "reads the value of a tensor",
    "random operation": "draws random numbers in every step by a function of torch that cannot do so for each run",
}


def why_alone(model: Model, batch: Batch) -> str | None:
    """Return why runs of such models cannot be trained side by side, in one line, or None if they can.

    `batch` is one of the model's epochs. The model is spent: a step is tried, which may change what it holds.
    """
    loss, backbone = model.loss, model.backbone
    if current().size > 1:
        return "several processes train each of them"
    if model.schedule.compile:
        return "train.compile=true compiles the steps of one model"
    if type(loss).step is not Loss.step:
        return f"loss `{loss.name}` makes steps of its own"
    if model.optimizer and model.row_updates:
        return "the rows of its large tables are updated when they are read"
    if batch.pairs is not None:
        return "the feedback of its batches is given as pairs, of which there are more or fewer in each"
    if "lists" in loss.sampler.gives and getattr(backbone, "l2", None) is not None:
        return "backbone.l2 is divided by the number of lists, of which there are more or fewer in each batch"
    return _why_not_tried(model, batch)


def _why_not_tried(model: Model, batch: Batch) -> str | None:
    objective, method = Objective(model), f"{model.loss.name} × {model.backbone.name}"
    tensors = [*objective.parameters(), *objective.buffers()]
    random, versions = random_state(), [tensor._version for tensor in tensors]
    try:
        objective.reached(batch)
        if "lists" in model.loss.sampler.gives and has_drawn(random):
            return f"{method} draws random numbers for lists, of which there are more or fewer in each batch"
        if versions != [tensor._version for tensor in tensors]:
            return f"{method} changes tensors of its own while it computes its loss"
        alike = gradients_alike(objective, batch)
    except RuntimeError as error:
        for words, reason in IMPOSSIBLE.items():
            if words in str(error):
                return f"{method} {reason}"
        return f"torch cannot do a step of {method} for several models at once: {str(error).strip().splitlines()[0]}"
    return None if alike else f"the gradients of {method} for several models at once are not those of each alone"


def difference(one: Model, other: Model) -> str | None:
    """Return the name of something in which two models differ other than in the values of tensors, or None.

    Such models are of one structure, and all numbers that they compute with are tensors that may lie side by side.
    """
    first, second = Objective(one), Objective(other)
    tensors = [dict(model.named_parameters()) | dict(model.named_buffers()) for model in (first, second)]
    if tensors[0].keys() != tensors[1].keys():
        return ", ".join(sorted(tensors[0].keys() ^ tensors[1].keys()))
    for name, tensor in tensors[0].items():
        if _form(tensor) != _form(tensors[1][name]):
            return name
    parts = [dict(model.named_modules()) for model in (first, second)]
    for name, part in parts[0].items():
        if name not in parts[1]:
            return str(name)
        for attribute, value in vars(part).items():
            held = vars(parts[1][name]).get(attribute)
            if attribute not in NOT_COMPARED and not _same(value, held, set()):
                return f"{name}.{attribute}"
    return None


def _form(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.device, tensor.requires_grad


def _same(one: Any, other: Any, compared: set[int]) -> bool:
    """Return whether two values are equal, in all that they hold."""
    if one is other or id(one) in compared:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, MethodType):
        return one.__func__ is other.__func__
    if isinstance(one, Tensor):
        return _form(one) == _form(other) and torch.equal(one, other)
    compared.add(id(one))
    if isinstance(one, Mapping):
        return [*one] == [*other] and all(_same(one[key], other[key], compared) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(_same(a, b, compared) for a, b in zip(one, other, strict=True))
    if is_dataclass(one):
        return all(_same(getattr(one, f.name), getattr(other, f.name), compared) for f in fields(one))
    if hasattr(one, "__dict__") and not callable(one):
        return _same(vars(one), vars(other), compared)
    return bool(one == other)


def most_in_memory(model: Model, batch: Batch) -> int:
    """Return how many runs of such a model a GPU has the memory for, at most MOST; on a CPU, MOST.

    A run holds its weights, their gradients, the two moments of Adam, and the best weights; and what a step needs,
    which is taken to be no less than these. The model is spent: a step on the batch is made, to see what it takes.
    """
    device = next(model.backbone.parameters()).device
    if device.type != "cuda":
        return MOST
    held = sum(x.nbytes for x in [*model.backbone.parameters(), *model.loss.parameters()])
    torch.cuda.reset_peak_memory_stats(device)  # runs that were trained here before may have taken more
    before = torch.cuda.memory_allocated(device)
    model.update(batch)
    of_step = torch.cuda.max_memory_allocated(device) - before
    return max(1, min(MOST, int(SHARE_OF_MEMORY * free_memory(device) / (COPIES * held + of_step))))


def bundles(keys: Iterable[RunKey], most: int) -> list[list[RunKey]]:
    """Return runs in bundles of no more than `most` that may be alike: all but seeds and fractional numbers are equal.

    Those that differ least are neighbours.
    """
    ordered = sorted(keys, key=lambda key: (_kind(key), _numbers(key), key.seed))
    together: list[list[RunKey]] = []
    for _, alike in groupby(ordered, _kind):
        every = list(alike)
        together += [every[start : start + most] for start in range(0, len(every), most)]
    return together


def _kind(key: RunKey) -> str:
    """Return what runs have in common that may be alike."""
    values = {name: value for name, value in sorted(key.settings.items()) if name not in FREE}
    common = [(name, bool(value) if isinstance(value, float) else value) for name, value in values.items()]
    has_penalty = bool(key.settings.get("backbone.l2"))
    place = key.place, key.feedback, key.loss, key.backbone, key.device, sorted(key.sources.items())
    return repr((place, has_penalty, common))


def _numbers(key: RunKey) -> tuple[float, ...]:
    numbers = {name: value for name, value in sorted(key.settings.items()) if isinstance(value, float)}
    free = [float(numbers.pop(name, 0.0)) for name in FREE]
    return (*numbers.values(), *free)
