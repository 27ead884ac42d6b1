"""InfoNCE between two views of the same users or items, over large sets in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbench.batch import Batch, Encoding
from recbench.gpu import add_at

BLOCK = 1 << 22  # most similarities that are held together


def contrast(first: Encoding, second: Encoding, batch: Batch, temperature: Tensor) -> Tensor:
    """Return InfoNCE of the users of a batch plus that of its positive items, whose negatives are each other.

    The mean over distinct users, or items, x of -log(exp(c_xx) / sum over those y of exp(c_xy)) with c_xy the cosine of
    x in the first view and y in the second, over the temperature. Slot 0 of each slate is the positive.
    """
    counts = counted_slates(batch)
    total = first.vectors.new_zeros(())
    for one, other, row in sides(first, second, batch):
        row, distinct = distinct_rows(row, len(one), counts)
        query, key = normalize(one[row], dim=-1) / temperature, normalize(other[row], dim=-1)
        own = torch.arange(len(row), device=row.device)
        total = total + info_nce(query, key, own, distinct, distinct) / distinct.sum().clamp(min=1)
    return total


def contrast_with_all(first: Encoding, second: Encoding, batch: Batch, temperature: Tensor) -> Tensor:
    """Return InfoNCE of the users of a batch against all users plus that of its positive items against all items.

    As `contrast`, but for the negatives, and the mean is over slates, a user of several counted several times.
    """
    counts = counted_slates(batch)
    total = first.vectors.new_zeros(())
    for one, other, row in sides(first, second, batch):
        total = total + sum_against_all(one, other, row, counts, temperature) / counts.sum().clamp(min=1)
    return total


def sum_against_all(one: Tensor, other: Tensor, row: Tensor, counts: Tensor, temperature: Tensor) -> Tensor:
    """Return the sum over those rows [B] that count of -log softmax at the row itself of its cosines with all.

    The cosines are of its vector in the one table [n, D] with all of the other [n, D], over the temperature.
    """
    return info_nce(normalize(one[row], dim=-1) / temperature, normalize(other, dim=-1), row, counts)


def sides(first: Encoding, second: Encoding, batch: Batch) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return for users, then items, the vectors [n, D] of both views and the rows [B] of the batch; the first tower."""
    return [
        (first.user[:, 0], second.user[:, 0], batch.user),
        (first.item[:, 0], second.item[:, 0], batch.item[:, 0]),
    ]


def counted_slates(batch: Batch) -> Tensor:
    """Return whether the positive in slot 0 of each slate counts, [B]."""
    return torch.ones_like(batch.user, dtype=torch.bool) if batch.mask is None else batch.mask[:, 0]


def distinct_rows(row: Tensor, size: int, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return numbers [n] below `size`, and which of them [n] are the distinct ones of those `row` [B] that count.

    Unlike that of `torch.unique`, n = min(B, size) does not depend on the data.
    """
    place = torch.arange(len(row), device=row.device).masked_fill(~counts, len(row))
    earliest = torch.full((size,), len(row), device=row.device).scatter_reduce(0, row, place, "amin")
    if size < len(row):
        return torch.arange(size, device=row.device), earliest < len(row)
    return row, counts & (earliest[row] == place)


def info_nce(query: Tensor, key: Tensor, own: Tensor, counts: Tensor, candidates: Tensor | None = None) -> Tensor:
    """Return the sum over queries b of log(sum over keys j of exp(q_b . k_j)) - q_b . k_own(b).

    Those queries [B, D] are summed of which `counts` [B] is true; `own` [B] is the key of each, and `candidates` [n]
    says which keys [n, D] count (None: all). Of the B x n similarities no more than BLOCK are held at a time, and
    none for the backward pass: the gradients are computed along with the value.
    """
    value, _, _ = _info_nce(query, key, own, counts.to(query), candidates)
    return value


class _InfoNCE(torch.autograd.Function):
    """Value and both gradients in one pass over blocks of queries; there is no second derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(  # noqa: D102
        query: Tensor, key: Tensor, own: Tensor, weight: Tensor, candidates: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        out = query.new_zeros(len(key))
        if candidates is not None:
            out = out.masked_fill(~candidates, torch.finfo(query.dtype).min)  # finite: where nothing counts is no NaN
        size = max(1, BLOCK // max(1, len(key)))
        log_total, of_query, of_key = [], [], torch.zeros_like(key)
        for q, w in zip(query.split(size), weight.split(size), strict=True):
            share = torch.addmm(out, q, key.T)
            most = share.amax(1, keepdim=True)
            share = share.sub_(most).exp_()
            total = share.sum(1, keepdim=True)
            share = share.mul_(w[:, None] / total)
            log_total.append((total.log() + most)[:, 0])
            of_query.append(share @ key)
            of_key = of_key.addmm(share.T, q)
        positive = key.index_select(0, own)
        value = (weight * (torch.cat(log_total) - (query * positive).sum(1))).sum()
        add_at(of_key, own, -weight[:, None] * query)
        return value, torch.cat(of_query) - weight[:, None] * positive, of_key

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:  # noqa: D102
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:  # noqa: D102
        of_query, of_key = ctx.saved_tensors
        return gradient[0] * of_query, gradient[0] * of_key, None, None, None


_info_nce: Callable[..., tuple[Tensor, Tensor, Tensor]] = _InfoNCE.apply
