"""How far relevance and fairness of lists are, together, from what could be had of both."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from recbench.errors import UsageError
from recbench.evaluation.metric import METRICS, Counted, TopKMetric
from recbench.evaluation.metrics.item_fairness import most_equal, most_unequal
from recbench.evaluation.oracle_to_fair import Exchanges, oracle_to_fair
from recbench.evaluation.ranked_lists import RankedLists

ALPHA = 0.5  # of the way along the frontier, from the most relevant lists, where the reference is


@METRICS.add("dpfr")
class DistanceToFrontier(TopKMetric):
    """DPFR: the distance of (relevance, fairness of the items) from the middle of the frontier of both.

    The frontier are the pairs on the way from the most relevant lists that there could be to the fairest
    (`oracle_to_fair`), the fairest of equal relevance; the reference is the one that is nearest to half of its length
    (Rampisela et al., WWW 2025, https://doi.org/10.1145/3696410.3714589, with alpha = 0.5). Relevance is ndcg@k or
    recall@k, fairness jain@k(corrected) or entropy@k(corrected), over users with a relevant item. Read it beside both:
    a fair list of nothing relevant may be as far away as a relevant one that is unfair. NaN where no user counts.
    Raises UsageError where not all items are ranked.
    """

    variants = MappingProxyType(
        {
            f"{relevance}-{fairness}": f"relevance={relevance}; fairness={fairness}(corrected)"
            for relevance in ("ndcg", "recall")
            for fairness in ("jain", "entropy")
        }
    )
    words = f"frontier=oracle to fair; reference={ALPHA:g} of its length"
    needs = frozenset({"catalogue"})
    better = "low"

    def value(self, lists: RankedLists) -> Counted:
        """Compute the distance, and the number of users with a relevant item."""
        if lists.relevant_items is None or lists.left_out is None:
            raise UsageError("metric `dpfr` needs lists of the whole catalogue; leave out --candidates")
        assert lists.catalogue is not None
        users, items = len(lists.user), len(lists.catalogue.popularity)
        if not users:
            return Counted(math.nan, users)
        relevance, fairness = self.variant.split("-")
        own = (
            METRICS.get(relevance)().value(lists).value,  # type: ignore[attr-defined]
            METRICS.get(fairness)("corrected").value(lists).value,  # type: ignore[attr-defined]
        )
        exchanges = oracle_to_fair(lists.relevant_items, lists.left_out, lists.length, items)
        reference = middle(self.frontier(exchanges, lists, items))
        return Counted(math.dist(own, reference.tolist()), users)

    def frontier(self, exchanges: Exchanges, lists: RankedLists, items: int) -> Tensor:
        """Return relevance and fairness [S + 1, 2] of the lists at first and after each exchange, float64."""
        relevance, fairness = self.variant.split("-")
        values = partial(_relevance, relevance, lists)
        everyone = torch.arange(len(lists.user))
        gain = values(exchanges.user, exchanges.after) - values(exchanges.user, exchanges.before)
        found = values(everyone, exchanges.hits).mean() + _from_0(gain) / len(everyone)
        more, less = exchanges.more, exchanges.less
        term, measure = FAIRNESS[fairness]
        change = term(more - 1) - term(more) + term(less + 1) - term(less)
        places, ends = int(lists.length.sum()), (most_unequal(lists, items), most_equal(lists, items))
        least, most = (measure(term(end.cpu()).sum(), places, items) for end in ends)
        fair = (measure(term(exchanges.count).sum() + _from_0(change), places, items) - least) / (most - least)
        return torch.stack([found.round(decimals=12), fair], 1)  # so that equal relevance is equal


def _relevance(name: str, lists: RankedLists, user: Tensor, hits: Tensor) -> Tensor:
    """Return the relevance [S] of the lists of users [S], by position, that begin with so many relevant items [S]."""
    hit = torch.arange(lists.hit.shape[1]) < hits[:, None]
    relevant, length, number, item = (x.cpu()[user] for x in (lists.relevant, lists.length, lists.user, lists.item))
    some = RankedLists(hit, relevant, length, number, item)
    return METRICS.get(name)().values(some)  # type: ignore[attr-defined,no-any-return]


def _from_0(change: Tensor) -> Tensor:
    """Return the sums [S + 1] of the first 0 to S of some numbers [S]."""
    return torch.cat([change.new_zeros(1), change.cumsum(0)])


# Of a measure of fairness: what each item adds to a sum, by how often it is recommended, and the measure of that sum,
# of the places on all lists and of the number of items.
FAIRNESS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, int, int], Tensor]]] = {
    "jain": (lambda count: count.double().square(), lambda total, places, items: places**2 / (items * total)),
    "entropy": (
        lambda count: torch.xlogy(count.double(), count.double()),
        lambda total, places, items: (math.log(places) - total / places) / math.log(items),
    ),
}


def middle(frontier: Tensor) -> Tensor:
    """Return the point of a frontier [P, 2] that is nearest to the middle of its length, never the first of several."""
    order = frontier[:, 0].argsort(descending=True, stable=True)
    points = frontier[order]
    last = torch.cat([points[1:, 0] != points[:-1, 0], torch.ones(1, dtype=torch.bool)])
    points = points[last]
    if len(points) == 1:
        return points[0]
    reached = (points[1:] - points[:-1]).norm(dim=1).cumsum(0)
    return points[1:][(reached - ALPHA * reached[-1]).abs().argmin()]
