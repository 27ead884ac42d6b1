"""Sets of (user, item) pairs: which of them a user has, and what is left without others."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.data.dataset import Positives


def restrict(pairs: Positives, user: Tensor) -> Positives:
    """Return the pairs of these users [U] only, renumbered 0..U-1 in that order."""
    first = pairs.start[user]
    count = pairs.start[user + 1] - first
    start = torch.cat((count.new_zeros(1), count.cumsum(0)))
    shift = torch.repeat_interleave(first - start[:-1], count)
    return Positives(start, pairs.item[shift + torch.arange(len(shift), device=shift.device)])


def contains(pairs: Positives, user: Tensor, item: Tensor, items: int) -> Tensor:
    """Return whether each (user, item) is among the pairs; item -1 never is. User and item broadcast."""
    sought = user * items + item
    if len(pairs.item) == 0:
        return torch.zeros_like(sought, dtype=torch.bool)
    known = pairs.user * items + pairs.item
    position = torch.searchsorted(known, sought).clamp(max=len(known) - 1)
    return (known[position] == sought) & (item >= 0)


def without(pairs: Positives, others: Positives, items: int) -> Positives:
    """Return the pairs that are not among the others."""
    keep = ~contains(others, pairs.user, pairs.item, items)
    return Positives.from_pairs(pairs.user[keep], pairs.item[keep], len(pairs.start) - 1, items)
