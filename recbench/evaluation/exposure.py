"""How often each item is recommended, and how unequal and how equal that could be."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.evaluation.ranked_lists import RankedLists


def times_recommended(lists: RankedLists) -> Tensor:
    """Return in how many lists each item of the catalogue is, [I] int64."""
    assert lists.catalogue is not None
    return torch.bincount(lists.item[lists.item >= 0], minlength=len(lists.catalogue.popularity))


def most_unequal(lists: RankedLists, items: int) -> Tensor:
    """Return how often each of `items` is recommended where all lists of these lengths begin alike, [I] int64."""
    count = torch.zeros(items, dtype=torch.long, device=lists.item.device)
    same = (torch.arange(lists.item.shape[1], device=count.device) < lists.length[:, None]).sum(0)[:items]
    count[: len(same)] = same
    return count


def most_equal(lists: RankedLists, items: int) -> Tensor:
    """Return how often each of `items` is recommended where the lists share them out as evenly as can be, [I] int64."""
    places = int(lists.length.sum())
    count = torch.full((items,), places // items, device=lists.item.device)
    count[: places % items] += 1
    return count
