"""What the first k items of a user are worth, by the definitions of libraries."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.evaluation.dialects.definition import ListValue
from recbench.evaluation.metrics.map import MAP, summed_precision
from recbench.evaluation.metrics.topk import MRR, NDCG, HitRate, Precision, Recall
from recbench.evaluation.ranked_lists import RankedLists


def _hits_over_length(lists: RankedLists) -> Tensor:
    """Hits over the items in the list; 0 for an empty one."""
    return lists.hit.sum(1).double() / lists.length.clamp(min=1)


def _ndcg_log_rank(lists: RankedLists) -> Tensor:
    """Gain over that of min(k, relevant) items, discount log2(max(rank, 2)): the first two places weigh alike.

    Järvelin & Kekäläinen, TOIS 2002, https://doi.org/10.1145/582415.582418.
    """
    discount = 1 / torch.log2(lists.ranks.clamp(min=2))
    ideal = discount.cumsum(0)[lists.relevant.clamp(max=lists.hit.shape[1]) - 1]
    return (lists.hit * discount).sum(1) / ideal


def _average_precision_of_list(lists: RankedLists) -> Tensor:
    """Precision at each hit, summed, over min(items in the list, relevant items); 0 for an empty list."""
    return summed_precision(lists) / torch.minimum(lists.relevant, lists.length).clamp(min=1)


def _precision_at_every_rank(lists: RankedLists) -> Tensor:
    """Mean over the ranks 1 to k of the precision there, hit or not."""
    return (lists.hit.cumsum(1) / lists.ranks).mean(1)


RECALL = ListValue("denominator=relevant", Recall("relevant").values)
RECALL_OF_ALL = ListValue("hits of all users over relevant of all users", Recall("relevant").values)
RECALL_CAPPED = ListValue("denominator=min(k, relevant)", Recall("capped").values)
PRECISION = ListValue("denominator=k", Precision().values)
PRECISION_OF_LIST = ListValue("denominator=items in the list", _hits_over_length)
HIT = ListValue("value=1 for any hit", HitRate().values)
FIRST_HIT = ListValue("beyond k=0", MRR().values)  # 1 / its rank
AVERAGE_PRECISION = ListValue("precision at hits over min(k, relevant)", MAP().values)
AVERAGE_PRECISION_OF_LIST = ListValue(
    "precision at hits over min(items in the list, relevant)", _average_precision_of_list
)
PRECISION_AT_EVERY_RANK = ListValue("mean of the precision at every place to k, hit or not", _precision_at_every_rank)
NDCG_BY_RANK = ListValue("ideal=min(k, relevant) items; discount=log2(rank+1)", NDCG("relevant").values)
NDCG_LOG_RANK = ListValue("ideal=min(k, relevant) items; discount=log2(max(rank, 2))", _ndcg_log_rank)
