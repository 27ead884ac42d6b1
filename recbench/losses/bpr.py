"""Bayesian personalised ranking."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Loss
from recbench.losses.building_blocks.pairwise import differences, mean
from recbench.samplers import Sampler, Triplets
from recbench.settings import at_least


@LOSSES.add("bpr")
class BPR(Loss):
    """Bayesian personalised ranking: -log sigmoid(s_ui - s_uj) over a positive and uniform non-positives.

    Rendle et al., UAI 2009, section 4.1, https://arxiv.org/abs/1205.2618.
    """

    def __init__(self, info: Info, *, negatives: int = 1) -> None:
        super().__init__(info)
        at_least("loss.negatives", negatives, 1)
        self.sampler: Sampler = Triplets(negatives)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over (positive, negative) pairs; slot 0 of each slate is the positive."""
        difference, counts = differences(towers, batch)
        return mean(softplus(-difference), counts)
