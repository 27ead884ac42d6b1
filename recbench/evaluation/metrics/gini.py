"""How unequally items are recommended."""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor

from recbench.evaluation.exposure import most_equal, most_unequal, times_recommended
from recbench.evaluation.metric import METRICS, Counted, Parts, TopKMetric
from recbench.evaluation.ranked_lists import RankedLists


@METRICS.add("gini")
class Gini(TopKMetric):
    """Gini index of how often each item of the catalogue is recommended.

    It is 0 where all are recommended alike and 1 - k / items where every user has the same list (Fleder & Hosanagar,
    Management Science 2009, https://doi.org/10.1287/mnsc.1080.0974). Few lists cannot be equal over many items: the
    variant `corrected` is 0 at the least and 1 at the most that lists of these lengths can have (Rampisela et al., TORS
    2024, https://doi.org/10.1145/3631943). It does not look at relevance: random lists are best.
    """

    variants = MappingProxyType({"plain": "range=0 to 1", "corrected": "range=least to most possible"})
    words = "items=catalogue"
    needs = frozenset({"all users", "catalogue"})
    better = "low"

    def value(self, lists: RankedLists) -> Counted:
        """Compute the index, and the number of users with a list; NaN where nothing is recommended."""
        count = times_recommended(lists)
        if not bool(count.any()):
            return Counted(float("nan"), len(lists.user))
        index = gini(count)
        if self.variant == "corrected":
            least, most = (gini(end(lists, len(count))) for end in (most_equal, most_unequal))
            index = (index - least) / (most - least) if most > least else float("nan")
        return Counted(index, len(lists.user))

    def parts(self, lists: RankedLists) -> Parts | None:
        """Return None: what one user adds depends on the lists of the others."""
        return None


def gini(count: Tensor) -> float:
    """Return the Gini index of count [I] int64, not all 0: the mean difference of two of them over twice their mean."""
    items = len(count)
    weight = 2 * torch.arange(1, items + 1, device=count.device) - items - 1
    return float((weight * count.sort().values).sum()) / (items * float(count.sum()))
