"""The likelihood of what users have had, by a softmax over the whole catalogue."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from recbench.batch import Batch, Towers
from recbench.errors import UsageError
from recbench.losses.building_blocks.log_sum_exp import log_sum_exp


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
