"""LightGCL: contrast of the layers of the graph with those of a graph of low rank."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.views import LowRank, Propagation
from recbench.batch import Encoding
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.contrast import contrast_with_all, counted_slates, info_nce
from recbench.losses.building_blocks.pairwise import bpr
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative, Positive


@LOSSES.add("lightgcl")
class LightGCL(Loss):
    """BPR on the sum of the layers plus `weight` times InfoNCE of each layer with that of a graph of low `rank`.

    Cai et al., ICLR 2023, https://arxiv.org/abs/2302.08191. Cosines of a batch's users with all users,
    of its positive items with all items; sums over layers, means over the batch. With `reading=released`, as in the
    authors' code, inner products of the layers' sums instead, that of a positive pair held to [-5, 5] after division
    by the temperature, and the items are those of negatives too. That code decays all parameters as well
    (`train.weight_decay`). Neither the paper's residual connections nor its nonlinearity nor edge dropout is here.
    """

    needs = frozenset({"positive first", "negatives", "graph views", "layers"})
    searched = ("weight=0.01..1", "temperature=0.05..1")
    weight: Tensor
    temperature: Tensor

    def __init__(
        self,
        info: Info,
        *,
        weight: NonNegative = 0.2,
        temperature: Positive = 0.2,
        rank: Count = 5,
        reading: Literal["paper", "released"] = "paper",
        negatives: Count = 1,
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.contrast = self.by_layer if reading == "paper" else self.of_sums
        self.register_numbers(weight=weight, temperature=temperature)
        self.low_rank = LowRank(rank)
        self.ask_for(Propagation(), self.low_rank)

    def prepare(self, backbone: Backbone) -> None:
        """Find the graph of low rank."""
        self.low_rank.prepare(backbone)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of BPR over pairs plus the weighed contrast."""
        whole, low = towers.views
        summed = replace(towers, scale=towers.scale * len(whole.layers) ** 2)
        return bpr(summed, batch) + self.weight * self.contrast(whole, low, batch)

    def by_layer(self, whole: Encoding, low: Encoding, batch: Batch) -> Tensor:
        """Return InfoNCE added up over the layers after the free vectors."""
        layers = range(1, len(whole.layers))
        each = [contrast_with_all(whole.layer(number), low.layer(number), batch, self.temperature) for number in layers]
        return torch.stack(each).sum() if each else whole.vectors.new_zeros(())

    def of_sums(self, whole: Encoding, low: Encoding, batch: Batch) -> Tensor:
        """Return InfoNCE of inner products of the sums of the layers."""
        size, user_counts = len(whole.layers), counted_slates(batch)
        counts = torch.ones_like(batch.item, dtype=torch.bool) if batch.mask is None else batch.mask
        total = whole.vectors.new_zeros(())
        for key, query, row, counted in (
            (whole.user, low.user, batch.user, user_counts),
            (whole.item, low.item, batch.item.flatten(), (counts & user_counts[:, None]).flatten()),
        ):
            one, other = query[row, 0] * size / self.temperature, key[:, 0] * size
            positive = (one * other[row]).sum(1)
            beyond = (positive - positive.clamp(-5, 5)).masked_fill(~counted, 0).sum()
            total = total + (info_nce(one, other, row, counted) + beyond) / counted.sum().clamp(min=1)
        return total
