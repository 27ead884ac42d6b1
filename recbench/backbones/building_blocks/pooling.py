"""Weighted sums of rows of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _Pooling(torch.autograd.Function):
    """Sums [B, D] of rows index [B, L] of a table [n, D] by constant weights [B, L].

    It is embedding_bag, which alone has no forward-mode derivative.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, weight: Tensor) -> Tensor:  # noqa: D102
        ctx.index, ctx.weight, ctx.rows = index, weight, len(table)
        return F.embedding_bag(index, table, mode="sum", per_sample_weights=weight)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: D102
        row, place = ctx.index.flatten().sort(stable=True)
        count = torch.zeros(ctx.rows, dtype=torch.long, device=row.device).index_add_(0, row, torch.ones_like(row))
        bag = torch.div(place, ctx.index.shape[1], rounding_mode="floor")
        weight = ctx.weight.flatten().index_select(0, place)
        start = count.cumsum(0) - count
        return F.embedding_bag(bag, gradient[0], start, mode="sum", per_sample_weights=weight), None, None

    @staticmethod
    def jvp(ctx: Any, *tangent: Tensor) -> Tensor:  # noqa: D102
        return F.embedding_bag(ctx.index, tangent[0], mode="sum", per_sample_weights=ctx.weight)


pooled: Callable[[Tensor, Tensor, Tensor], Tensor] = _Pooling.apply
