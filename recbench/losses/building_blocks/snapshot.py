"""What proposals of negatives see of a model."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.backbones.base import Backbone


@torch.no_grad()
def snapshot(backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Return the vectors of all users [users, D] and all items [items, D] as they are scored, first tower."""
    training = backbone.training
    backbone.eval()
    user, item = backbone.tables()
    backbone.train(training)
    return user[:, 0].clone(), item[:, 0].clone()
