"""Softmax loss for the first K places."""

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.data.dataset import Dataset, Positives
from recbench.losses import LOSSES, Batch, Info, Logit, Towers
from recbench.losses.building_blocks.backbone_vectors import snapshot
from recbench.losses.building_blocks.quantiles import kth_largest
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source, scaled
from recbench.settings import Count, Positive


@LOSSES.add("sl-at-k")
class SLAtK(SampledSoftmaxLoss):
    """Softmax loss weighed by how surely the positive is among the first K: sigmoid((s_ui - b_u) / t_w) * SL(u, i).

    Yang et al., KDD 2025, https://arxiv.org/abs/2508.05673. SL is log sum_j exp((s_uj - s_ui) / t), t = 1 /
    `loss.scale`, s without that scale, and t_w `weight_temperature`. b_u is the K-th largest score of the user among
    its positives and `sample` items, found anew each `every` epochs. `detach` makes the weight a constant; in the
    released code the gradient goes through it, so that a positive may lower its loss by sinking. `normalise` divides
    the weights by their mean over the batch. As t_w grows, it becomes half the softmax loss.
    """

    needs = SampledSoftmaxLoss.needs | {"vectors"}
    cosine = True
    logit = Logit("fixed", scale=10.0)
    searched = ("weight_temperature=0.3..10",)
    weight_temperature: Tensor
    quantile: Tensor  # [users]
    known: Positives  # set by `setup`

    def __init__(
        self,
        info: Info,
        *,
        k: Count = 20,
        weight_temperature: Positive = 1.0,
        sample: Count = 1000,
        every: Count = 5,
        detach: bool = True,
        normalise: bool = False,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.k, self.sample, self.every = k, sample, every
        self.detach, self.normalise, self.items = detach, normalise, info.items
        self.register_numbers(weight_temperature=weight_temperature)
        self.register_buffer("quantile", torch.zeros(info.users))
        if k >= info.items:
            self.notes.append(
                f"loss.k={k} covers all {info.items} items, so that the weights tell none of them apart: this is close "
                "to the plain softmax loss; set loss.k lower"
            )

    def setup(self, data: Dataset) -> None:
        """Take the training positives."""
        self.known = data.positives

    def start_epoch(self, backbone: Backbone, epoch: int) -> None:
        """Find the K-th largest scores if it is time to."""
        if (epoch - 1) % self.every == 0:
            user, item = snapshot(backbone)
            pool = torch.randperm(self.items, device=item.device)[: self.sample]
            self.quantile.copy_(kth_largest(self.k, user[: len(self.quantile)], item, pool, self.known))

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        candidates = Slates.of(batch)
        inner = candidates.inner(towers)
        positive, negatives = scaled(inner, towers)
        above = inner[0] - self.quantile[batch.user]
        weight = torch.sigmoid(above / self.weight_temperature)
        weight = weight.detach() if self.detach else weight
        if self.normalise:
            weight = weight / candidates.mean(weight).clamp(min=torch.finfo(weight.dtype).tiny)
        return candidates.mean(weight * (candidates.masked(negatives).logsumexp(1) - positive))
