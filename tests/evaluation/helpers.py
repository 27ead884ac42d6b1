"""What several tests of the evaluation share: small inputs, and slow definitions to compare with."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.evaluation.ranked_lists import RankedLists


def brute(score: Tensor, seen: set[tuple[int, int]], k: int) -> list[list[int]]:
    """First k items of each user by a Python sort, -1 where none remain."""
    first = []
    for user, row in enumerate(score.tolist()):
        items = [item for item in range(len(row)) if (user, item) not in seen]
        items.sort(key=lambda item: (-row[item], item))
        first.append((items + [-1] * k)[:k])
    return first


def pairs_of(seen: set[tuple[int, int]], users: int, items: int) -> Positives:
    pairs = torch.tensor(sorted(seen), dtype=torch.long).view(-1, 2)
    return Positives.from_pairs(pairs[:, 0], pairs[:, 1], users, items)


def make_lists(
    hit: list[list[int]] | Tensor,
    relevant: list[int] | Tensor,
    length: list[int] | Tensor | None = None,
    others: int = 0,
) -> RankedLists:
    """Lists of users 0, 1, … with these hits [U, k]; full ones of items 0 to k - 1 where no length is given."""
    hit = torch.as_tensor(hit).bool()
    users, k = hit.shape
    length = torch.full((users,), k) if length is None else torch.as_tensor(length).long()
    item = torch.arange(k).expand(users, k).where(torch.arange(k) < length[:, None], -1)
    return RankedLists(hit, torch.as_tensor(relevant).long(), length, torch.arange(users), item, others)
