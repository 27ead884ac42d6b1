"""Slates with one positive, for the losses that estimate its rank."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Loss, create, defaults

ITEMS = 1000
INFO = Info(users=10, items=ITEMS, rates=(0.1,))
COSINES = [0.5, 0.6, 0.2, -0.1]  # of the positive and of three negatives; times tau = 10, gaps of 1, -3 and -6
KERNELS = ("hinge", "sigmoid", "exp", "softplus")


def made(name: str, info: Info = INFO, **settings: object) -> Loss:
    return create(LOSSES.get(name), info, defaults(LOSSES.get(name)) | settings)  # type: ignore[arg-type]


def slates(logit: Tensor, label: Tensor | None = None, mask: Tensor | None = None) -> tuple[Towers, Batch]:
    """One slate per row of logit [B, N]; without labels, its first slot is the positive."""
    if label is None:
        label = torch.zeros_like(logit)
        label[:, 0] = 1
    nothing = torch.empty(0)
    return Towers(nothing, nothing, pair=logit[..., None]), Batch(nothing, nothing, label[..., None], mask)


def value(loss: Loss, logit: Tensor, label: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
    found: Tensor = loss(*slates(logit, label, mask))
    return found


def vector() -> Tensor:
    return torch.tensor([COSINES], dtype=torch.float64) * 10


def random_logits(users: int = 6, items: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(users, items, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3


def gradient(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.detach().requires_grad_()
    (found,) = torch.autograd.grad(function(at), at)
    return found
