"""A loss on trial: a toy dataset, models of it, and what checks measure on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from recbench.backbones.base import BACKBONES
from recbench.batch import Batch, Encoding, Pairs, Towers
from recbench.data.dataset import Dataset
from recbench.data.toy import toy
from recbench.inspect.listing import partners_of
from recbench.losses import base
from recbench.losses.base import LOSSES, Loss
from recbench.settings import Value, defaults
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule

ROWS = 600
BATCH = 64
INTERESTS = 8  # of the toy for losses on views


class UnmetError(Exception):
    """A check that failed; the message says what was found."""


class InapplicableError(Exception):
    """A check that does not apply; the message says why."""


@dataclass(frozen=True)
class Trial:
    """A loss to be checked, and what the checks need of it."""

    name: str

    @property
    def loss(self) -> type[Loss]:
        """The class."""
        return LOSSES.get(self.name)

    def data(self, rows: int = ROWS) -> Dataset:
        """Return the toy with three kinds of feedback, or one for a loss that takes one.

        One for views is of several interests: where one number says all, to tell every user from every other is to
        learn nothing.
        """
        return _data(rows, self.loss.multitask, INTERESTS if "graph views" in self.loss.needs else 1)

    @cached_property
    def backbones(self) -> list[str]:
        """The backbones that it can train with its defaults."""
        return partners_of(self.loss)

    @property
    def backbone(self) -> str:
        """The backbone that most checks use: `mf` if it can train that, else the first that it can."""
        return "mf" if "mf" in self.backbones or not self.backbones else self.backbones[0]

    def model(
        self,
        data: Dataset | None = None,
        backbone: str | None = None,
        words: Mapping[str, str] = MappingProxyType({}),
        seed: int = 0,
    ) -> Model:
        """Return an untrained model with these settings of the loss."""
        backbone = backbone or self.backbone
        values = {f"loss.{key}": value for key, value in base.resolve(self.loss, words).items()}
        values |= {f"backbone.{key}": value for key, value in small_settings(backbone).items()}
        return build(data or self.data(), self.name, backbone, values, seed, Schedule(lr=0.02))

    @cached_property
    def batch(self) -> Batch:
        """One batch of the loss's own sampler."""
        data = self.data()
        return next(self.model(data).loss.sampler.batches(data, BATCH, torch.Generator().manual_seed(1)))


@cache
def _data(rows: int, multitask: bool, interests: int) -> Dataset:
    data = toy(rows=rows, interests=interests)
    return data if multitask else data.narrow(["view"])


def value_of(model: Model, batch: Batch) -> Tensor:
    """Return the loss of a batch as training computes it, without the backbone's penalty; views are drawn alike."""
    torch.manual_seed(0)
    value: Tensor = model.loss(model.loss.encode(model.backbone, batch), batch)
    return value


def run_epoch(model: Model, data: Dataset, number: int, size: int = BATCH) -> Tensor:
    """Train one epoch and return the losses of its steps."""
    return torch.stack(list(steps_of(model, data, number, size)))


def steps_of(model: Model, data: Dataset, number: int, size: int = BATCH) -> Iterator[Tensor]:
    """Train one epoch and yield the loss of each step as it is made."""
    generator = torch.Generator().manual_seed(number)
    torch.manual_seed(number)
    model.start_epoch(number)
    for batch in model.loss.sampler.batches(data, size, generator):
        yield model.loss.step(model.backbone, batch, model.optimizer)
    model.end_epoch()


def tensors_of(model: Model) -> dict[str, Tensor]:
    """Return copies of all tensors that backbone and loss hold, by where: weights, buffers and whatever else."""
    tensors: dict[str, Tensor] = {}
    visited: set[int] = set()

    def collect(name: str, value: object) -> None:
        if isinstance(value, Tensor):
            tensors[name] = value.detach().clone()
        elif id(value) not in visited and not isinstance(value, type):
            visited.add(id(value))
            parts: Mapping[Any, object] = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
            if isinstance(value, list | tuple):
                parts = dict(enumerate(value))
            for key, part in parts.items():
                collect(f"{name}.{key}", part)

    collect("backbone", model.backbone)
    collect("loss", model.loss)
    return tensors


