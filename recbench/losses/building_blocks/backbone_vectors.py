"""The vectors of a backbone as they stand, without gradient."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbench.backbones.base import Backbone, evaluation_mode


@torch.no_grad()
def snapshot(backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Return copies of the vectors of all users [users, D] and items [items, D] as the loss reads them, first tower."""
    with evaluation_mode(backbone):
        user, item = (vectors[:, 0].clone() for vectors in backbone.tables())
    if backbone.cosine and not backbone.cosine_ranking:  # of another length in evaluation mode than in training
        return normalize(user, dim=-1), normalize(item, dim=-1)
    return user, item


@torch.no_grad()
def dimension(backbone: Backbone) -> int:
    """Return the dimension D of the backbone's vectors."""
    zero = torch.zeros(1, dtype=torch.long, device=next(backbone.parameters()).device)
    with evaluation_mode(backbone):
        return int(backbone(zero, zero[None]).user.shape[-1])
