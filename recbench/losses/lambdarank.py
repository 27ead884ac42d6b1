"""LambdaRank."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.lists import ListLength, pairs, split_by_label
from recbench.samplers import Lists


@LOSSES.add("lambdarank")
class LambdaRank(Loss):
    """LambdaRank: -log2 sigmoid(s_i - s_j) times the change of NDCG if positive i and negative j swapped places.

    Burges et al., NIPS 2006, written as a loss by Wang et al., CIKM 2018, https://doi.org/10.1145/3269206.3271784.
    Ranks are those of the current scores over the whole list and pass no gradient; ties rank negatives first.
    `per=pairs` is the mean over the pairs of the batch, as in GNOLR (KDD 2025, Table 3), `lists` sums within lists.
    """

    needs = frozenset({"lists"})
    cosine = True

    def __init__(self, info: Info, *, per: Literal["pairs", "lists"] = "pairs", longest: ListLength = 500) -> None:
        super().__init__(info, Lists(longest=longest))
        self.per = per

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over pairs, or over lists; 0 if there is no pair."""
        positive, negative = split_by_label(batch)
        pair = pairs(positive, negative)
        logit = towers.logit[..., 0]
        gain = discounted_gains(logit.detach(), positive, negative)
        loss = pair.total(pair.differences(gain).abs() * softplus(pair.differences(logit)) / math.log(2))
        if self.per == "pairs":
            return loss / pair.count
        return loss / (positive | negative).any(-1).sum().clamp(min=1)


def discounted_gains(score: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return what a positive adds to the NDCG of its list in the place of each slot, [B, N]; masked slots rank last."""
    exact = torch.promote_types(score.dtype, torch.float32)  # places beyond 256 are not told apart in bfloat16
    discount = 1 / torch.log2(torch.arange(2, score.shape[1] + 2, dtype=exact, device=score.device))
    by_label = torch.sort(positive.byte(), dim=-1, stable=True).indices  # the order of ties
    score = score.masked_fill(~(positive | negative), -torch.inf).gather(1, by_label)
    order = by_label.gather(1, torch.sort(score, dim=-1, descending=True, stable=True).indices)
    best = discount.cumsum(0)[(positive.sum(-1, keepdim=True) - 1).clamp(min=0)]
    placed = discount.expand_as(order)
    return torch.zeros_like(placed).scatter(1, order, placed) / best
