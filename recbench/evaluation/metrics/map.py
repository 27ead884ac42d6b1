"""Mean average precision."""

from __future__ import annotations

from torch import Tensor

from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.ranked_lists import RankedLists


@METRICS.add("map")
class MAP(TopKMetric):
    """Mean average precision: the precision at the rank of each hit, summed, over the most hits that k places can hold.

    Manning et al., Introduction to Information Retrieval,
    https://nlp.stanford.edu/IR-book/html/htmledition/evaluation-of-ranked-retrieval-results-1.html, cut at k.
    """

    words = "precision at hits; denominator=min(k, relevant)"

    def values(self, lists: RankedLists) -> Tensor:
        """Compute the average precision of each user."""
        return summed_precision(lists) / lists.relevant.clamp(max=lists.hit.shape[1])


def summed_precision(lists: RankedLists) -> Tensor:
    """Return the sum over the hits of each user [U] of the precision at their ranks."""
    return (lists.hit * lists.hit.cumsum(1) / lists.ranks).sum(1)
