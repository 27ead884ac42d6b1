"""How unequally items are recommended."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.evaluation.metric import METRICS
from recbench.evaluation.metrics.item_fairness import VARIANTS, ItemFairness


@METRICS.add("gini")
class Gini(ItemFairness):
    """Gini index of how often each item of the catalogue is recommended.

    It is 0 where all are recommended alike and 1 - k / items where every user has the same list (Fleder & Hosanagar,
    Management Science 2009, https://doi.org/10.1287/mnsc.1080.0974). Few lists cannot be equal over many items: the
    variant `corrected` is 0 at the least and 1 at the most that lists of these lengths can have (Rampisela et al., TORS
    2024, https://doi.org/10.1145/3631943). It does not look at relevance: random lists are best.
    """

    variants = VARIANTS
    better = "low"

    def of_counts(self, count: Tensor) -> float:
        """Return the index: the mean difference of two counts over twice their mean."""
        items = len(count)
        weight = 2 * torch.arange(1, items + 1, device=count.device) - items - 1
        return float((weight * count.sort().values).sum()) / (items * float(count.sum()))
