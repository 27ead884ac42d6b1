"""Reweighted cross-entropy."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative


@LOSSES.add("rce")
class RCE(Loss):
    """Cross-entropy of positives and uniform non-positives, each weighed by (probability of its label)^beta.

    The R-CE loss of Wang et al., WSDM 2021, https://arxiv.org/abs/2006.04153; `beta` is 0.2 to 0.3 there. The weights
    are constants of the gradient. Their code weighs negatives as well; `reweigh=positives` leaves those at 1.
    """

    searched = ("beta=0.05..1",)

    def __init__(
        self, info: Info, *, beta: NonNegative = 0.2, reweigh: Literal["all", "positives"] = "all", negatives: Count = 1
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.beta, self.reweigh = beta, reweigh

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of weight times cross-entropy over the slots that count."""
        positive = batch.label[..., 0] > 0
        logit = towers.logit[..., 0]
        loss = softplus(torch.where(positive, -logit, logit))
        weight = (-self.beta * loss.detach()).exp()
        if self.reweigh == "positives":
            weight = torch.where(positive, weight, 1.0)
        return batch.mean(weight * loss)
