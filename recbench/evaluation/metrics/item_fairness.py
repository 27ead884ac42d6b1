"""Fairness to single items: how evenly the items are recommended, by how often or how high each stands in the lists.

These are measures that Rampisela et al. review (TORS 2024, https://doi.org/10.1145/3631943), and so are `gini` and
`coverage`; none looks at relevance. The variant `corrected` goes from 0, where all lists are alike, to 1, where lists
of these lengths share the items out as evenly as can be; where low values are good, the other way round. Their
disparity of users (II-D) is missing, since it is the same number for all lists of k items.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from types import MappingProxyType

import torch
from torch import Tensor

from recbench.evaluation.metric import METRICS, Counted, TopKMetric
from recbench.evaluation.ranked_lists import RankedLists
from recbench.gpu import add_at

DISCOUNT = 0.8  # of the attention for an item from one rank to the next
VARIANTS = MappingProxyType({"plain": "range=0 to 1", "corrected": "range=least to most possible"})


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


class ItemFairness(TopKMetric):
    """A measure of all lists together, of how often each item of the catalogue is in one."""

    words = "items=catalogue"
    needs = frozenset({"all users", "catalogue"})

    @abstractmethod
    def of_counts(self, count: Tensor) -> float:
        """Return the measure of how often each item is recommended, count [I] int64, not all 0."""

    def value(self, lists: RankedLists) -> Counted:
        """Compute the measure, and the number of users with a list; NaN where nothing is recommended."""
        count = times_recommended(lists)
        if not bool(count.any()):
            return Counted(math.nan, len(lists.user))
        found = self.of_counts(count)
        if self.variant == "corrected":
            ends = (most_unequal, most_equal) if self.better == "high" else (most_equal, most_unequal)
            least, most = (self.of_counts(end(lists, len(count))) for end in ends)
            found = (found - least) / (most - least) if most > least else math.nan
        return Counted(found, len(lists.user))


@METRICS.add("jain")
class Jain(ItemFairness):
    """Jain's index of how often each item is recommended: the squared sum, over items times the sum of squares.

    1 where all items are recommended alike, and 1 / items where one alone is (Jain et al., DEC technical report 301,
    1984). The variant `corrected` is 0 at the least and 1 at the most that lists of these lengths can have (Rampisela
    et al., TORS 2024, https://doi.org/10.1145/3631943).
    """

    variants = VARIANTS

    def of_counts(self, count: Tensor) -> float:
        """Return the index."""
        number = count.double()
        return float(number.sum() ** 2 / (len(number) * number.square().sum()))


@METRICS.add("entropy")
class Entropy(ItemFairness):
    """Entropy of which item stands in a place of a list, over the logarithm of the number of items.

    1 where all items are recommended alike, 0 where one alone is; what is never recommended adds nothing. The variant
    `corrected` is 0 at the least and 1 at the most that lists of these lengths can have (Rampisela et al., TORS 2024,
    https://doi.org/10.1145/3631943).
    """

    variants = VARIANTS

    def of_counts(self, count: Tensor) -> float:
        """Return the entropy; 1 of a single item."""
        share = count.double() / count.sum()
        return float(torch.special.entr(share).sum()) / math.log(len(count)) if len(count) > 1 else 1.0


@METRICS.add("fsat")
class FSat(ItemFairness):
    """Share of the items that are recommended at least as often as if all places were shared out, rounded down.

    Fraction of satisfied items (Rampisela et al., TORS 2024, https://doi.org/10.1145/3631943). Where there are fewer
    places than items it is 1 whatever is recommended.
    """

    def of_counts(self, count: Tensor) -> float:
        """Return the share."""
        return float((count >= count.sum() // len(count)).double().mean())


@METRICS.add("ai-d")
class AttentionDisparity(TopKMetric):
    """AI-D: the mean square over items of how far the attention for an item is from the mean over all items.

    An item at rank r of a user's list has the attention 0.8^(r - 1), elsewhere 0; that for an item is its mean over
    users (Rampisela et al., TORS 2024, https://doi.org/10.1145/3631943).
    """

    words = f"items=catalogue; attention={DISCOUNT}^(rank - 1)"
    needs = frozenset({"all users", "catalogue"})
    better = "low"

    def value(self, lists: RankedLists) -> Counted:
        """Compute the mean square, and the number of users with a list; NaN without any."""
        assert lists.catalogue is not None
        users, items = len(lists.user), len(lists.catalogue.popularity)
        if not users:
            return Counted(math.nan, users)
        discount = DISCOUNT ** torch.arange(lists.item.shape[1], device=lists.item.device).double()
        attention = discount.new_zeros(items)
        for block in lists.blocks():
            listed = block.item >= 0
            add_at(attention, block.item[listed], discount.expand_as(block.item)[listed])
        attention = attention / users
        return Counted(float((attention - attention.mean()).square().mean()), users)
