"""How much of a surprise the recommended items are."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.metrics.arp import mean_over_list
from recbench.evaluation.ranked_lists import RankedLists


@METRICS.add("novelty")
class Novelty(TopKMetric):
    """Mean self-information, in bits, of the items of a list: -log2 of the share of training users who had the item.

    Zhou et al., PNAS 2010, https://doi.org/10.1073/pnas.1000488107. An item that nobody had in train counts as one that
    a single user had, so that no list is infinitely novel. It does not look at relevance.
    """

    words = "-log2(share of train users with the feedback); users of an item=at least 1; empty lists=left out"
    needs = frozenset({"all users", "catalogue"})

    def values(self, lists: RankedLists) -> Tensor:
        """Compute the mean over the list of each user; NaN for an empty one."""
        assert lists.catalogue is not None
        popularity = lists.catalogue.popularity.clamp(min=1).double()
        return mean_over_list(torch.log2(max(lists.catalogue.users, 1) / popularity), lists)
