"""A vector of its own for every entity."""

from __future__ import annotations

import torch
from torch import nn

from recbench.data.dataset import Table
from recbench.memory import check_room


def free_vectors(table: Table, dim: int, std: float) -> nn.Parameter:
    """Return normal vectors [entities, dim], zero for entities unseen in training.

    Raises UsageError for more than the machine has room for.
    """
    check_room(len(table), dim, "backbone.dim")
    vectors = torch.randn(len(table), dim) * std
    vectors[table.seen :] = 0
    return nn.Parameter(vectors.to(table.value.device))
