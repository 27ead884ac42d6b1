"""Slates of a positive and sampled negatives, and models that are trained on such."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info
from recbench.losses.base import LOSSES, Loss, create, resolve
from recbench.samplers import InBatch, Shared
from recbench.samplers import base as samplers
from recbench.settings import Value, prefixed
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule

INFO = Info(users=30, items=40, rates=(0.3,), feedback=("view",))


def loss_by_words(name: str, **words: str) -> Loss:
    kind = LOSSES.get(name)
    return create(kind, INFO, resolve(kind, words)).double()


def model(data: Dataset, name: str, backbone: str = "mf", **words: str) -> Model:
    kind = LOSSES.get(name)
    values = {f"loss.{key}": value for key, value in resolve(kind, words).items()}
    return build(data, name, backbone, {**values, "backbone.dim": 8}, seed=0, schedule=Schedule(lr=0.02))


def model_on(data: Dataset, name: str, sampler: str, of_sampler: dict[str, Value] | None = None, **words: str) -> Model:
    """Return an untrained model that trains on the slates of another sampler than the loss's own."""
    kind = LOSSES.get(name)
    values = prefixed("loss", resolve(kind, words)) | {"backbone.dim": 8}
    values |= prefixed("sampler", samplers.defaults(sampler) | (of_sampler or {}))
    return build(data, name, "mf", values, seed=0, schedule=Schedule(lr=0.02))


def inner_products(inner: Tensor) -> Towers:
    return Towers(torch.empty(0), torch.empty(0), pair=inner)


def slate(scores: list[list[float]], log_q: list[list[float]] | None = None) -> tuple[Towers, Batch, Tensor]:
    """Return towers and batch of slates whose first slot is the positive, and the leaf [B, N, 1]."""
    inner = torch.tensor(scores, dtype=torch.double).unsqueeze(-1).requires_grad_()
    label = torch.zeros_like(inner)
    label[:, 0] = 1
    shares = None if log_q is None else torch.tensor(log_q, dtype=torch.double)
    user = torch.arange(len(scores))
    return inner_products(inner), Batch(user, user[:, None], label.detach(), log_q=shares), inner


SHARES = [0.0, log(0.5), log(0.3), log(0.2)]
ALIKE = [0.0, log(0.25), log(0.25), log(0.25)]


def shared_batch(view: Dataset, sampler: Shared | InBatch) -> tuple[Batch, Tensor]:
    batch = next(sampler.batches(view, 3, torch.Generator().manual_seed(0)))
    generator = torch.Generator().manual_seed(1)
    inner = torch.randn(*batch.label.shape[:2], 1, generator=generator, dtype=torch.double)
    return batch, inner.requires_grad_()


def losses_of(made: Model, data: Dataset, epoch: int = 1) -> Tensor:
    """Return the losses of the steps of an epoch."""
    made.start_epoch(epoch)
    batches = made.loss.sampler.batches(data, 64, torch.Generator().manual_seed(epoch))
    return torch.stack([made.loss.step(made.backbone, batch, made.optimizer) for batch in batches])
