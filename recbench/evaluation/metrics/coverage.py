"""How much of the catalogue is recommended at all."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.evaluation.metric import METRICS, Counted, Parts, TopKMetric
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

    def parts(self, lists: RankedLists) -> Parts | None:
        """Return None: an item in the lists of two users counts once."""
        return None


def times_recommended(lists: RankedLists) -> Tensor:
    """Return in how many lists each item of the catalogue is, [I] int64."""
    assert lists.catalogue is not None
    return torch.bincount(lists.item[lists.item >= 0], minlength=len(lists.catalogue.popularity))
