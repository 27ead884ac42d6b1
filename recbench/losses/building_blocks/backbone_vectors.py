"""The vectors of a backbone as they stand, without gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.backbones.base import Backbone, evaluation_mode


@torch.no_grad()
def snapshot(backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Return copies of the vectors of all users [users, D] and items [items, D] as they are scored, first tower."""
    with evaluation_mode(backbone):
        user, item = backbone.tables()
    return user[:, 0].clone(), item[:, 0].clone()


@torch.no_grad()
def dimension(backbone: Backbone) -> int:
    """Return the dimension D of the backbone's vectors."""
    zero = torch.zeros(1, dtype=torch.long, device=next(backbone.parameters()).device)
    with evaluation_mode(backbone):
        return int(backbone(zero, zero[None]).user.shape[-1])
