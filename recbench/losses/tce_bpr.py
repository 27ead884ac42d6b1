"""Truncated Bayesian personalised ranking."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.pairwise import differences, mean
from recbench.losses.building_blocks.truncation import Truncated


@LOSSES.add("tce-bpr")
class TCEBPR(Truncated):
    """Bayesian personalised ranking that leaves out the triplets with the largest losses.

    The pairwise form of TCE (Wang et al., WSDM 2021) that TIL (CIKM 2022, section 5.3, https://arxiv.org/abs/2208.01709)
    compares with; neither says more of it. The share left out grows linearly to `drop` over `gradual` steps.
    """

    def __init__(self, info: Info, *, drop: float = 0.2, gradual: int = 30000, negatives: int = 1) -> None:
        super().__init__(info, drop, gradual, negatives)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over the (positive, negative) pairs that stay; slot 0 of each slate is the positive."""
        difference, counts = differences(towers, batch)
        loss = softplus(-difference)
        return mean(loss, self.kept(loss, counts, counts, counts.sum()))
