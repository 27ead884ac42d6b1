"""Collaborative metric learning."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.sampled_softmax import Slates
from recbench.losses.building_blocks.unit_ball import in_unit_ball, off_diagonal, project
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative, OnlyWith

Weighed = OnlyWith("covariance_weight above 0", lambda given: bool(given["covariance_weight"]))
Covariance = Annotated[Literal["paper", "released"], Weighed]


@LOSSES.add("cml")
class CML(Loss):
    """Collaborative metric learning: log(rank + 1) (margin + |u - v_i|^2 - |u - v_j|^2)_+ for the nearest negative j.

    Hsieh et al., WWW 2017, https://doi.org/10.1145/3038912.3052639. The rank is the number of items times the share of
    the negatives that come within the margin (WARP with a fixed sample), and is a constant of the gradient. Vectors lie
    in the unit ball: the tables of `mf` are projected into it after each update, vectors that a backbone computes are
    clipped to it. The score is -|u - v|^2 + |u|^2, which ranks alike. `covariance_weight` adds (|C|^2 - |diag C|^2) / n
    of the covariances C of the n users and positives of a batch, or (`covariance=released`) the sum of C off the
    diagonal, which has no bound below. The authors' example leaves it out; 20 negatives and margin 1.9 are from there.
    """

    reads_logits = False
    needs = frozenset({"vectors", "negatives"})
    searched = ("margin=0.2..3",)
    margin: Tensor
    covariance_weight: Tensor

    def __init__(
        self,
        info: Info,
        *,
        margin: NonNegative = 1.9,
        negatives: Count = 20,
        covariance: Covariance = "paper",
        covariance_weight: NonNegative = 0.0,
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.covariance = covariance if covariance_weight else "off"
        self.register_numbers(margin=margin, covariance_weight=covariance_weight)
        self.projects = False

    def prepare(self, backbone: Backbone) -> None:
        """Find out which of the two ways keeps the vectors in the unit ball."""
        self.projects = "free vectors" in backbone.offers

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives, plus the weighted covariance."""
        slates = Slates.of(batch)
        user, item = self._clipped(towers.user), self._clipped(towers.item)
        inner = Towers(user, item).inner[..., 0]
        distance = user[:, 0].square().sum(-1, keepdim=True) + item[:, :, 0].square().sum(-1) - 2 * inner
        positive, negatives = slates.split(distance)
        gap = self.margin + positive[:, None] - negatives
        nearest = gap.masked_fill(~slates.negative, -torch.inf).amax(1)
        weight = (self.info.items * slates.mean_of_negatives((gap.detach() > 0).to(gap))).log1p()
        loss = slates.mean(weight * nearest.relu())
        if self.covariance == "off":
            return loss
        own = item[:, :, 0].expand(len(user), -1, -1).take_along_dim(slates.slot.unsqueeze(2), 1)[:, 0]
        both, counts = torch.cat([user[:, 0], own]), slates.counts.to(user).repeat(2)
        return loss + self.covariance_weight * off_diagonal(both, counts, self.covariance == "released")

    def _clipped(self, vectors: Tensor) -> Tensor:
        return vectors if self.projects else in_unit_ball(vectors)

    def after_step(self, backbone: Backbone) -> None:
        """Project the free vectors."""
        if self.projects:
            project(backbone)

    def vectors(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        """Return [2 u, 1] and [v, -|v|^2], whose inner product ranks as the distance does."""
        user, item = self._clipped(user), self._clipped(item)
        square = item.square().sum(-1, keepdim=True)
        return torch.cat([2 * user, torch.ones_like(user[..., :1])], -1), torch.cat([item, -square], -1)
