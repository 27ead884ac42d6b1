"""Relevance matrix factorisation: an unbiased loss by propensities."""

import torch
from torch import Tensor

from recbench.data.dataset import Dataset
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative


@LOSSES.add("relmf")
class RelMF(Loss):
    """Squared error of the relevance r = sigmoid(s), by propensities: (y / t)(1 - r)^2 + (1 - y / t) r^2.

    Saito et al., WSDM 2020, https://arxiv.org/abs/1909.03601. The propensity t of an item is
    (popularity / the highest popularity)^power, `clip` at least; without a clip the estimate has no bias, but for
    rare items a weight so negative that it has no lower bound. `non_negative` sets negative losses of a slot to 0.
    With `power=0` it is the squared error of the label. Half of the slots are positives, as in the authors' code,
    whose other half is drawn from all pairs; here it is drawn from the same users.
    """

    clip: Tensor
    propensity: Tensor  # [items], set by `setup`

    searched = ("power=0.1..1", "clip=0.01..0.5")

    def __init__(
        self,
        info: Info,
        *,
        power: NonNegative = 0.5,
        clip: NonNegative = 0.1,
        non_negative: bool = False,
        negatives: Count = 1,
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.power, self.non_negative = power, non_negative
        self.register_numbers(clip=clip)
        self.register_buffer("propensity", torch.ones(info.items), persistent=False)

    def setup(self, data: Dataset) -> None:
        """Take the popularity of the items."""
        count = data.popularity.float()
        self.propensity = (count / count.max().clamp(min=1)) ** self.power

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over the slots that count."""
        relevance = towers.logit[..., 0].sigmoid()
        propensity = self.propensity[batch.item].clamp(min=1e-6).maximum(self.clip)
        weight = batch.label[..., 0] / propensity
        loss = weight * (1 - relevance).square() + (1 - weight) * relevance.square()
        return batch.mean(loss.relu() if self.non_negative else loss)
