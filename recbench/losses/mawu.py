"""Margin-aware alignment and weighted uniformity."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.uniformity import gaussian_potential, log_mean, number_of_pairs, unit_pairs
from recbench.samplers import Triplets
from recbench.settings import NonNegative


@LOSSES.add("mawu")
class MAWU(Loss):
    """Alignment at a learned angular margin, and uniformity of users and items with a weight each.

    Park et al., CIKM 2023, https://arxiv.org/abs/2308.06091: -mean cos(angle(u, v) + 1 - sigmoid(m_u + m_i)) over
    positives + gamma_user U(users) + gamma_item U(items), U as in `directau`. Angles end at pi. m is a number in [0, 1]
    of each user and item, 0 at first. The mean in U is over the pairs of a batch; the released code
    (`uniformity=released`) also counts each vector with itself and each pair once more, all as if they were orthogonal,
    which halves the gradient. The paper's weights are tuned to that: from 0.8 to 2.6 for users, 0.1 to 1.6 for items.
    """

    reads_logits = False
    fixed_sampler = True
    needs = frozenset({"vectors", "positive first"})
    searched = ("gamma_user=0.2..10", "gamma_item=0.2..10")
    gamma: Tensor  # [2] of users and items

    def __init__(
        self,
        info: Info,
        *,
        gamma_user: NonNegative = 1.0,
        gamma_item: NonNegative = 1.0,
        uniformity: Literal["pairs", "released"] = "pairs",
    ) -> None:
        super().__init__(info, Triplets(negatives=0))
        self.uniformity = uniformity
        self.register_numbers(gamma=[gamma_user, gamma_item])
        self.user_margin = nn.Parameter(torch.zeros(info.users))
        self.item_margin = nn.Parameter(torch.zeros(info.items))

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return minus the mean cosine at the margin plus both weighted uniformities."""
        user, item, counts = unit_pairs(towers, batch)
        margin = self.user_margin[batch.user] + self.item_margin[batch.item[:, 0]]
        cosine = (user * item).sum(1).clamp(1e-7 - 1, 1 - 1e-7)  # beyond which acos has no gradient
        angle = (cosine.acos() + torch.sigmoid(-margin)).clamp(max=math.pi)
        alignment = -(counts * angle.cos()).sum() / counts.sum().clamp(min=1)
        return alignment + self.gamma @ torch.stack([self._uniformity(user, counts), self._uniformity(item, counts)])

    def _uniformity(self, vector: Tensor, counts: Tensor) -> Tensor:
        total, pairs = gaussian_potential(vector, counts), number_of_pairs(counts)
        if self.uniformity == "pairs":
            return log_mean(total, pairs)
        number = counts.sum()
        return log_mean(total + (pairs + number) * math.exp(-4), number.square())

    @torch.no_grad()
    def after_step(self, backbone: Backbone) -> None:
        """Keep the numbers that make the margins within [0, 1]."""
        self.user_margin.clamp_(0, 1)
        self.item_margin.clamp_(0, 1)
