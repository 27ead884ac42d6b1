"""The score of each user's K-th item."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.samplers.base import items_of

USERS = 1 << 11  # at a time


def kth_largest(k: int, user: Tensor, item: Tensor, pool: Tensor, positives: Positives) -> Tensor:
    """Return each user's k-th largest inner product [users] among its positives and the items of the pool [n].

    user [users, D] and item [items, D] are vectors; the pool holds distinct items, and one that is a positive counts
    once. -inf where there are fewer than k.
    """
    found = []
    slot = pool.new_full((len(item),), len(pool))  # of items beyond the pool
    slot[pool] = torch.arange(len(pool), device=pool.device)
    for users in torch.arange(len(user), device=user.device).split(USERS):
        vectors = user.index_select(0, users)
        row, positive = items_of(positives, users)
        score = vectors.new_empty(len(users), len(pool) + 1)
        torch.mm(vectors, item.index_select(0, pool).T, out=score[:, :-1])
        score[row, slot[positive]] = -torch.inf
        best = score[:, :-1].topk(min(k, len(pool)), dim=1).values
        own = (vectors.index_select(0, row) * item.index_select(0, positive)).sum(1)
        found.append(_kth_of_rows(k, best, own, row))
    return torch.cat(found)


def _kth_of_rows(k: int, best: Tensor, own: Tensor, row: Tensor) -> Tensor:
    """Return the k-th largest of best [b, n] and own [P] together, own belonging to rows [P] in ascending order."""
    count = torch.bincount(row, minlength=len(best))
    first = count.cumsum(0) - count
    by_score = own.argsort(descending=True)
    order = by_score[row[by_score].argsort(stable=True)]
    place = torch.arange(len(row), device=row.device) - first[row]
    table = best.new_full((len(best), k + 1), -torch.inf)
    table[row, place.clamp(max=k)] = own[order]
    return torch.cat([best, table[:, :k]], 1).topk(k, dim=1).values[:, -1]