def modes_of(model: Model) -> list[bool]:
    """Return which parts of backbone and loss are in training mode."""
    both: tuple[nn.Module, ...] = (model.backbone, model.loss)
    return [part.training for module in both for part in module.modules()]


def slots_of(batch: Batch) -> tuple[int, int]:
    """Return the numbers of users B and of slots N of a batch."""
    return len(batch.user), batch.item.shape[1]


def require_masks(batch: Batch) -> None:
    """Raise InapplicableError for slates of the whole catalogue, of which every item counts."""
    if batch.pairs is not None:
        raise InapplicableError("its slates are the whole catalogue")


def with_label(batch: Batch, label: float) -> Batch:
    """Return a batch with the same label, 0 or 1, on all slots."""
    if batch.pairs is None:
        return replace(batch, label=torch.full_like(batch.label, label))
    users, items = slots_of(batch)
    start, width = torch.arange(users + 1) * items * int(label), items * int(label)
    found = torch.full((users * width, batch.label.shape[2]), label)
    return replace(batch, pairs=Pairs(start, torch.arange(width).repeat(users), found))


def choose_users(batch: Batch, chosen: Tensor) -> Batch:
    """Return the slates of some users [n] of a batch; a slate that all users share stays as it is.

    Where each user has one of its first slots, and all users are chosen, these slots move with them.
    """
    if batch.pairs is not None:
        pairs = batch.pairs.of_users(chosen)
        return replace(batch, user=batch.user[chosen], label=batch.label[chosen], pairs=pairs)
    parts = {field.name: getattr(batch, field.name) for field in fields(Batch)}
    own = {k: v for k, v in parts.items() if isinstance(v, Tensor) and len(v) == len(batch.user)}
    chosen_parts: dict[str, Any] = {name: value[chosen] for name, value in own.items()}
    if batch.positive_slots == len(batch.user) == len(chosen):
        slots = torch.cat([chosen, torch.arange(len(chosen), batch.label.shape[1], device=chosen.device)])
        for name in ("item", "label", "mask", "log_q"):
            part = chosen_parts.get(name, parts[name])
            chosen_parts[name] = None if part is None else part[:, slots]
    return replace(batch, **chosen_parts)


def small_settings(backbone: str) -> dict[str, Value]:
    """Return the settings of a backbone with vectors of 8 numbers, and histories of 8 items."""
    settings = defaults(BACKBONES.get(backbone))
    return settings | {key: 8 for key in ("dim", "length") if key in settings}


def towers_of(inner: Tensor, views: tuple[Encoding, ...] = ()) -> Towers:
    """Return towers with these inner products [B, N, K], as scores of pairs and as vectors, and views."""
    unit = torch.eye(inner.shape[1], dtype=inner.dtype)[None, :, None].expand(-1, -1, inner.shape[2], -1)
    return Towers(inner.transpose(1, 2), unit, pair=inner, views=views)


def require_logits(trial: Trial) -> None:
    """Raise InapplicableError for a loss that reads no logits."""
    if not trial.loss.reads_logits:
        raise InapplicableError("works on vectors, of which it takes the cosine")


def gradients_of(model: Model) -> list[Tensor]:
    """Return the gradients of the backbone's parameters."""
    return [p.grad for p in model.backbone.parameters() if p.grad is not None]


def require(condition: bool, message: str) -> None:
    """Raise UnmetError with the message unless the condition holds."""
    if not condition:
        raise UnmetError(message)


def require_equal(value: Tensor, expected: Tensor, message: str, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    """Raise UnmetError unless both are equal within the tolerances; the message ends with the largest difference."""
    if not torch.allclose(value, expected, rtol=rtol, atol=atol):
        most = (value - expected).abs().max()
        raise UnmetError(f"{message} (by {most.item():.2g})")
