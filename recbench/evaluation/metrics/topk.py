"""Metrics of each user's first k items: `values` has one number per user, [U] float64."""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor

from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.ranked_lists import RankedLists


@METRICS.add("recall")
class Recall(TopKMetric):
    """Share of the user's relevant items that are among the first k.

    The variant `capped` divides by the most that can be among them (Liang et al., WWW 2018,
    https://arxiv.org/abs/1802.05814).
    """

    variants = MappingProxyType({"relevant": "denominator=relevant", "capped": "denominator=min(k, relevant)"})

    def values(self, lists: RankedLists) -> Tensor:
        """Compute hits over relevant items."""
        possible = lists.relevant.clamp(max=lists.hit.shape[1]) if self.variant == "capped" else lists.relevant
        return lists.hit.sum(1).double() / possible


@METRICS.add("precision")
class Precision(TopKMetric):
    """Share of the first k places that hold a relevant item."""

    words = "denominator=k"

    def values(self, lists: RankedLists) -> Tensor:
        """Compute hits over k."""
        return lists.hit.double().mean(1)


@METRICS.add("hr")
class HitRate(TopKMetric):
    """Share of users with a relevant item among the first k."""

    words = "value=1 for any hit"

    def values(self, lists: RankedLists) -> Tensor:
        """Compute 1 or 0 for each user."""
        return lists.hit.any(1).double()


@METRICS.add("mrr")
class MRR(TopKMetric):
    """Mean reciprocal rank of the first relevant item; 0 if it is not among the first k."""

    words = "beyond k=0"

    def values(self, lists: RankedLists) -> Tensor:
        """Compute the reciprocal rank of the first hit."""
        return (lists.hit / lists.ranks).amax(1)


@METRICS.add("ndcg")
class NDCG(TopKMetric):
    """Discounted cumulative gain of the first k items, relative to the best possible order.

    The variant `hits` divides by the best order of the hits alone, as early NGCF, ComiRec and CROLoss code
    does; it rewards users with few hits.
    """

    variants = MappingProxyType({"relevant": "ideal=min(k, relevant) items", "hits": "ideal=hits first; no hit=0"})
    words = "gain=binary; discount=log2(rank+1)"

    def values(self, lists: RankedLists) -> Tensor:
        """Compute the gain over the ideal gain."""
        discount = 1 / torch.log2(lists.ranks + 1)
        ideal = discount.cumsum(0)
        possible = lists.hit.sum(1) if self.variant == "hits" else lists.relevant
        return (lists.hit * discount).sum(1) / ideal[possible.clamp(1, lists.hit.shape[1]) - 1]
