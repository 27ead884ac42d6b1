"""A vector of its own for every entity, and its L2 penalty."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbench.data.dataset import Table


def free_vectors(table: Table, dim: int, std: float) -> nn.Parameter:
    """Return normal vectors [entities, dim], zero for entities unseen in training."""
    vectors = torch.randn(len(table), dim) * std
    vectors[table.seen :] = 0
    return nn.Parameter(vectors.to(table.value.device))


def l2_penalty(l2: float, user: Tensor, item: Tensor) -> tuple[Tensor | float, Tensor | None]:
    """Return `l2` times half the squared norms of free vectors user [B, D] and item [B, N, D].

    The mean over users comes first, then that of each slot [B, N], as `Towers` takes them.
    """
    if not l2:
        return 0.0, None
    return l2 * 0.5 * user.square().sum() / len(user), l2 * 0.5 * item.square().sum(-1)
