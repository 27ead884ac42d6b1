"""Reweighted Bayesian personalised ranking."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Loss
from recbench.losses.building_blocks.pairwise import differences, mean
from recbench.samplers import Sampler, Triplets
from recbench.settings import at_least


@LOSSES.add("rce-bpr")
class RCEBPR(Loss):
    """Bayesian personalised ranking, each triplet weighed by sigmoid(s_ui - s_uj)^beta, a constant of the gradient.

    The pairwise form of RCE (Wang et al., WSDM 2021) that TIL (CIKM 2022, section 5.3, https://arxiv.org/abs/2208.01709)
    compares with; neither says more of it.
    """

    def __init__(self, info: Info, *, beta: float = 0.2, negatives: int = 1) -> None:
        super().__init__(info)
        at_least("loss.beta", beta, 0)
        at_least("loss.negatives", negatives, 1)
        self.beta = beta
        self.sampler: Sampler = Triplets(negatives)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of weight times loss over (positive, negative) pairs; slot 0 of a slate is the positive."""
        difference, counts = differences(towers, batch)
        loss = softplus(-difference)
        return mean((-self.beta * loss.detach()).exp() * loss, counts)
