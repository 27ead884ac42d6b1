"""The likelihood of what users have had, by a softmax over the whole catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from recbench.batch import Batch, Towers
from recbench.errors import UsageError

BLOCK = 1 << 19  # logits at a time on a CPU: 2 MiB, which stay in the caches
BLOCK_ON_GPU = 1 << 26  # 256 MiB, so that there are few launches


def log_likelihood(towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the sum over a user's positives i of log(e^s_ui / sum over all items j of e^s_uj), and their number: [B].

    The first tower and the densest feedback count. No matrix of users and items arises. Raises UsageError for batches
    whose slate is not the whole catalogue.
    """
    if batch.pairs is None:
        raise UsageError("the batches have no `pairs`, whatever their sampler says that it gives")
    scale = towers.scale[0] if isinstance(towers.scale, Tensor) else towers.scale
    user, item = towers.user[:, 0] * scale, towers.item[0, :, 0]  # a bias that all items share changes nothing
    start, weight = batch.pairs.start, batch.pairs.label[:, 0].to(item)
    chosen = embedding_bag(
        batch.pairs.item, item, start, mode="sum", per_sample_weights=weight, include_last_offset=True
    )
    count = torch.cat([weight.new_zeros(1), weight.cumsum(0)])[start].diff()
    return (user * chosen).sum(1) - count * log_sum_exp(user, item), count


def log_sum_exp(query: Tensor, key: Tensor, block: int = 0) -> Tensor:
    """Return log(sum over i of exp(query_r · key_i)), [R], of query [R, D] and key [I, D].

    It is torch.logsumexp(query @ key.T, 1) with no more than about `block` of the R * I logits at a time (0: what suits
    the device; never fewer than one item for all rows), forward and backward, where each logit is computed again. A
    bias per item is one more column of `key` and a column of ones in `query`. The values are at least float32. There
    are no second and no forward-mode derivatives.
    """
    block = block or (BLOCK if query.device.type == "cpu" else BLOCK_ON_GPU)
    return _log_sum_exp(query, key, max(1, block // max(1, len(query))))


class _LogSumExp(torch.autograd.Function):
    """The log-sum-exp [R] of query [R, D] · key [I, D], `width` items at a time."""

    generate_vmap_rule = True

    @staticmethod
    def forward(query: Tensor, key: Tensor, width: int) -> Tensor:  # noqa: D102
        first, *others = key.split(width)
        value = _wide(query @ first.T).logsumexp(1)
        for block in others:
            value = torch.logaddexp(value, _wide(query @ block.T).logsumexp(1))
        return value

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:  # noqa: D102
        query, key, ctx.width = inputs
        ctx.save_for_backward(query, key, output)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: D102
        query, key, value = ctx.saved_tensors
        of_query, of_key = torch.zeros_like(query, dtype=value.dtype), torch.empty_like(key)
        for start in range(0, len(key), ctx.width):
            block = key[start : start + ctx.width]
            share = _wide(query @ block.T).sub_(value[:, None]).exp_().mul_(gradient[0][:, None]).to(query.dtype)
            of_query += share @ block
            of_key[start : start + ctx.width] = share.T @ query
        return of_query.to(query.dtype), of_key, None


_log_sum_exp: Callable[[Tensor, Tensor, int], Tensor] = _LogSumExp.apply


def _wide(logit: Tensor) -> Tensor:
    return logit if logit.dtype == torch.float64 else logit.float()
