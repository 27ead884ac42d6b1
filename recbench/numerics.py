"""Logarithms that neither overflow nor cancel, and inner products that need no large tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from recbench.gpu import add_at


def log1mexp(x: Tensor) -> Tensor:
    """Return log(1 - exp(-x)) for x >= 0, accurate at both ends.

    An x that underflowed to 0 counts as the smallest float.

    Mächler 2012, "Accurately computing log(1 - exp(-|a|))",
    https://cran.r-project.org/package=Rmpfr/vignettes/log1mexp-note.pdf
    """
    x = x.clamp(min=torch.finfo(x.dtype).tiny)
    small = x < math.log(2)
    near = torch.log(-torch.expm1(-torch.where(small, x, torch.ones_like(x))))
    far = torch.log1p(-torch.exp(-torch.where(small, torch.ones_like(x), x)))
    return torch.where(small, near, far)


BLOCK = 1 << 20  # numbers gathered at a time on a CPU: 4 MiB, which stay in the caches
BLOCK_ON_GPU = 1 << 27  # 512 MiB, so that there are few launches


def gathered_inner(query: Tensor, table: Tensor, index: Tensor, block: int = 0) -> Tensor:
    """Return the inner products [B, N, K] of query [B, K, D] with the rows `index` [B, N] of table [M, K, D].

    It is (query[:, None] * table[index]).sum(-1) with no more than about `block` of the B * N * K * D gathered numbers
    at a time (0: what suits the device; never fewer than those of one query), forward and backward, where they are
    gathered again. There are no second and no forward-mode derivatives.
    """
    block = block or (BLOCK if query.device.type == "cpu" else BLOCK_ON_GPU)
    rows = max(1, block // max(1, index[:1].numel() * query[:1].numel()))
    return _gathered_inner(query, table, index, rows)


class _GatheredInner(torch.autograd.Function):
    """The inner products of `rows` queries at a time."""

    generate_vmap_rule = True

    @staticmethod
    def forward(query: Tensor, table: Tensor, index: Tensor, rows: int) -> Tensor:  # noqa: D102
        parts = zip(query.split(rows), index.split(rows), strict=True)
        return torch.cat([(_gathered(table, i) @ q.unsqueeze(-1)).squeeze(-1).transpose(1, 2) for q, i in parts])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int], output: Tensor) -> None:  # noqa: D102
        query, table, index, ctx.rows = inputs
        ctx.save_for_backward(query, table, index)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: D102
        query, table, index = ctx.saved_tensors
        of_query, of_table = torch.empty_like(query), torch.zeros_like(table)
        parts = (x.split(ctx.rows) for x in (query, index, gradient[0], of_query))
        for q, i, g, of_q in zip(*parts, strict=True):
            of_q.copy_((g.transpose(1, 2).unsqueeze(2) @ _gathered(table, i)).squeeze(2))
            add_at(of_table, i.flatten(), (g.unsqueeze(-1) * q.unsqueeze(1)).flatten(0, 1))
        return of_query, of_table, None, None


_gathered_inner: Callable[[Tensor, Tensor, Tensor, int], Tensor] = _GatheredInner.apply


def _gathered(table: Tensor, index: Tensor) -> Tensor:
    """Return the rows `index` [b, N] of table [M, K, D] as [b, K, N, D]."""
    rows: Tensor = table.index_select(0, index.flatten()).unflatten(0, index.shape)
    return rows.transpose(1, 2)
