"""How popular the recommended items are."""

from __future__ import annotations

from torch import Tensor

from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.ranked_lists import RankedLists


@METRICS.add("arp")
class ARP(TopKMetric):
    """Average recommendation popularity: mean number of training users who had the items of a list.

    Yin et al., VLDB 2012, https://doi.org/10.14778/2311906.2311916; Abdollahpouri et al., FLAIRS 2019,
    https://arxiv.org/abs/1901.07555. It does not look at relevance.
    """

    words = "popularity=train users with the feedback; empty lists=left out"
    needs = frozenset({"all users", "catalogue"})
    better = "low"

    def values(self, lists: RankedLists) -> Tensor:
        """Compute the mean over the list of each user; NaN for an empty one."""
        assert lists.catalogue is not None
        return mean_over_list(lists.catalogue.popularity.double(), lists)


def mean_over_list(number: Tensor, lists: RankedLists) -> Tensor:
    """Return the mean [U] over each user's list of a number [I] per item; NaN for an empty list."""
    listed = number[lists.item.clamp(min=0)] * (lists.item >= 0)
    return listed.sum(1) / lists.length
