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
    def forward(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:  # noqa: D102
        return F.embedding_bag(index, table, mode="sum", per_sample_weights=weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:  # noqa: D102
        table, index, weight = inputs
        ctx.rows = len(table)
        ctx.save_for_backward(index, weight)
        ctx.save_for_forward(index, weight)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: D102
        index, weight = ctx.saved_tensors
        row, place = index.flatten().sort(stable=True)
        count = torch.zeros(ctx.rows, dtype=torch.long, device=row.device).index_add_(0, row, torch.ones_like(row))
        bag = torch.div(place, index.shape[1], rounding_mode="floor")
        share = weight.flatten().index_select(0, place)
        start = count.cumsum(0) - count
        return F.embedding_bag(bag, gradient[0], start, mode="sum", per_sample_weights=share), None, None

    @staticmethod
    def jvp(ctx: Any, *tangent: Tensor) -> Tensor:  # noqa: D102
        index, weight = ctx.saved_tensors
        return F.embedding_bag(index, tangent[0], mode="sum", per_sample_weights=weight)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """Pool from the tables of all runs, one below the other."""
        pairs = zip(inputs, in_dims, strict=True)
        fronts = [x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0) for x, dim in pairs]
        table, index, weight = fronts  # [runs, n, D], [runs, B, L], [runs, B, L]
        first = torch.arange(info.batch_size, device=index.device).view(-1, 1, 1) * table.shape[1]
        sums = pooled(table.flatten(0, 1), (index + first).flatten(0, 1), weight.flatten(0, 1))
        return sums.unflatten(0, index.shape[:2]), 0


pooled: Callable[[Tensor, Tensor, Tensor], Tensor] = _Pooling.apply
