"""LambdaLoss for NDCG@K."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count


@LOSSES.add("lambdaloss-at-k")
class LambdaLossAtK(SampledSoftmaxLoss):
    """LambdaLoss of NDCG@K: sum over negatives j of d_ij m_ij log2(1 + e^(s_uj - s_ui)) for a positive i.

    Jagerman et al., SIGIR 2022, https://doi.org/10.1145/3477495.3531849, after Wang et al., CIKM 2018. With ranks r of
    the current scores, D(r) = log2(1 + r) and x = |r_i - r_j|: d is 1 / D(x) - 1 / D(x + 1); m is 1 / (1 - 1 / D(r))
    for the larger rank r of both if it is above `k`, else 1. `weight=benchmark` is d = 1 / D(x), as in IR-Benchmark.
    Ranks pass no gradient. They are among the negatives drawn; with `scale_ranks`, blown up to the whole catalogue.
    """

    def __init__(
        self,
        info: Info,
        *,
        k: Count = 20,
        weight: Literal["paper", "benchmark"] = "paper",
        scale_ranks: bool = True,
        source: Source = "pool",
        negatives: Count = 256,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.k, self.weight, self.scale_ranks, self.items = k, weight, scale_ranks, info.items

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        candidates = Slates.of(batch)
        positive, negative = candidates.logits(towers)
        with torch.no_grad():
            pair_weight = self._pair_weights(positive[:, None], candidates.masked(negative), candidates)
        cost = pair_weight * softplus(negative - positive[:, None]) / math.log(2)
        return candidates.mean(cost.masked_fill(~candidates.negative, 0).sum(1))

    def _pair_weights(self, positive: Tensor, negative: Tensor, candidates: Slates) -> Tensor:
        """Return the weights [B, N] of pairs of positive [B, 1] and negative [B, N]; ties rank negatives first."""
        exact = torch.promote_types(negative.dtype, torch.float32)
        order = negative.argsort(dim=1, descending=True, stable=True)
        place = torch.arange(negative.shape[1], dtype=exact, device=order.device).expand_as(order)
        above = torch.zeros_like(place).scatter(1, order, place)  # negatives above each negative
        step = torch.ones_like(place[:, :1])
        if self.scale_ranks:
            step = (self.items / candidates.number(place)[:, None]).clamp(min=1)
        rank = 1 + step * (above + (negative < positive))
        own_rank = 1 + step * (negative >= positive).sum(1, keepdim=True).to(exact)
        distance = (rank - own_rank).abs().clamp(min=1)
        gain = 1 / torch.log2(1 + distance)
        if self.weight == "paper":
            gain = gain - 1 / torch.log2(2 + distance)
        lower = torch.maximum(rank, own_rank)
        return gain.where(lower <= self.k, gain / (1 - 1 / torch.log2(1 + lower.clamp(min=2)))).to(positive.dtype)
