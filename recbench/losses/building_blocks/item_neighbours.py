"""The items that share the most users with an item."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.data.co_occurrence import common_members, incidence
from recbench.data.dataset import Positives

BLOCK = 1 << 23  # pairs of items that are ranked together: 32 MiB


def item_neighbours(
    pairs: Positives, items: int, most: int, diagonal: bool, block: int = BLOCK
) -> tuple[Tensor, Tensor]:
    """Return for each item the `most` others k of largest weight, and these weights, both [items, most or fewer].

    The weight is sqrt(D_i + 1) / D_i / sqrt(D_k + 1) times A_ik, the number of common users, where D_i is the sum of
    A_ik over k; with `diagonal` an item counts as its own neighbour. Mao et al., CIKM 2021 (UltraGCN),
    https://arxiv.org/abs/2110.15114. Places without a neighbour have weight 0. Rows are ranked in blocks.
    """
    users = len(pairs.start) - 1
    of_user = pairs.start.diff()
    by_item = Positives.from_pairs(pairs.item, pairs.user, items, users)
    degree = torch.zeros(items, dtype=torch.long, device=pairs.item.device)
    degree.index_add_(0, pairs.item, of_user[pairs.user] - (0 if diagonal else 1))
    degree = degree.float()
    of_users, size, found = incidence(pairs, items, range(users)), max(1, block // items), []
    for first in range(0, items, size):
        these = range(first, min(first + size, items))
        (row, column), count = common_members(incidence(by_item, users, these), of_users)
        if not diagonal:
            count = count.where(row + first != column, 0)
        score = torch.zeros(len(these), items, device=count.device)
        score[row, column] = count * (degree[column] + 1).rsqrt()
        found.append(score.topk(min(most, items), 1))
    weight = torch.cat([values for values, _ in found])
    return torch.cat([index for _, index in found]), weight * ((degree + 1).sqrt() / degree.clamp(min=1))[:, None]
