"""The definitions of metrics of the first k items; each gives the value of each user [U] float64."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.evaluation.metrics.map import MAP, summed_precision
from recbench.evaluation.metrics.topk import MRR, NDCG, HitRate, Precision, Recall
from recbench.evaluation.ranked_lists import RankedLists

recall = Recall("relevant").values  # hits over relevant items
recall_capped = Recall("capped").values  # hits over min(k, relevant items)
precision = Precision().values  # hits over k
hit_rate = HitRate().values  # 1 for any hit, else 0
reciprocal_rank = MRR().values  # of the first hit; 0 without one
average_precision = MAP().values  # precision at each hit, summed, over min(k, relevant items)
ndcg = NDCG("relevant").values  # gain over that of min(k, relevant) items, discount log2(rank + 1)


def precision_of_list(lists: RankedLists) -> Tensor:
    """Hits over the items in the list; 0 for an empty one."""
    return lists.hit.sum(1).double() / lists.length.clamp(min=1)


def ndcg_log_rank(lists: RankedLists) -> Tensor:
    """Gain over that of min(k, relevant) items, discount log2(max(rank, 2)): the first two places weigh alike.

    Järvelin & Kekäläinen, TOIS 2002, https://doi.org/10.1145/582415.582418.
    """
    discount = 1 / torch.log2(lists.ranks.clamp(min=2))
    ideal = discount.cumsum(0)[lists.relevant.clamp(max=lists.hit.shape[1]) - 1]
    return (lists.hit * discount).sum(1) / ideal


def average_precision_of_list(lists: RankedLists) -> Tensor:
    """Precision at each hit, summed, over min(items in the list, relevant items); 0 for an empty list."""
    return summed_precision(lists) / torch.minimum(lists.relevant, lists.length).clamp(min=1)


def precision_at_every_rank(lists: RankedLists) -> Tensor:
    """Mean over the ranks 1 to k of the precision there, hit or not."""
    return (lists.hit.cumsum(1) / lists.ranks).mean(1)
