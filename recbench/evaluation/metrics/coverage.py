"""How much of the catalogue is recommended at all."""

from __future__ import annotations

from recbench.evaluation.metric import METRICS, Counted, TopKMetric
from recbench.evaluation.metrics.item_fairness import times_recommended
from recbench.evaluation.ranked_lists import RankedLists


@METRICS.add("coverage")
class Coverage(TopKMetric):
    """Share of all items of the catalogue that are in the list of any user.

    Ge et al., RecSys 2010, https://doi.org/10.1145/1864708.1864761.
    """

    words = "denominator=catalogue"
    needs = frozenset({"all users", "catalogue"})

    def value(self, lists: RankedLists) -> Counted:
        """Compute the share, and the number of users with a list; NaN without any."""
        count = times_recommended(lists)
        share = float(count.count_nonzero()) / len(count) if len(lists.user) else float("nan")
        return Counted(share, len(lists.user))
