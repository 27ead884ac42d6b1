"""Vectors in the unit ball, and how far their dimensions are from independent."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.backbones.base import Backbone


@torch.no_grad()
def project(backbone: Backbone) -> None:
    """Project the free vectors of a backbone that has such into the unit ball, those of each tower by themselves."""
    for name in ("user_table", "item_table"):
        towers = backbone.get_parameter(name).unflatten(1, (backbone.towers, -1))
        towers.div_(towers.norm(dim=-1, keepdim=True).clamp(min=1))


def in_unit_ball(vectors: Tensor) -> Tensor:
    """Return vectors [..., D], those of a norm above 1 scaled down to it."""
    length: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / length.clamp(min=1)


def off_diagonal(vectors: Tensor, counts: Tensor, signed: bool) -> Tensor:
    """Return what the covariances C of the n vectors [B, D] that count [B] have off the diagonal.

    (|C|_F^2 - |diag C|^2) / n, or, `signed`, the sum of the entries.
    """
    n = counts.sum().clamp(min=1)
    centred = (vectors - (counts @ vectors) / n) * counts[:, None]
    covariance = centred.T @ centred / n
    off = covariance - covariance.diagonal().diag_embed()
    return off.sum() if signed else off.square().sum() / n
